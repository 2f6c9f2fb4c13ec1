"""Search by a linear surrogate of every objective, which chooses the neighbours of the front to evaluate.

Each objective is nearly a sum of the effects of single genes, so that ridge regression on their choices, which has no
parameters to tune, predicts well which neighbours of the front are worth an evaluation. A generation takes those that
add most hypervolume to the front, one after another, as if those before had been measured as predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from moocore import hypervolume, is_nondominated
from numpy.typing import NDArray

from dse.design.space import Genome, SearchSpace
from dse.searchers import Outcome, draw_new

NEIGHBOURS = 400  # drawn to choose a generation from
CROSSED = 0.5  # share of the neighbours that take about half their genes from a second point of the front
MOST_MOVED = 2  # genes of a neighbour that then move by one choice
RIDGE = 0.5  # penalty on the effects of choices, of objectives in spans as below
# In spans of the candidates that keep the limits, or nearly while few do: 0 at the best, 1 at the worst. Very bad
# values say little about good ones, so that values are cut; hypervolume's reference point is a little past the worst.
CUT, REFERENCE = 2.0, 1.1
# Predictions keep this many decimals: the last bits of a matrix solver differ from machine to machine.
DECIMALS = 6

Genes = NDArray[np.int64]
Values = NDArray[np.float64]


class Surrogate:
    """Surrogate search, which begins with `start` and random genomes, `population` in total."""

    def __init__(
        self, space: SearchSpace, objectives: int, seed: int, population: int, start: Sequence[Genome] = ()
    ) -> None:
        self._space = space
        self._rng = np.random.default_rng(seed)
        self._choices = np.array([len(gene.choices) for gene in space.genes])
        self._population = population
        self._waiting = list(start)
        self._seen: set[Genome] = set()
        self._measured: list[Outcome] = []

    def ask(self, n: int) -> list[Genome]:
        if len(self._seen) < self._population or not self._measured:
            genomes, self._waiting = self._waiting[:n], self._waiting[n:]
        else:
            genomes = self._promising(n)
        self._seen.update(genomes)
        return genomes + draw_new(self._space, self._rng, self._seen, n - len(genomes))

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self._measured += [outcome for outcome in outcomes if outcome.values is not None]

    def state(self) -> Any:
        return self._rng.bit_generator.state

    def recall(self, outcomes: Sequence[Outcome], state: Any) -> None:
        self._seen = {outcome.genome for outcome in outcomes}
        self._waiting = [genome for genome in self._waiting if genome not in self._seen]
        self.tell(outcomes)
        self._rng.bit_generator.state = state

    def _neighbour(self, parents: Genes) -> Genome:
        one, other = parents[self._rng.integers(len(parents), size=2)]
        if self._rng.uniform() < CROSSED:
            one = np.where(self._rng.uniform(size=len(one)) < 0.5, one, other)
        moved = one.copy()
        for gene in self._rng.integers(len(one), size=self._rng.integers(1, MOST_MOVED + 1)):
            step = 2 * self._rng.integers(2) - 1
            moved[gene] = min(max(moved[gene] + step, 0), self._choices[gene] - 1)
        return tuple(moved.tolist())

    def _promising(self, n: int) -> list[Genome]:
        """Up to `n` new neighbours of the front, best first.

        While no candidate keeps the limits, they are neighbours of those that break them least.
        """
        genomes = np.array([outcome.genome for outcome in self._measured])
        values = np.array([outcome.values for outcome in self._measured], dtype=float)
        violation = np.array([outcome.violation for outcome in self._measured])
        nearest, kept = np.argsort(violation, kind="stable"), np.flatnonzero(violation == 0)
        front = kept[is_nondominated(values[kept], keep_weakly=True)] if len(kept) else nearest[: self._population]
        drawn = (self._space.canonical(self._neighbour(genomes[front])) for _ in range(NEIGHBOURS))
        pool = [genome for genome in dict.fromkeys(drawn) if genome not in self._seen]
        if not pool:
            return []
        if not len(kept):
            order = _order(self._predict(genomes, violation[:, None], np.array(pool))[:, 0])
        else:
            near = values[nearest[: max(len(kept), self._population // 2)]]
            ideal, span = near.min(axis=0), np.ptp(near, axis=0)
            scaled = (values - ideal) / np.where(span > 0, span, 1.0)
            told = np.column_stack([np.minimum(scaled, CUT), violation == 0])
            predicted = self._predict(genomes, told, np.array(pool))
            expected, chance = predicted[:, :-1], np.clip(predicted[:, -1], 0.0, 1.0)
            order = list(dict.fromkeys(_greedy(scaled[front], expected, chance, n) + _order(expected.sum(axis=1))))
        return [pool[i] for i in order[:n]]

    def _predict(self, genomes: Genes, told: Values, pool: Genes) -> Values:
        """Predictions [pool, columns] at the pool's genomes, by ridge regression of `told` [known, columns]."""
        known, asked = self._features(genomes), self._features(pool)
        mean_known, mean_told = known.mean(axis=0), told.mean(axis=0)
        known, asked = known - mean_known, asked - mean_known
        effects = np.linalg.solve(known.T @ known + RIDGE * np.eye(known.shape[1]), known.T @ (told - mean_told))
        predicted: Values = np.round(mean_told + asked @ effects, DECIMALS)
        return predicted

    def _features(self, genomes: Genes) -> Values:
        """Features [genomes, choices but each gene's first]: whether a gene is at that choice or a later one."""
        steps = [genomes[:, [g]] >= np.arange(1, count) for g, count in enumerate(self._choices)]
        return np.concatenate(steps, axis=1).astype(float)


def _order(score: Values) -> list[int]:
    order: list[int] = np.argsort(score, kind="stable").tolist()
    return order


def _greedy(front: Values, expected: Values, chance: Values, n: int) -> list[int]:
    """Choose up to `n` points that add most hypervolume to the front, each counted after those before it."""

    def gain(i: int) -> float:
        point = expected[i]
        alone = float(np.prod(np.maximum(REFERENCE - point, 0.0)))
        if not alone:
            return 0.0
        shared = float(hypervolume(np.maximum(front, point), ref=np.full(len(point), REFERENCE)))
        return float(chance[i]) * round(alone - shared, DECIMALS)

    # A gain only shrinks as points are added, so that an earlier gain is an upper bound: few are computed anew.
    bounds = np.array([gain(i) for i in range(len(expected))])
    current = np.ones(len(expected), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < n and bounds.max() > 0:
        i = int(bounds.argmax())
        if current[i]:
            chosen.append(i)
            front = np.vstack([front, expected[i]])
            bounds[i], current[:] = 0.0, False
        else:
            bounds[i], current[i] = gain(i), True
    return chosen
