"""Limits on metrics: what a design point must keep to be feasible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dse.design.objective import OBJECTIVES, full_objective, valid_objectives
from models.workload import InputError

# Without it most of a front is networks that nobody would ship. Source: Rezk et al., MOHAQ, stop at 24 % of about 16 %.
DEFAULT_LIMIT = "error=+10"
NO_LIMIT = "none"


@dataclass(frozen=True)
class Limit:
    """A bound on an objective, by its full name: at most if it is minimised, at least if it is maximised.

    A relative bound counts points above the 16-bit baseline's value; only errors know it.
    """

    objective: str
    bound: float
    relative: bool = False

    def __str__(self) -> str:
        return f"{self.objective}={'+' if self.relative else ''}{self.bound:g}"


@dataclass(frozen=True)
class Violation:
    """A limit that is not kept: the reason in words, and the gap as a share of the bound."""

    reason: str
    gap_fraction: float


def parse_limit(text: str, platforms: Iterable[str] = ()) -> Limit:
    """Read a limit: 'error=+3', 'error=24', 'size=2', 'silago.speedup=3'. Raises InputError on anything else."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name or not value:
        raise InputError(f"limit '{text}' is not NAME=VALUE, as in error=+3 or size=2")
    valid = valid_objectives(platforms)
    if name not in valid:
        raise InputError(f"limit on '{name}', which is none of {', '.join(valid)}")
    try:
        bound = float(value)
    except ValueError:
        raise InputError(f"limit {name}={value}: '{value}' is not a number") from None
    if not math.isfinite(bound):
        raise InputError(f"limit {name}={value}: '{value}' is not a finite number")
    if bound < 0 or value.startswith("-"):
        raise InputError(f"limit {name}={value} is negative; a limit is 0 or more")
    most = valid[name].most
    if most is not None and bound > most:
        raise InputError(f"limit {name}={value}: nothing keeps it, {name} is {most:g} {valid[name].unit} at most")
    relative = value.startswith("+")
    if relative and not valid[name].relative_limits:
        able = " and ".join(o.name for o in OBJECTIVES.values() if o.relative_limits)
        raise InputError(f"limit {name}={value}: only {able} take a limit relative to the baseline")
    return Limit(valid[name].name, bound, relative)


def parse_limits(texts: Iterable[str], platforms: Iterable[str] = ()) -> tuple[Limit, ...]:
    """Limits from texts that may each hold several, separated by commas."""
    chosen = tuple(platforms)
    return tuple(parse_limit(part, chosen) for part in _parts(texts))


def with_default(texts: Iterable[str]) -> tuple[str, ...]:
    """The limits given, after the default one on error unless an error is limited, or limits are refused by "none"."""
    given = _parts(texts)
    if NO_LIMIT in given:
        return tuple(text for text in given if text != NO_LIMIT)
    limited = {text.partition("=")[0].strip() for text in given}
    errors = {objective.name for objective in OBJECTIVES.values() if objective.relative_limits}
    return given if limited & errors else (DEFAULT_LIMIT, *given)


def _parts(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(part.strip() for text in texts for part in text.split(",") if part.strip())


def resolve(limits: Sequence[Limit], baseline: Mapping[str, float]) -> tuple[Limit, ...]:
    """Relative limits made absolute with the baseline's metrics."""
    return tuple(
        replace(limit, bound=baseline[full_objective(limit.objective).metric] + limit.bound, relative=False)
        if limit.relative
        else limit
        for limit in limits
    )


def violations(limits: Sequence[Limit], metrics: Mapping[str, float]) -> tuple[Violation, ...]:
    """The limits not kept, among those whose metric is known. Raises ValueError on a limit still relative."""
    found = []
    for limit in limits:
        if limit.relative:
            raise ValueError(f"limit {limit} is relative; resolve it with the baseline first")
        objective = full_objective(limit.objective)
        if objective.metric not in metrics:
            continue
        value = metrics[objective.metric]
        gap = objective.minimised(value) - objective.minimised(limit.bound)
        if gap > 0:
            sign = ">" if objective.direction == "minimize" else "<"
            unit = objective.unit
            points = "points" if unit == "%" else unit
            reason = f"{limit.objective} {value:.4g} {unit} {sign} {limit.bound:.4g} {unit} limit by {gap:.3g} {points}"
            found.append(Violation(reason, gap / max(abs(limit.bound), 1e-9)))
    return tuple(found)
