"""How a search went on: the hypervolume of the front so far, up to a reference that stays where it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from dse.design.evaluation import Evaluation
from dse.design.limits import DEFAULT_LIMIT, Limit, parse_limit
from dse.design.objective import Objective, minimised


def reference_of(objectives: Sequence[Objective], limits: Iterable[Limit], baseline: Evaluation) -> tuple[float, ...]:
    """Each objective's limit, or else the baseline's value; errors without a limit, DEFAULT_LIMIT over it.

    `limits` are absolute. It depends on nothing that a search finds, so that hypervolumes of a study can be compared.
    """
    reach = parse_limit(DEFAULT_LIMIT).bound
    bounds = {o.name: baseline.metrics[o.metric] + reach for o in objectives if o.relative_limits}
    bounds |= {limit.objective: limit.bound for limit in limits}
    return tuple(bounds.get(o.name, baseline.metrics[o.metric]) for o in objectives)


class GrowingFront:
    """Front of the evaluations so far, and its hypervolume in the product of the objectives' units.

    Only an evaluation that enters the front costs more than a comparison: the volume that it alone dominates is added.
    """

    def __init__(self, objectives: Sequence[Objective], reference: Sequence[float]) -> None:
        self._objectives = tuple(objectives)
        self._corner = np.array([o.minimised(value) for o, value in zip(objectives, reference, strict=True)])
        self._values = np.empty((0, len(self._objectives)))  # [points, objectives], smaller is better
        self.hypervolume = 0.0

    def __len__(self) -> int:
        return len(self._values)

    @property
    def best(self) -> float:
        """Best value of the first objective, as people read it. Raises ValueError where the front is empty."""
        return self._objectives[0].minimised(float(self._values[:, 0].min()))

    def add(self, evaluation: Evaluation) -> float:
        """Take one more evaluation; the hypervolume with it."""
        if evaluation.status != "ok":
            return self.hypervolume
        new = np.array(minimised(self._objectives, evaluation.metrics), dtype=float)
        if (self._values <= new).all(axis=1).any():
            return self.hypervolume
        if (new < self._corner).all():
            self.hypervolume += math.prod(self._corner - new) - self._shared(new)
        self._values = np.vstack([self._values[~(new <= self._values).all(axis=1)], new])
        return self.hypervolume

    def _shared(self, new: np.ndarray) -> float:
        """Volume of what a point dominates that the front dominates already."""
        from moocore import hypervolume

        both = np.maximum(self._values, new)
        both = both[(both < self._corner).all(axis=1)]
        return float(hypervolume(both, ref=self._corner)) if len(both) else 0.0


def convergence(
    evaluations: Iterable[Evaluation], objectives: Sequence[Objective], reference: Sequence[float]
) -> tuple[float, ...]:
    """Hypervolume of the front after each evaluation."""
    front = GrowingFront(objectives, reference)
    return tuple(map(front.add, evaluations))


def late_gain(volumes: Sequence[float]) -> tuple[int, float] | None:
    """How many evaluations the last third is, and what it added to the hypervolume, in percent of the final one.

    None where there are less than three evaluations, or nothing is dominated.
    """
    last = len(volumes) // 3
    if not last or not volumes[-1]:
        return None
    return last, 100 * (1 - volumes[-1 - last] / volumes[-1])
