"""Greedy walk on the sensitivities of single genes, as tools of mixed precision do it.

Source: AIMET's automatic mixed precision: each layer's sensitivity alone, then choices are lowered one after another,
least error per saving first, until all are at their lowest. It knows nothing of how genes act together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dse.design.space import Genome
from dse.searchers import Outcome, Problem, draw_new

FROM_BITS = 8  # where the walk begins, if that is among what a search starts with; else where this starts
LEAST_COST = 1e-3  # of the spread of the first objective, so that what costs nothing is no division by 0


class Greedy:
    """Greedy search: `start`, every one-gene change of 8 bit (or its first), the walk that these tell, random genomes.

    The first objective is what the walk spends, the others what it saves.
    """

    def __init__(self, problem: Problem, seed: int, population: int) -> None:
        self._space = space = problem.space
        self._rng = np.random.default_rng(seed)
        usual = [genome for genome in space.uniform([FROM_BITS]) if genome in problem.start]
        widest = space.canonical(tuple(len(gene.choices) - 1 for gene in space.genes))
        self._origin = (*usual, *problem.start, widest)[0]
        self._waiting = list(dict.fromkeys((*problem.start, self._origin, *self._changes())))
        self._seen = set(self._waiting)
        self._values: dict[Genome, NDArray[np.float64]] = {}
        self._walked = False

    def ask(self, n: int) -> list[Genome]:
        if not self._waiting and not self._walked:
            self._walked = True
            self._waiting = [genome for genome in self._walk() if genome not in self._seen]
            self._seen.update(self._waiting)
        genomes, self._waiting = self._waiting[:n], self._waiting[n:]
        return genomes or draw_new(self._space, self._rng, self._seen, n)

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self._values |= {o.genome: np.array(o.values, dtype=float) for o in outcomes if o.values is not None}

    def _changes(self) -> list[Genome]:
        """Every one-gene change of the origin that has an effect."""
        changed = {
            self._space.canonical((*self._origin[:gene], choice, *self._origin[gene + 1 :]))
            for gene, described in enumerate(self._space.genes)
            for choice in range(len(described.choices))
        }
        return sorted(changed - {self._origin})

    def _walk(self) -> list[Genome]:
        """Change after change from the origin, each the one that costs least for what it saves beyond those before."""
        if self._origin not in self._values:
            return []
        base = self._values[self._origin]
        alone = {
            genome: values - base for genome, values in self._values.items() if _distance(genome, self._origin) == 1
        }
        if not alone:
            return []
        span = np.abs(np.array(list(alone.values()))).max(axis=0)
        span[span == 0] = 1.0
        moves = {_move(genome, self._origin): values / span for genome, values in alone.items()}
        here, now = list(self._origin), {gene: np.zeros(len(base)) for gene in range(len(self._origin))}
        path: list[Genome] = []
        while True:
            steps = []
            for (gene, choice), values in moves.items():
                cost, saving = (values - now[gene])[0], -(values - now[gene])[1:].sum()
                if choice != here[gene] and saving > 0:
                    steps.append((max(cost, LEAST_COST) / saving, gene, choice))
            if not steps:
                return path
            _, gene, choice = min(steps)
            here[gene], now[gene] = choice, moves[gene, choice]
            path.append(self._space.canonical(tuple(here)))


def _distance(genome: Genome, other: Genome) -> int:
    return sum(one != two for one, two in zip(genome, other, strict=True))


def _move(genome: Genome, origin: Genome) -> tuple[int, int]:
    """The gene that differs, and its choice."""
    gene = next(place for place, (one, two) in enumerate(zip(genome, origin, strict=True)) if one != two)
    return gene, genome[gene]
