"""Uniform random search, the reference that every other searcher has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dse.design.space import Genome
from dse.searchers import Outcome, Problem, draw_new


class Random:
    """Random search: `start`, then uniformly random new genomes, whatever the outcomes."""

    def __init__(self, problem: Problem, seed: int, population: int) -> None:
        self._space = problem.space
        self._rng = np.random.default_rng(seed)
        self._waiting = list(problem.start)
        self._seen = set(problem.start)

    def ask(self, n: int) -> list[Genome]:
        first, self._waiting = self._waiting[:n], self._waiting[n:]
        return first + draw_new(self._space, self._rng, self._seen, n - len(first))

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        pass
