"""Rules that choose a point of a front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dse.design.evaluation import Evaluation
from dse.design.limits import Limit, parse_limit, resolve, violations
from dse.design.objective import Objective, valid_objectives, values
from models.workload import InputError, total


def limits_of(bounds: dict[str, str | float], platforms: Iterable[str], baseline: Evaluation) -> tuple[Limit, ...]:
    """Absolute limits from bounds by objective: error="+1" is a point over the baseline, size=0.3 at most 0.3 MiB."""
    chosen = tuple(platforms)
    return resolve([parse_limit(f"{name}={bound}", chosen) for name, bound in bounds.items()], baseline.metrics)


def best_within(
    points: Sequence[Evaluation], limits: Sequence[Limit], objective: Objective, baseline: Evaluation
) -> Evaluation:
    """The point that is best in one objective among those that keep all limits; the first of equals.

    Raises InputError where none keeps them, with the nearest one's reason.
    """
    if not points:
        raise InputError("the front is empty: no evaluation keeps the study's limits")
    values([objective], baseline.metrics)
    kept = [point for point in points if not violations(limits, point.metrics)]
    if not kept:
        gaps = [violations(limits, point.metrics) for point in points]
        nearest = min(gaps, key=lambda found: total(violation.gap_fraction for violation in found))
        raise InputError(f"no point of the front keeps the limits; the nearest: {'; '.join(v.reason for v in nearest)}")
    return min(kept, key=lambda point: objective.minimised(point.metrics[objective.metric]))


def objective_of(minimize: str | None, maximize: str | None, platforms: Iterable[str]) -> Objective:
    """The one objective that a point shall be best in. Raises InputError where it is none, two, or the wrong way."""
    name = minimize if maximize is None else maximize
    if name is None or (minimize is not None and maximize is not None):
        raise InputError("say what the point shall be best in: minimize or maximize, one of them")
    valid = valid_objectives(platforms)
    if not isinstance(name, str) or name not in valid:
        raise InputError(f"objective '{name}' is none of {', '.join(valid)}")
    way = "minimize" if maximize is None else "maximize"
    if valid[name].direction != way:
        raise InputError(f"{name} is better the other way: {valid[name].direction}={name!r}")
    return valid[name]
