"""Search by a regression of every objective, which chooses the neighbours of the front to evaluate.

It begins with a few configurations that are the same everywhere, which span the front, and a few random ones around
them. From then on the objectives are predicted by what candidates do to every matvec, alone and in pairs, for every
one-gene change of the front's points. A generation takes those that add most hypervolume to the front, one after
another, as if those before had been measured as predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from moocore import is_nondominated
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dse.design.space import Genome, SearchSpace, delta_steps
from dse.searchers import Outcome, Problem, draw_new
from dse.searchers.effects import Effects
from dse.searchers.gains import DECIMALS, most_gain
from dse.searchers.regression import Regression
from models.workload import Configuration, Setting

# Weight bits, activation bits and threshold of an 8-bit activation, the same everywhere: they span the front.
ANCHORS = ((8, 8, 8), (4, 8, 8), (2, 8, 8), (4, 8, 0), (2, 8, 0), (2, 4, 0), (4, 4, 16))
FIRST = 15  # evaluations before the first prediction: those above, then random ones around them
CHANGED = 0.5  # share of the genes that these choose at random
MOST_PARENTS = 150  # points of the front whose neighbours are looked at; of more, as many are drawn
MOST_TOLD = 600  # evaluations that predictions are made from: the latest, and the front's
# In spans of the candidates that keep the limits, or nearly while few do: 0 at the best, 1 at the worst. Very bad
# values say little about good ones, so that values are cut; hypervolume's reference point is a little past the worst.
CUT, REFERENCE = 2.0, 1.2
LIKELY = 0.5  # chance of keeping the limits
MOST_KNOWN = 2**14  # genomes whose known objectives are kept
OPTIMISM = 0.3  # standard deviations by which predictions are taken to be better, which leads to what is little known

Genes = NDArray[np.int64]
Values = NDArray[np.float64]


class Surrogate:
    """Surrogate search; what the problem knows of candidates without an evaluation is not predicted."""

    def __init__(self, problem: Problem, seed: int, population: int) -> None:
        self._space = problem.space
        self._effects = Effects(problem.space)
        self._rng = np.random.default_rng(seed)
        self._population = population
        self._known = problem.known
        self._told_before: dict[Genome, Outcome] = {}
        self._start = list(dict.fromkeys((*problem.start, *filter(self._may_keep, anchors(problem.space)))))
        self._waiting = list(self._start)
        self._seen: set[Genome] = set()
        self._measured: list[Outcome] = []

    def ask(self, n: int) -> list[Genome]:
        genomes, self._waiting = self._waiting[:n], self._waiting[n:]
        self._seen.update(genomes)
        if len(self._seen) < FIRST and self._start:
            genomes += self._around_start(min(FIRST - len(self._seen), n - len(genomes)))
        elif not genomes:
            with threadpool_limits(1):  # more threads may add up in another order, and its matrices are small
                genomes = self._promising(n) if self._measured else []
            self._seen.update(genomes)
        return genomes or draw_new(self._space, self._rng, self._seen, n)

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self._measured += [outcome for outcome in outcomes if outcome.values is not None]

    def state(self) -> Any:
        return self._rng.bit_generator.state

    def recall(self, outcomes: Sequence[Outcome], state: Any) -> None:
        self._seen = {outcome.genome for outcome in outcomes}
        self._waiting = [genome for genome in self._waiting if genome not in self._seen]
        self.tell(outcomes)
        self._rng.bit_generator.state = state

    def _may_keep(self, genome: Genome) -> bool:
        return self._known is None or not self._told(genome).violation

    def _told(self, genome: Genome) -> Outcome:
        """What is known without an evaluation; most candidates come again and again."""
        assert self._known is not None
        if genome not in self._told_before:
            if len(self._told_before) == MOST_KNOWN:
                self._told_before.clear()
            self._told_before[genome] = self._known(genome)
        return self._told_before[genome]

    def _around_start(self, n: int) -> list[Genome]:
        """Up to `n` new genomes that have about half of their genes from one that the search starts with."""
        found: list[Genome] = []
        counts = [len(gene.choices) for gene in self._space.genes]
        for _ in range(100 * n):  # tries, as a small space may not have as many
            if len(found) == n:
                break
            one = np.array(self._start[self._rng.integers(len(self._start))])
            moved = np.where(self._rng.uniform(size=len(one)) < CHANGED, self._rng.integers(counts), one)
            genome = self._space.canonical(tuple(moved.tolist()))
            if genome not in self._seen and self._may_keep(genome):
                self._seen.add(genome)
                found.append(genome)
        return found

    def _promising(self, n: int) -> list[Genome]:
        """Up to `n` new one-gene changes of the front's points, best first.

        While no candidate keeps the limits, they are of those that break them least.
        """
        genomes = np.array([outcome.genome for outcome in self._measured])
        values = np.array([outcome.values for outcome in self._measured], dtype=float)
        violation = np.array([outcome.violation for outcome in self._measured])
        nearest, kept = np.argsort(violation, kind="stable"), np.flatnonzero(violation == 0)
        front = kept[is_nondominated(values[kept])] if len(kept) else nearest[: self._population]
        pool = self._neighbours(genomes[front])
        if not len(pool):
            return []
        told = np.union1d(np.arange(len(values))[-MOST_TOLD:], front[-MOST_TOLD:])
        alike = self._effects.vectors(self._effects.codes(pool))
        known = self._effects.vectors(self._effects.codes(genomes[told]))
        if not len(kept):
            model = Regression(known, violation[told, None], self._effects.slots)
            return self._canonical(pool, _order(np.round(model.predict(alike)[:, 0], DECIMALS))[:n])
        near = values[nearest[: max(len(kept), self._population // 2)]]
        ideal, span = near.min(axis=0), np.ptp(near, axis=0)
        span[span == 0] = 1.0
        scaled = (values - ideal) / span
        keeps = (violation[told, None] == 0).astype(float)
        model = Regression(known, np.hstack([np.minimum(scaled[told], CUT), keeps]), self._effects.slots)
        predicted = np.round(model.predict(alike, [OPTIMISM] * len(span) + [0.0]), DECIMALS)
        expected, chance = predicted[:, :-1], np.ones(len(pool))
        if len(kept) < len(values):
            chance = np.clip(predicted[:, -1], 0.0, 1.0)
        likely = self._likely(expected, chance, n)
        pool, expected, chance = pool[likely], expected[likely], chance[likely]
        if self._known is not None:
            outcomes = [self._told(tuple(genome)) for genome in pool.tolist()]
            exact = (np.array([outcome.values for outcome in outcomes], dtype=float) - ideal) / span
            may_keep = np.array([not outcome.violation for outcome in outcomes])
            expected = np.where(np.isnan(exact), expected, exact)
            pool, expected, chance = pool[may_keep], expected[may_keep], chance[may_keep]
        best = most_gain(scaled[front], expected, chance, n, REFERENCE)
        return self._canonical(pool, list(dict.fromkeys((*best, *_order(expected.sum(axis=1)))))[:n])

    @staticmethod
    def _likely(expected: Values, chance: Values, n: int) -> list[int]:
        """Candidates that are likely to keep the limits and that no other such one is expected to dominate.

        And the `n` best by sum, should these be few.
        """
        likely = np.flatnonzero(chance >= min(LIKELY, chance.max()))
        alone = likely[is_nondominated(expected[likely])]
        return list(dict.fromkeys((*alone.tolist(), *_order(expected.sum(axis=1))[:n])))

    def _neighbours(self, parents: Genes) -> Genes:
        """Every one-gene change of the parents with an effect that was not asked for, each effect once."""
        if len(parents) > MOST_PARENTS:
            parents = parents[np.sort(self._rng.choice(len(parents), MOST_PARENTS, replace=False))]
        changed = [parents[:0]]
        for gene, described in enumerate(self._space.genes):
            for choice in range(len(described.choices)):
                moved = parents[parents[:, gene] != choice]
                moved[:, gene] = choice
                changed.append(moved)
        pool = np.concatenate(changed)
        seen = {code.tobytes() for code in self._effects.codes(np.array(list(self._seen)))}
        new: dict[bytes, int] = {}
        for place, code in enumerate(self._effects.codes(pool)):
            if (effect := code.tobytes()) not in seen:
                new.setdefault(effect, place)
        return pool[list(new.values())]

    def _canonical(self, pool: Genes, places: Sequence[int]) -> list[Genome]:
        return [self._space.canonical(tuple(genome)) for genome in pool[list(places)].tolist()]


def anchors(space: SearchSpace) -> list[Genome]:
    """The genomes nearest to configurations that have ANCHORS everywhere."""
    uniform = []
    for weight_bits, act_bits, delta in ANCHORS:
        setting = Setting(weight_bits, act_bits, delta_steps(delta, act_bits))
        uniform.append(Configuration(tuple((name, replace(setting, skip=base.skip)) for name, base in space.base)))
    return list(map(space.nearest, uniform))


def _order(score: Values) -> list[int]:
    order: list[int] = np.argsort(score, kind="stable").tolist()
    return order
