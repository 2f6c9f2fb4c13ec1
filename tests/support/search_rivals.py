"""Searchers on a table: those of the registry as a search runs them, and rivals as their users would write them."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from search_tables import Table

from dse.design.space import Genome
from dse.exploration.run import OFFSPRING_FRACTION
from dse.searchers import SEARCHERS, Outcome, Problem, searcher_named

POPULATION = 40
REPEATS = 2  # proposals for each evaluation, after which a rival that repeats itself is stopped


class SpentError(Exception):
    """The evaluations are used up."""


class Budget:
    """Outcomes from a table for `most` distinct genomes, in `asked` by order; those asked before are free."""

    def __init__(self, table: Table, most: int) -> None:
        self.most = most
        self.asked: dict[Genome, Outcome] = {}
        self._table = table

    def measure(self, genome: Genome) -> Outcome:
        """The outcome of a genome. Raises SpentError at the first one too many."""
        if genome not in self.asked:
            if len(self.asked) == self.most:
                raise SpentError
            self.asked[genome] = self._table.outcome(genome)
        return self.asked[genome]

    def values(self, genome: Genome) -> tuple[tuple[float, ...], float]:
        """Objective values, smaller is better, and the violation of the limits."""
        outcome = self.measure(genome)
        return outcome.values or (), outcome.violation


Rival = Callable[[Table, Budget, int], None]  # the last one is the seed


def registered(name: str) -> Rival:
    """A searcher of the registry, asked as `dse.exploration.run` asks it."""

    def run(table: Table, budget: Budget, seed: int) -> None:
        plan = table.plan

        def known(genome: Genome) -> Outcome:
            """As a search tells it: sizes, and no more."""
            values = table.outcome(genome).values or ()
            told = (v if o.name == "size" else math.nan for o, v in zip(plan.objectives, values, strict=True))
            return Outcome(genome, tuple(told))

        searcher = searcher_named(name)(Problem(plan.space, len(plan.objectives), plan.start, known), seed, POPULATION)
        wanted = POPULATION
        while asked := searcher.ask(wanted):
            searcher.tell([budget.measure(genome) for genome in asked])
            wanted = round(POPULATION * OFFSPRING_FRACTION)

    return run


def pymoo_nsga2(table: Table, budget: Budget, seed: int) -> None:
    """pymoo's NSGA-II, as its documentation has it for integers. https://pymoo.org/customization/discrete.html"""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    class Space(ElementwiseProblem):
        def __init__(self) -> None:
            last = np.array([table.counts[position] - 1 for position in table.free])
            objectives = len(table.plan.objectives)
            super().__init__(n_var=len(last), n_obj=objectives, n_ieq_constr=1, xl=0, xu=last, vtype=int)

        def _evaluate(self, x, out, *args, **kwargs) -> None:  # type: ignore[no-untyped-def]
            out["F"], out["G"] = budget.values(table.genome(x))

    algorithm = NSGA2(
        pop_size=40,
        n_offsprings=10,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    minimize(Space(), algorithm, ("n_evals", REPEATS * budget.most), seed=seed)


def optuna_nsga2(table: Table, budget: Budget, seed: int) -> None:
    """Optuna's NSGA-II as it comes."""
    from optuna.samplers import NSGAIISampler

    _optuna(NSGAIISampler(seed=seed), table, budget)


def optuna_tpe_as_it_comes(table: Table, budget: Budget, seed: int) -> None:
    """Optuna's tree-structured Parzen estimator as it comes."""
    from optuna.samplers import TPESampler

    _optuna(TPESampler(seed=seed), table, budget)


def _optuna(sampler, table: Table, budget: Budget) -> None:  # type: ignore[no-untyped-def]
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = {position: table.plan.space.genes[position].name for position in table.free}

    def evaluate(trial: optuna.Trial) -> tuple[float, ...]:
        chosen = [trial.suggest_int(name, 0, table.counts[position] - 1) for position, name in names.items()]
        values, violation = budget.values(table.genome(chosen))
        trial.set_constraint("limits", violation)
        return values

    study = optuna.create_study(directions=["minimize"] * len(table.plan.objectives), sampler=sampler)
    study.optimize(evaluate, n_trials=REPEATS * budget.most)


def greedy(table: Table, budget: Budget, seed: int) -> None:
    """Greedy by sensitivity: from 8 bit each gene alone, then the moves one upon another, cheapest error first.

    What a move saves is the sum over the other objectives, each as a share of what the best move saves in it.
    Source: AIMET's automatic mixed precision, which moves groups of quantizers in the order of their sensitivity.
    """
    (start,) = table.plan.space.uniform((8,))
    base = np.array(budget.values(start)[0])
    moves = {
        (gene, choice): (*start[:gene], choice, *start[gene + 1 :])
        for gene in table.free
        for choice in range(table.counts[gene])
        if choice != start[gene]
    }
    changes = {move: np.array(budget.values(genome)[0]) - base for move, genome in moves.items()}
    most = np.maximum(-np.min(list(changes.values()), axis=0), 1e-9)
    here = {gene: np.zeros_like(base) for gene in table.free}  # change by where the gene is now
    genome = list(start)

    def saved(move: tuple[int, int]) -> float:
        return float(((here[move[0]] - changes[move]) / most)[1:].sum())

    def error_per_saving(move: tuple[int, int]) -> float:
        return float((changes[move] - here[move[0]])[0]) / saved(move)

    while useful := [move for move in changes if saved(move) > 1e-9]:
        gene, choice = move = min(useful, key=error_per_saving)
        here[gene], genome[gene] = changes[move], choice
        budget.measure(tuple(genome))


RIVALS: dict[str, Rival] = {
    **{name: registered(name) for name in SEARCHERS},
    "pymoo NSGA-II": pymoo_nsga2,
    "Optuna NSGA-II": optuna_nsga2,
    "Optuna TPE": optuna_tpe_as_it_comes,
    "greedy by sensitivity": greedy,
}


def asked_of(name: str, table: Table, seed: int, most: int) -> list[Genome]:
    """The first `most` distinct genomes that a searcher asks for, in order; fewer where it finds no more."""
    budget = Budget(table, most)
    with suppress(SpentError):
        RIVALS[name](table, budget, seed)
    return list(budget.asked)
