"""The record of one candidate: what it is, what became of it, and everything that was measured."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from dse.design.space import Genome
from dse.design.utterance_errors import UtteranceErrors
from models.workload import Configuration, InputError, Setting

Status = Literal["ok", "infeasible", "failed"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything known of one candidate.

    `metrics` holds every known metric, whatever the objectives; an infeasible candidate that was never run has only
    those that need no inference, a failed one at most those. `computed` is the computed fraction of each matvec.
    `violation` sums the gaps to the limits, each as a share of its bound: 0 if all are kept. `beacon` is the number of
    the study's beacon whose weights scored it, `base` the metrics that the base network has there; None and empty where
    the base network scored it. `extra` is what a record of a later version holds besides.
    """

    genome: Genome
    configuration: Configuration
    status: Status
    reasons: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    computed: dict[str, float] = field(default_factory=dict)
    violation: float = 0.0
    seconds: float = 0.0
    errors: UtteranceErrors | None = None
    beacon: int | None = None
    base: dict[str, float] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def measured(self) -> bool:
        """Whether an inference was spent, and came back."""
        return bool(self.computed)

    def to_json(self) -> dict[str, Any]:
        extra = {name: value for name, value in self.extra.items() if name != SETTING_EXTRA}
        more = self.extra.get(SETTING_EXTRA, {})
        return {
            **extra,
            "genome": list(self.genome),
            "configuration": {n: {**fields, **more.get(n, {})} for n, fields in self.configuration.to_json().items()},
            "status": self.status,
            "reasons": list(self.reasons),
            "metrics": self.metrics,
            "computed": self.computed,
            "violation": self.violation,
            "seconds": self.seconds,
            **({} if self.errors is None else {"utterance_errors": self.errors.to_text()}),
            **({} if self.beacon is None else {"scored_by": {"beacon": self.beacon, "base": self.base}}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evaluation:
        """Read a record: what it lacks has a default, what it has besides is kept. Raises InputError naming a field."""
        for name in ("genome", "configuration", "status"):
            if data.get(name) is None:
                raise InputError(f"an evaluation's record lacks its {name}")
        if data["status"] not in get_args(Status):
            raise InputError(f"an evaluation's status is {data['status']!r}, none of {', '.join(get_args(Status))}")
        known = {**DEFAULTS, **{name: value for name, value in data.items() if value is not None}}
        text = known["utterance_errors"]
        configuration, more = _configuration(known["configuration"])
        extra = {name: value for name, value in data.items() if name not in RECORD_FIELDS}
        violation = _number("violation", known["violation"] or 0.0)
        beacon, base = _scored_by(known["scored_by"])
        if violation and known["status"] == "ok":
            raise InputError(f"an evaluation is ok, and its violation {violation!r}")
        return cls(
            genome=_genome(known["genome"]),
            configuration=configuration,
            status=known["status"],
            reasons=tuple(map(str, _list("reasons", known["reasons"] or []))),
            metrics=_numbers("metrics", known["metrics"] or {}),
            computed=_fractions(known["computed"] or {}, configuration),
            violation=violation,
            seconds=_number("seconds", known["seconds"] or 0.0),
            errors=None if text is None else UtteranceErrors.from_text(text),
            beacon=beacon,
            base=base,
            extra=extra | ({SETTING_EXTRA: more} if more else {}),
        )


DEFAULTS: dict[str, Any] = {
    "reasons": (), "metrics": {}, "computed": {}, "violation": 0.0, "seconds": 0.0, "utterance_errors": None,
    "scored_by": None,
}  # fmt: skip
SETTING_EXTRA = "setting_fields"  # where `extra` keeps unknown fields of settings, by matvec
RECORD_FIELDS = (
    "genome", "configuration", "status", "reasons", "metrics", "computed", "violation", "seconds", "utterance_errors",
    "scored_by",
)  # fmt: skip


def failed(
    configuration: Configuration, reason: str, genome: Genome = (), metrics: Mapping[str, float] | None = None
) -> Evaluation:
    return Evaluation(genome, configuration, "failed", reasons=(reason,), metrics=dict(metrics or {}))


def first_line(error: BaseException) -> str:
    """First line of an error's text, or its kind where it has none."""
    return (str(error) or type(error).__name__).splitlines()[0]


def what_and_where(error: BaseException) -> str:
    """Kind, text and place of an error: 'RuntimeError: it broke (engine.py:83)', the innermost line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _genome(value: Any) -> Genome:
    choices = _list("genome", value)
    if not all(type(choice) is int and choice >= 0 for choice in choices):
        raise InputError(f"an evaluation's genome is {value!r}, not a list of choices")
    return tuple(choices)


def _configuration(value: Any) -> tuple[Configuration, dict[str, dict[str, Any]]]:
    """The configuration, and fields of its settings that this version does not know."""
    if not isinstance(value, Mapping) or not all(isinstance(setting, Mapping) for setting in value.values()):
        raise InputError(f"an evaluation's configuration is {value!r}, not one setting a matvec")
    known = {field.name for field in fields(Setting)}
    own = {name: {k: v for k, v in setting.items() if k in known} for name, setting in value.items()}
    more = {name: {k: v for k, v in setting.items() if k not in known} for name, setting in value.items()}
    return Configuration.from_json(own), {name: rest for name, rest in more.items() if rest}


def _scored_by(value: Any) -> tuple[int | None, dict[str, float]]:
    """Number of the beacon, and the base network's metrics; a dict, as lone numbers in a trial are metrics."""
    if value is None:
        return None, {}
    number = value.get("beacon") if isinstance(value, Mapping) else None
    if type(number) is not int or number < 1:
        raise InputError(f"an evaluation's scored_by is {value!r:.60}, not a beacon's number and the base's metrics")
    return number, _numbers("scored_by.base", value.get("base"))


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise InputError(f"an evaluation's {name} is {value!r}, not a list")
    return list(value)


def _numbers(name: str, value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise InputError(f"an evaluation's {name} is {value!r}, not numbers by name")
    return {str(key): _number(f"{name}.{key}", number) for key, number in value.items()}


def _fractions(value: Any, configuration: Configuration) -> dict[str, float]:
    """Computed fraction of each matvec, or of none."""
    fractions = _numbers("computed", value)
    for name, fraction in fractions.items():
        if fraction > 1:
            raise InputError(f"an evaluation's computed.{name} is {fraction!r}, not a fraction")
    if fractions and fractions.keys() != {name for name, _ in configuration}:
        raise InputError(f"an evaluation's computed fractions are of {', '.join(fractions)}, not of its matvecs")
    return fractions


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= sys.float_info.max:
        raise InputError(f"an evaluation's {name} is {value!r}, not a finite number from 0")
    return value
