"""Search algorithms behind one interface: ask for genomes, tell their outcomes.

To add a searcher:
1. `dse/searchers/x.py`: a class with what `Searcher` lists. Genomes are asked in their canonical form
   (`SearchSpace.canonical`), and `draw_new` gives random ones. Only this file imports its library.
   Where asking takes its time, `Stateful` lets a search go on without asking again.
2. A line in SEARCHERS. Commands know it then.
3. `tests/search/test_searcher_conformance.py` holds it to what every searcher must keep; one that does not listen to
   outcomes, draws nothing or asks for fewer than it could is named there beside those that are so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

import numpy as np

from dse.design.space import Genome, SearchSpace
from models.workload import InputError

SEARCHERS = {
    "surrogate": "dse.searchers.surrogate:Surrogate",
    "nsga2": "dse.searchers.nsga2:Nsga2",
    "nsga3": "dse.searchers.nsga3:Nsga3",
    "greedy": "dse.searchers.greedy:Greedy",
    "optuna-tpe": "dse.searchers.optuna_tpe:OptunaTpe",
    "optuna-gp": "dse.searchers.optuna_gp:OptunaGp",
    "random": "dse.searchers.random:Random",
    "exhaustive": "dse.searchers.exhaustive:Exhaustive",
}
EXHAUSTIVE = "exhaustive"  # asks for all there is
MISSES_BEFORE_EXHAUSTED = 1000  # draws in a row without a new genome after which a space counts as exhausted


@dataclass(frozen=True)
class Outcome:
    """Outcome of an asked genome's evaluation.

    `values` are the objectives, smaller is better; None if the candidate was never measured. `violation` is 0 if all
    limits are kept, else how far they are exceeded; infinite for a failed evaluation.
    """

    genome: Genome
    values: tuple[float, ...] | None
    violation: float = 0.0


# What is known of a genome without evaluating it: values with NaN for what is not, and the violation as far as known.
Known = Callable[[Genome], Outcome]


@dataclass(frozen=True)
class Problem:
    """What is searched: a space, for so many objectives.

    `start` are genomes that are asked first; `known` tells what needs no evaluation, and may be left unused.
    """

    space: SearchSpace
    objectives: int
    start: Sequence[Genome] = ()
    known: Known | None = None


class Searcher(Protocol):
    """Search algorithm, deterministic given its seed and the outcomes passed to `tell`.

    `ask` returns up to `n` canonical genomes never asked before, those that the problem starts with first; fewer when
    it finds no more or wants to be told of these first, none when the space is exhausted. `tell` takes the outcomes of
    the genomes last asked, in that order, or of some of them.
    """

    def __init__(self, problem: Problem, seed: int, population: int) -> None: ...
    def ask(self, n: int) -> list[Genome]: ...
    def tell(self, outcomes: Sequence[Outcome]) -> None: ...


@runtime_checkable
class Stateful(Protocol):
    """A searcher that can go on from where another one of its kind, with the same settings, stood after `tell`.

    `state` is plain JSON. `recall` takes it, and the outcomes of all that the other had asked, in order.
    """

    def state(self) -> Any: ...
    def recall(self, outcomes: Sequence[Outcome], state: Any) -> None: ...


def searcher_named(name: str) -> type[Searcher]:
    """Class of the searcher of that name. Raises InputError on an unknown name."""
    if name not in SEARCHERS:
        raise InputError(f"searcher '{name}' is none of {', '.join(SEARCHERS)}")
    module, _, attribute = SEARCHERS[name].partition(":")
    return getattr(import_module(module), attribute)


def draw_new(space: SearchSpace, rng: np.random.Generator, seen: set[Genome], n: int) -> list[Genome]:
    """Draw up to `n` uniformly random canonical genomes that are not in `seen`, and add them to it."""
    choices = [len(gene.choices) for gene in space.genes]
    drawn: list[Genome] = []
    misses = 0
    while len(drawn) < n and misses < MISSES_BEFORE_EXHAUSTED:
        genome = space.canonical(tuple(rng.integers(choices).tolist()))
        if genome in seen:
            misses += 1
            continue
        misses = 0
        seen.add(genome)
        drawn.append(genome)
    return drawn
