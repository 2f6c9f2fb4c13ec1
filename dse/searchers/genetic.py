"""Genetic algorithms of pymoo over the integers that index each gene's choices.

Operators as in Rezk et al., MOHAQ: integer simulated binary crossover (probability 1, eta 3) and polynomial mutation
(eta 3). Each algorithm is a file of its own with its selection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pymoo.algorithms.base.genetic import GeneticAlgorithm
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.population import Population
from pymoo.core.problem import Problem as Variables
from pymoo.core.repair import Repair
from pymoo.core.termination import NoTermination
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM

from dse.design.space import Genome, SearchSpace
from dse.searchers import Outcome, Problem, draw_new

CROSSOVER_PROBABILITY = 1.0
CROSSOVER_ETA = 3.0
MUTATION_ETA = 3.0


class Genetic:
    """Genetic search with `population` survivors; each `ask` mates them for as many offspring as asked for."""

    def __init__(self, problem: Problem, seed: int, population: int) -> None:
        self._space = space = problem.space
        self._objectives = problem.objectives
        self._rng = np.random.default_rng(seed)
        self._seen: set[Genome] = set()
        self._waiting = list(problem.start)
        self._asked = Population.new(X=np.empty((0, len(space.genes)), dtype=int))
        free = sum(len(gene.choices) > 1 for gene in space.genes)
        self._algorithm = self.algorithm(
            problem.objectives,
            population,
            crossover=SBX(prob=CROSSOVER_PROBABILITY, eta=CROSSOVER_ETA),
            mutation=PM(eta=MUTATION_ETA, prob_var=min(0.5, 1 / max(1, free))),  # of genes that can change, one
            repair=_ToCanonical(space),
            eliminate_duplicates=_NeverAskedBefore(self._seen),
            termination=NoTermination(),
            seed=seed,
        )
        self._algorithm.setup(
            Variables(
                n_var=len(space.genes),
                n_obj=problem.objectives,
                n_ieq_constr=1,
                xl=0,
                xu=np.array([len(gene.choices) - 1 for gene in space.genes]),
                vtype=int,
            )
        )

    def algorithm(self, objectives: int, population: int, **given: Any) -> GeneticAlgorithm:
        """pymoo's algorithm with the operators `given`."""
        raise NotImplementedError

    def ask(self, n: int) -> list[Genome]:
        mated, self._waiting = self._waiting[:n], self._waiting[n:]
        self._seen.update(mated)
        if self._algorithm.is_initialized and len(mated) < n:
            self._algorithm.n_offsprings = n - len(mated)
            mated += _genomes(self._algorithm.ask())
            self._seen.update(mated)
        genomes = mated + draw_new(self._space, self._rng, self._seen, n - len(mated))
        self._asked = Population.new(X=np.array(genomes, dtype=int).reshape(len(genomes), len(self._space.genes)))
        return genomes

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        told = {outcome.genome: outcome for outcome in outcomes}
        infills = self._asked[[genome in told for genome in _genomes(self._asked)]]
        if not len(infills):
            return
        known = [told[genome] for genome in _genomes(infills)]
        # Survival and selection look at the violation first, so the objectives of unmeasured candidates are not read.
        unread = (0.0,) * self._objectives
        infills.set("F", np.array([unread if outcome.values is None else outcome.values for outcome in known]))
        infills.set("G", np.array([[outcome.violation] for outcome in known]))
        self._algorithm.tell(infills=infills)


class _ToCanonical(Repair):
    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        self._space = space

    def _do(self, problem: Variables, X: Any, **kwargs: Any) -> Any:  # noqa: N803 (pymoo's name)
        rounded = np.around(X).astype(int)
        return np.array([self._space.canonical(tuple(row)) for row in rounded.tolist()], dtype=int).reshape(X.shape)


class _NeverAskedBefore(DuplicateElimination):
    """Elimination of every genome ever asked; pymoo's own compares with the surviving population only."""

    def __init__(self, seen: set[Genome]) -> None:
        super().__init__()
        self._seen = seen

    def do(self, pop: Population, *others: Population, **kwargs: Any) -> Population:
        taken = self._seen.union(*(_genomes(other) for other in others))
        fresh = []
        for position, genome in enumerate(_genomes(pop)):
            if genome not in taken:
                taken.add(genome)
                fresh.append(position)
        return pop[fresh]


def _genomes(pop: Population | None) -> list[Genome]:
    return [] if pop is None else [tuple(individual.X.tolist()) for individual in pop]
