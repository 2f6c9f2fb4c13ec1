"""Every design point once, for spaces small enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from dse.design.space import Genome
from dse.searchers import Outcome, Problem


class Exhaustive:
    """Exhaustive search: `start`, then every canonical genome, those that differ in the last genes one after another.

    Networks that share their first layers so follow one another, which is what their evaluation gains from.
    """

    def __init__(self, problem: Problem, seed: int, population: int) -> None:
        self._space = problem.space
        self._seen: set[Genome] = set()
        self._left = self._genomes(problem.start)

    def ask(self, n: int) -> list[Genome]:
        found: list[Genome] = []
        for genome in self._left:
            if genome not in self._seen:
                self._seen.add(genome)
                found.append(genome)
                if len(found) == n:
                    break
        return found

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        pass

    def _genomes(self, start: Sequence[Genome]) -> Iterator[Genome]:
        yield from start
        for genome in product(*(range(len(gene.choices)) for gene in self._space.genes)):
            if self._space.canonical(genome) == genome:
                yield genome
