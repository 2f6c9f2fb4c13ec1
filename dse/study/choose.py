"""Rules that choose a point of a front."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from dse.design.evaluation import Evaluation
from dse.design.limits import Limit, parse_limit, resolve, violations
from dse.design.objective import Objective, minimised, objectives_named, valid_objectives
from models.workload import InputError, total


def limits_of(bounds: dict[str, str | float], platforms: Iterable[str], baseline: Evaluation) -> tuple[Limit, ...]:
    """Absolute limits from bounds by objective: error="+1" is a point over the baseline, size=0.3 at most 0.3 MiB."""
    chosen = tuple(platforms)
    return resolve([parse_limit(f"{name}={bound}", chosen) for name, bound in bounds.items()], baseline.metrics)


def within(points: Sequence[Evaluation], limits: Sequence[Limit]) -> list[Evaluation]:
    """The points that keep all limits. Raises InputError where none does, with the nearest one's reason."""
    if not points:
        raise InputError("the front is empty: no evaluation keeps the study's limits")
    kept = [point for point in points if not violations(limits, point.metrics)]
    if not kept:
        gaps = [violations(limits, point.metrics) for point in points]
        nearest = min(gaps, key=lambda found: total(violation.gap_fraction for violation in found))
        raise InputError(f"no point of the front keeps the limits; the nearest: {'; '.join(v.reason for v in nearest)}")
    return kept


def best(points: Sequence[Evaluation], objective: Objective) -> Evaluation:
    """The point that is best in one objective; the first of equals. Raises InputError where they do not have it."""
    return min(points, key=lambda point: minimised([objective], point.metrics))


def balanced(
    points: Sequence[Evaluation], front: Sequence[Evaluation], weights: Mapping[str, float], platforms: Iterable[str]
) -> Evaluation:
    """The point with the least weighted sum of objectives, each scaled from 0, the front's best, to 1, its worst.

    With equal weights it is the front's knee: the point that lies farthest from the plane through the front's extremes.
    Source: Das, "On characterizing the knee of the Pareto curve" (1999).
    Raises InputError on an unknown objective and on weights that are not above 0.
    """
    objectives = objectives_named(weights, platforms)
    for name, weight in weights.items():
        if not isinstance(weight, int | float) or not 0 < weight < math.inf:
            raise InputError(f"the weight of {name} is {weight!r}, not a number above 0")
    values = np.array([minimised(objectives, point.metrics) for point in front])
    ideal, span = values.min(axis=0), np.ptp(values, axis=0)

    def cost(point: Evaluation) -> float:
        scaled = (np.array(minimised(objectives, point.metrics)) - ideal) / np.where(span > 0, span, 1.0)
        return total(weight * share for weight, share in zip(weights.values(), scaled.tolist(), strict=True))

    return min(points, key=cost)


def objective_of(minimize: str | None, maximize: str | None, platforms: Iterable[str]) -> Objective:
    """The one objective that a point shall be best in. Raises InputError where it is none, two, or the wrong way."""
    name = minimize if maximize is None else maximize
    if name is None or (minimize is not None and maximize is not None):
        raise InputError("say which point: minimize or maximize an objective, number, knee or weights, one of them")
    valid = valid_objectives(platforms)
    if not isinstance(name, str) or name not in valid:
        raise InputError(f"objective '{name}' is none of {', '.join(valid)}")
    way = "minimize" if maximize is None else "maximize"
    if valid[name].direction != way:
        raise InputError(f"{name} is better the other way: {valid[name].direction}={name!r}")
    return valid[name]
