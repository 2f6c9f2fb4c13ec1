"""The record of one candidate: what it is, what became of it, and everything that was measured."""

from __future__ import annotations

import base64
import binascii
import struct
import sys
import traceback
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from dse.design.space import Genome
from models.workload import Configuration, InputError, Setting

Status = Literal["ok", "infeasible", "failed"]
QUARTERS = 4


class UtteranceErrors:
    """Edit errors of each utterance of a split, in the split's order; reference phones beside them.

    Counts are held deflated, as they are stored: a long search keeps thousands of these.
    """

    def __init__(
        self,
        substitutions: Sequence[int],
        deletions: Sequence[int],
        insertions: Sequence[int],
        reference_phones: Sequence[int],
    ) -> None:
        numbers = (*substitutions, *deletions, *insertions, *reference_phones)
        self._packed = zlib.compress(struct.pack(f"<{len(numbers)}I", *numbers), 9)

    @property
    def _counts(self) -> tuple[tuple[int, ...], ...]:
        data = zlib.decompress(self._packed)
        utterances, rest = divmod(len(data), 16)
        if rest:
            raise ValueError(f"{len(data)} bytes are not four counts an utterance")
        numbers = struct.unpack(f"<{4 * utterances}I", data)
        return tuple(numbers[k * utterances : (k + 1) * utterances] for k in range(4))

    @property
    def substitutions(self) -> tuple[int, ...]:
        return self._counts[0]

    @property
    def deletions(self) -> tuple[int, ...]:
        return self._counts[1]

    @property
    def insertions(self) -> tuple[int, ...]:
        return self._counts[2]

    @property
    def reference_phones(self) -> tuple[int, ...]:
        return self._counts[3]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UtteranceErrors) and self._counts == other._counts

    def __hash__(self) -> int:
        return hash(self._counts)

    @property
    def errors(self) -> tuple[int, ...]:
        """Substitutions, deletions and insertions together."""
        return tuple(map(sum, zip(*self._counts[:3], strict=True)))

    @property
    def percent(self) -> float:
        """PER of the whole split."""
        return 100.0 * float(sum(self.errors)) / float(sum(self.reference_phones))

    @property
    def quarters_percent(self) -> tuple[float, ...]:
        """PER of four disjoint quarters: utterance u is in quarter u mod 4, so each has all speakers.

        A quarter without a reference phone, as of fewer than four utterances, is left out.
        Source: Rezk et al., MOHAQ, who take the largest of four as a candidate's error.
        """
        errors = self.errors
        quarters = ((sum(errors[q::QUARTERS]), sum(self.reference_phones[q::QUARTERS])) for q in range(QUARTERS))
        return tuple(100.0 * float(wrong) / float(phones) for wrong, phones in quarters if phones)

    def to_text(self) -> str:
        """Encode the four counts of all utterances: unsigned 32-bit little-endian, deflated, in base 64."""
        return base64.b64encode(self._packed).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> UtteranceErrors:
        """Decode what `to_text` gives. Raises InputError."""
        found = cls.__new__(cls)
        try:
            found._packed = base64.b64decode(text, validate=True)
            found._counts  # noqa: B018  raises where it cannot be read
        except (binascii.Error, zlib.error, ValueError, TypeError) as error:
            raise InputError(f"errors per utterance cannot be read: {error}") from error
        return found


@dataclass(frozen=True)
class Evaluation:
    """Everything known of one candidate.

    `metrics` holds every known metric, whatever the objectives; an infeasible candidate that was never run has only
    those that need no inference, a failed one at most those. `computed` is the computed fraction of each matvec.
    `violation` sums the gaps to the limits, each as a share of its bound: 0 if all are kept. `extra` is what a record
    of a later version holds besides.
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
            extra=extra | ({SETTING_EXTRA: more} if more else {}),
        )


DEFAULTS: dict[str, Any] = {
    "reasons": (), "metrics": {}, "computed": {}, "violation": 0.0, "seconds": 0.0, "utterance_errors": None,
}  # fmt: skip
SETTING_EXTRA = "setting_fields"  # where `extra` keeps unknown fields of settings, by matvec
RECORD_FIELDS = (
    "genome", "configuration", "status", "reasons", "metrics", "computed", "violation", "seconds", "utterance_errors",
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
