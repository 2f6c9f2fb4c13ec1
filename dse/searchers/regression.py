"""Ridge regression on what genomes do, alone and in pairs, which tells how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.engines.threads import cpu_threads

Values = NDArray[np.float64]

PENALTIES = (1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)  # of the mean eigenvalue; which one, leave-one-out tells
PAIRS = 0.1  # weight of a pair of slots against that of one slot
BENDS = (None, 0.2)  # values as they are, or the logarithm of their sum with it: errors multiply rather than add
EXACT = 1e-8  # squared error under which choices are equal: which of them is less is rounding, and differs by machine
BETTER = 0.98  # of the squared error, below which a later choice is taken
AT_ONCE = 1024  # genomes predicted at once: all of a pool's kernels together would take hundreds of MiB


@dataclass(frozen=True)
class _Column:
    """How one column is predicted: kernel, bend, weights [axes], penalty, variance of its prior."""

    pairs: bool
    bend: float | None
    mean: float
    weights: Values
    penalty: float
    variance: float


class Regression:
    """Regression of `told` [known, columns] on `vectors` [known, size] whose products are `slots` for equal genomes.

    Whether pairs of slots matter, whether a column's values bend, and the penalty are chosen column by column for the
    least leave-one-out error.
    """

    def __init__(self, vectors: Values, told: Values, slots: int) -> None:
        self._vectors, self._slots = vectors, slots
        alike = vectors @ vectors.T / slots
        self._kernels = {pairs: self._kernel(alike, pairs) for pairs in (False, True)}
        self._eigen = {pairs: _eigen(_centred(kernel, kernel)) for pairs, kernel in self._kernels.items()}
        self._columns = [self._fit(told[:, column]) for column in range(told.shape[1])]

    def _kernel(self, alike: Values, pairs: bool) -> Values:
        return alike + PAIRS * self._slots * alike**2 if pairs else alike

    def _fit(self, told: Values) -> _Column:
        best, least = None, np.inf
        for bend in BENDS:
            values = _bent(told, bend)
            mean = float(values.mean())
            for pairs, (spread, axes) in self._eigen.items():
                turned = axes.T @ (values - mean)
                for share in PENALTIES:
                    penalty = share * float(spread.mean()) or 1.0  # any, where all known are alike
                    kept = spread / (spread + penalty)
                    leverage = (axes**2) @ kept + 1 / len(told)
                    left_out = (values - mean - axes @ (kept * turned)) / np.maximum(1 - leverage, 1e-6)
                    error = max(float(((_straight(values - left_out, bend) - told) ** 2).mean()), EXACT)
                    if best is None or error < least * BETTER:
                        weights = turned / (spread + penalty)
                        best = _Column(pairs, bend, mean, weights, penalty, variance=float((turned * weights).mean()))
                        least = error
        assert best is not None
        return best

    def predict(self, vectors: Values, optimism: float | Sequence[float] = 0.0) -> Values:
        """Predictions [genomes, columns], less `optimism`, one or one a column, times their standard deviation.

        Blocks of genomes go to threads, so that sums are the same on any number of cores.
        """
        each = np.broadcast_to(optimism, len(self._columns)).tolist()
        blocks = [vectors[first : first + AT_ONCE] for first in range(0, max(len(vectors), 1), AT_ONCE)]
        with ThreadPoolExecutor(cpu_threads()) as threads:
            return np.concatenate(list(threads.map(lambda block: self._predict(block, each), blocks)))

    def _predict(self, vectors: Values, optimism: Sequence[float]) -> Values:
        alike = vectors @ self._vectors.T / self._slots
        found: list[Values] = [np.zeros(0)] * len(self._columns)
        for pairs in {column.pairs for column in self._columns}:
            known, (spread, axes) = self._kernels[pairs], self._eigen[pairs]
            kernel = self._kernel(alike, pairs)
            itself = 1 + PAIRS * self._slots if pairs else 1.0
            own = itself - 2 * kernel.mean(axis=1) + known.mean()  # of each genome with itself, centred
            turned = _centred(kernel, known) @ axes
            for place, column in enumerate(self._columns):
                if column.pairs == pairs:
                    predicted = column.mean + turned @ column.weights
                    if optimism[place]:
                        explained = turned**2 @ (1 / (spread + column.penalty))
                        predicted -= optimism[place] * np.sqrt(np.maximum(own - explained, 0.0) * column.variance)
                    found[place] = _straight(predicted, column.bend)
        return np.column_stack(found)


def _centred(kernel: Values, known: Values) -> Values:
    """Kernel of genomes with the known ones, about the known ones' mean."""
    centred: Values = kernel - known.mean(axis=0) - kernel.mean(axis=1)[:, None] + known.mean()
    return centred


def _eigen(kernel: Values) -> tuple[Values, Values]:
    spread, axes = np.linalg.eigh(kernel)
    return np.maximum(spread, 0.0), axes


def _bent(values: Values, bend: float | None) -> Values:
    return values if bend is None else np.log(np.maximum(values, -bend / 2) + bend)


def _straight(values: Values, bend: float | None) -> Values:
    return values if bend is None else np.exp(np.minimum(values, 3.0)) - bend
