"""Non-domination over stored evaluations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dse.design.evaluation import Evaluation
from dse.design.objective import Objective, minimised


def front(evaluations: Sequence[Evaluation], objectives: Sequence[Objective]) -> list[Evaluation]:
    """The non-dominated evaluations among the ok ones, sorted by objective values, best first objective first.

    Of several with equal objective values the smallest genome is kept.
    """
    from moocore import is_nondominated

    points: dict[tuple[float, ...], Evaluation] = {}
    for evaluation in sorted((e for e in evaluations if e.status == "ok"), key=lambda e: e.genome):
        points.setdefault(minimised(objectives, evaluation.metrics), evaluation)
    if not points:
        return []
    values = np.array(list(points), dtype=float)
    chosen = sorted(tuple(row) for row in values[is_nondominated(values)].tolist())
    return [points[point] for point in chosen]


def hypervolume(
    evaluations: Sequence[Evaluation], objectives: Sequence[Objective], reference: Sequence[float]
) -> float:
    """Volume that the ok evaluations dominate, up to `reference`, a point of objective values as people read them.

    In the product of the objectives' units. Points beyond the reference add nothing.
    """
    from moocore import hypervolume as volume

    corner = np.array([o.minimised(value) for o, value in zip(objectives, reference, strict=True)])
    values = np.array([minimised(objectives, e.metrics) for e in front(evaluations, objectives)])
    if not len(values):
        return 0.0
    inside = values[(values < corner).all(axis=1)]
    return float(volume(inside, ref=corner)) if len(inside) else 0.0
