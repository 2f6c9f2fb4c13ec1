"""Which of many points add most hypervolume to a front."""

from __future__ import annotations

import numpy as np
from moocore import hypervolume, is_nondominated
from numpy.typing import NDArray

Values = NDArray[np.float64]
# Gains keep this many decimals: the last bits of a matrix solver, whose predictions they are of, differ from machine to
# machine.
DECIMALS = 6


def most_gain(front: Values, expected: Values, chance: Values, n: int, reference: float) -> list[int]:
    """Up to `n` of the points [points, objectives] that add most hypervolume to the front, each after those before it.

    Smaller is better; a gain counts up to `reference` in every objective, times the point's chance [points] to count.
    """
    corner = np.full(expected.shape[1], reference)
    front = front[is_nondominated(front)]

    def gain(i: int) -> float:
        point = expected[i]
        alone = float(np.prod(reference - point))
        shared = float(hypervolume(np.maximum(front, point), ref=corner)) if len(front) else 0.0
        return float(chance[i]) * round(alone - shared, DECIMALS)

    # A gain only shrinks as points are added, so that it is at most what it was before, or was to each point of the
    # front alone: few are worked out.
    bounds = chance * _most(front, expected, reference)
    current = np.zeros(len(expected), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < n and bounds.max(initial=0.0) > 0:
        i = int(bounds.argmax())
        if current[i]:
            chosen.append(i)
            front = np.vstack([front, expected[i]])
            bounds[i], current[:] = 0.0, False
        else:
            bounds[i], current[i] = gain(i), True
    return chosen


def _most(front: Values, points: Values, reference: float) -> Values:
    """Upper bounds of the points' gains: what each adds to the point of the front that leaves it least."""
    inside = np.maximum(reference - points, 0.0)
    alone = inside.prod(axis=1)
    most: Values = alone.copy()
    for known in front:
        most = np.minimum(most, alone - np.minimum(inside, reference - known).prod(axis=1))
    return most
