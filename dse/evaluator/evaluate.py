"""Evaluation of one candidate, a pure function of its configuration and the measurer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dse.design.evaluation import Evaluation, failed, what_and_where
from dse.design.limits import Limit, Violation, violations
from dse.design.objective import MAX4, eliminated_percent, size_metrics
from dse.design.space import Genome
from dse.evaluator.measurement import Measurement, Measurer
from dse.evaluator.pricing import broken_rules, price, without_inference
from models.workload import Configuration, Workload, total
from platforms import Platform


def evaluate(
    configuration: Configuration,
    measurer: Measurer,
    limits: Sequence[Limit] = (),
    genome: Genome = (),
    platforms: Mapping[str, Platform] | None = None,
    ruled: bool = True,
) -> Evaluation:
    """Price, run and judge one configuration. `limits` are absolute; `genome` is only copied to the evaluation.

    A configuration that breaks a platform's rules, or a limit that needs no inference, is infeasible without inference;
    platforms' rules hold unless `ruled` is off, as for the baseline. One inference prices all platforms. An exception
    while measuring makes the evaluation failed, with the exception as its reason; one while pricing is a platform's bug
    and propagates.
    """
    workload, platforms = measurer.workload, platforms or {}
    priced = unmeasured(configuration, workload, limits, genome, platforms, ruled)
    if priced.status == "infeasible":
        return priced
    try:
        measurement = measurer.measure(configuration)
        measured = _measured_metrics(workload, measurement)
    except Exception as error:
        return failed(configuration, what_and_where(error), genome, priced.metrics)
    computed = dict(measurement.computed)
    size = size_metrics(workload, configuration)
    metrics = size | measured | price(platforms, workload, configuration, computed)
    seconds = float(measurement.seconds)
    return judge(
        replace(priced, metrics=metrics, computed=computed, seconds=seconds, errors=measurement.errors), limits
    )


def unmeasured(
    configuration: Configuration,
    workload: Workload,
    limits: Sequence[Limit] = (),
    genome: Genome = (),
    platforms: Mapping[str, Platform] | None = None,
    ruled: bool = True,
) -> Evaluation:
    """What is known of a configuration without inference, judged by it; arguments as of `evaluate`."""
    platforms = platforms or {}
    size = size_metrics(workload, configuration)
    broken = broken_rules(platforms, workload, configuration) if ruled else ()
    known = {} if broken else price(without_inference(platforms), workload, configuration)
    return judge(Evaluation(genome, configuration, "ok", metrics=size | known), limits, broken)


def judge(evaluation: Evaluation, limits: Sequence[Limit], broken: Sequence[Violation] = ()) -> Evaluation:
    """Judge an evaluation by `limits` and by rules already `broken`: ok or infeasible; a failed one stays failed."""
    if evaluation.status == "failed":
        return evaluation
    broken = (*broken, *violations(limits, evaluation.metrics))
    return replace(
        evaluation,
        status="infeasible" if broken else "ok",
        reasons=tuple(violation.reason for violation in broken),
        violation=total(violation.gap_fraction for violation in broken),
    )


def _measured_metrics(workload: Workload, measurement: Measurement) -> dict[str, float]:
    errors = measurement.errors
    quarters = errors.quarters_percent
    metrics = {
        "error_percent": errors.percent,
        **{f"error_quarter_{quarter}_percent": error for quarter, error in enumerate(quarters)},
        MAX4.metric: max(quarters),
        "substitutions": sum(errors.substitutions),
        "deletions": sum(errors.deletions),
        "insertions": sum(errors.insertions),
        "reference_phones": sum(errors.reference_phones),
        "eliminated_percent": eliminated_percent(workload, measurement.computed),
    }
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}")
    return metrics
