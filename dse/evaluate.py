"""One candidate, evaluated: a pure function of its configuration and the measurer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from dse.limits import Limit, Violation, violations
from dse.objective import eliminated_percent, size_metrics
from dse.pricing import broken_rules, price, without_inference
from dse.screen import ERROR, Run, Sample, Sampler, Screen, baseline_sample
from dse.space import Genome
from models.workload import Configuration, Workload
from platforms import Platform

# A candidate's error: of the whole validation split, or the worst of its four quarters.
WHOLE, MAX4 = ERRORS = ("whole", "max4")
Status = Literal["ok", "infeasible", "screened", "failed"]


class Measurement(Run, Protocol):
    """What one inference over the validation split tells."""

    @property
    def error_percent(self) -> float: ...
    @property
    def quarter_errors_percent(self) -> Sequence[float]: ...
    @property
    def substitutions(self) -> int: ...
    @property
    def deletions(self) -> int: ...
    @property
    def insertions(self) -> int: ...


class Measurer(Sampler, Protocol):
    """Runs the quantized network. Opened once per process.

    `sample` runs a share of the split, larger at each of `stages`; `measure` need not run that again where it is given.
    """

    @property
    def workload(self) -> Workload: ...
    @property
    def stages(self) -> int: ...
    def measure(self, configuration: Configuration, sample: Any = None) -> Measurement: ...


@dataclass(frozen=True)
class Evaluation:
    """Everything known of one candidate.

    `metrics` holds every known metric, whatever the objectives; an infeasible candidate that was never run has only
    those that need no inference, a failed one at most those. A screened one was run on a sample of the split alone
    and has its estimates. `violation` sums the gaps to the limits, each as a share of its bound: 0 if all are kept.
    """

    genome: Genome
    configuration: Configuration
    status: Status
    reasons: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    computed: dict[str, float] = field(default_factory=dict)
    violation: float = 0.0
    seconds: float = 0.0

    @property
    def measured(self) -> bool:
        """Whether an inference over the whole split was spent, and came back."""
        return bool(self.computed) and self.status != "screened"

    def to_json(self) -> dict[str, Any]:
        return {
            "genome": list(self.genome),
            "configuration": self.configuration.to_json(),
            "status": self.status,
            "reasons": list(self.reasons),
            "metrics": self.metrics,
            "computed": self.computed,
            "violation": self.violation,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evaluation:
        return cls(
            genome=tuple(data["genome"]),
            configuration=Configuration.from_json(data["configuration"]),
            status=data["status"],
            reasons=tuple(data["reasons"]),
            metrics=dict(data["metrics"]),
            computed=dict(data["computed"]),
            violation=data["violation"],
            seconds=data["seconds"],
        )


def evaluate(
    configuration: Configuration,
    measurer: Measurer,
    limits: Sequence[Limit] = (),
    genome: Genome = (),
    platforms: Mapping[str, Platform] | None = None,
    screen: Screen | None = None,
) -> Evaluation:
    """Price, run and judge one configuration. `limits` are absolute; `genome` is carried along, never looked at.

    What breaks a platform's rules, or a limit that needs no inference, is infeasible at once; with a `screen`, what a
    sample of the split leaves no chance is screened. One inference prices all platforms. An exception while measuring
    makes the evaluation failed, with the exception as its reason; one while pricing is a platform's bug and passes on.
    """
    workload, platforms = measurer.workload, platforms or {}
    metrics = size_metrics(workload, configuration)
    broken = broken_rules(platforms, workload, configuration)
    if not broken:
        metrics |= price(without_inference(platforms), workload, configuration)
    priced = judge(Evaluation(genome, configuration, "ok", metrics=metrics), limits, broken)
    if priced.status == "infeasible":
        return priced
    try:
        sample = None
        if screen is not None:
            for stage in range(measurer.stages):
                with _measuring():
                    sample = measurer.sample(configuration, sample)
                    baseline = baseline_sample(measurer, screen.baseline, stage)
                if screened := _screened(priced, screen, sample, baseline, workload, limits, platforms):
                    return screened
        with _measuring():
            measurement = measurer.measure(configuration, sample)
            measured = _measured_metrics(workload, measurement)
    except _MeasuringError as error:
        return failed(configuration, str(error), genome, metrics)
    computed = dict(measurement.computed)
    metrics |= measured | price(platforms, workload, configuration, computed)
    return judge(replace(priced, metrics=metrics, computed=computed, seconds=float(measurement.seconds)), limits)


class _MeasuringError(Exception):
    """The text of what broke a measurement."""


@contextmanager
def _measuring() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise _MeasuringError(f"{type(error).__name__}: {error}") from error


def judge(evaluation: Evaluation, limits: Sequence[Limit], broken: Sequence[Violation] = ()) -> Evaluation:
    """The same evaluation, ok or infeasible by `limits` and rules `broken` besides; a failed one stays failed."""
    if evaluation.status == "failed":
        return evaluation
    broken = (*broken, *violations(limits, evaluation.metrics))
    return replace(
        evaluation,
        status="infeasible" if broken else "ok",
        reasons=tuple(violation.reason for violation in broken),
        violation=sum(violation.gap_fraction for violation in broken),
    )


def failed(
    configuration: Configuration, reason: str, genome: Genome = (), metrics: Mapping[str, float] | None = None
) -> Evaluation:
    return Evaluation(genome, configuration, "failed", reasons=(reason,), metrics=dict(metrics or {}))


def _screened(
    priced: Evaluation,
    screen: Screen,
    sample: Sample,
    baseline: Sample,
    workload: Workload,
    limits: Sequence[Limit],
    platforms: Mapping[str, Platform],
) -> Evaluation | None:
    """What the sample lets expect of a candidate that it leaves no chance; None where there is one."""
    computed = dict(sample.computed)
    error, least_error = screen.error_percent(sample, baseline)
    estimated = {
        **priced.metrics,
        ERROR: error,
        "eliminated_percent": eliminated_percent(workload, computed),
        **price(platforms, workload, priced.configuration, computed),
    }
    reasons = screen.reasons(priced.metrics, estimated, least_error, sample.fraction, limits)
    if not reasons:
        return None
    judged = judge(replace(priced, metrics=estimated, computed=computed, seconds=float(sample.seconds)), limits)
    return replace(judged, status="screened", reasons=reasons)


def _measured_metrics(workload: Workload, measurement: Measurement) -> dict[str, float]:
    quarters = measurement.quarter_errors_percent
    metrics = {
        "error_percent": float(measurement.error_percent),
        **{f"error_quarter_{quarter}_percent": float(error) for quarter, error in enumerate(quarters)},
        "substitutions": int(measurement.substitutions),
        "deletions": int(measurement.deletions),
        "insertions": int(measurement.insertions),
        "reference_phones": int(measurement.reference_phones),
        "eliminated_percent": eliminated_percent(workload, measurement.computed),
    }
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}")
    return metrics
