"""Every registered searcher keeps what every searcher must keep; what tells them apart."""

from itertools import product

import numpy as np
import pytest
from conformance.searchers import MEASURER, SPACE, TWO, SearcherConformance, converse
from fake_task import WORKLOAD

from dse.design.genes import search_space
from dse.design.pareto import hypervolume
from dse.design.space import Genome
from dse.evaluator.evaluate import evaluate
from dse.searchers import SEARCHERS, Outcome, Problem, Searcher, searcher_named

SLOW = "optuna-gp"  # seconds a genome: it shares its loop with optuna-tpe, and has a short test of its own


class TestSearchers(SearcherConformance):
    @pytest.fixture(autouse=True, params=[name for name in SEARCHERS if name != SLOW])
    def named(self, request: pytest.FixtureRequest) -> None:
        self._searcher = searcher_named(request.param)
        self.learns = request.param not in ("random", "exhaustive")
        self.draws = request.param not in ("greedy", "exhaustive")
        self.fills = request.param not in ("surrogate", "greedy")

    def searcher(self) -> type[Searcher]:
        return self._searcher


def test_the_more_a_searcher_learns_the_better_its_front() -> None:
    def covered(name: str) -> float:
        fronts = []
        for seed in range(3):
            asked = converse(searcher_named(name), 40, seed, population=40)
            found = [evaluate(SPACE.decode(genome), MEASURER, genome=genome) for genome in asked]
            fronts.append(hypervolume(found, TWO, (40.0, 0.03)))
        return sum(fronts)

    assert covered("surrogate") > covered("nsga2") > covered("random")


def test_a_gaussian_process_takes_over_from_random_genomes() -> None:
    asked = converse(searcher_named(SLOW), 2, population=5)
    assert len(asked) == len(set(asked)) == 5 + 4
    assert all(SPACE.canonical(genome) == genome for genome in asked)


def test_greedy_walks_from_the_widest_to_the_narrowest_where_effects_are_sums() -> None:
    space = search_space(WORKLOAD, delta=(0,))
    widest = (3,) * len(space.genes)

    def tell(genome: Genome) -> Outcome:
        return Outcome(genome, (float(np.dot(3 - np.array(genome), 1 + np.arange(len(genome)))), float(sum(genome))))

    searcher = searcher_named("greedy")(Problem(space, 2, [widest]), 1, 8)
    alone = searcher.ask(1000)
    searcher.tell([tell(genome) for genome in alone])
    walk = searcher.ask(1000)
    assert len(alone) == 1 + 3 * len(space.genes) and walk[-1] == (0,) * len(space.genes)
    steps = np.diff([np.dot(3 - np.array(genome), 1 + np.arange(len(genome))) for genome in [widest, *walk]])
    assert (np.diff(steps) >= 0).all(), "the cheapest gene first"


def test_exhaustive_asks_for_every_effect_once() -> None:
    space = search_space(WORKLOAD, (4, 8), (4, 8), (0, 16))
    asked = converse(searcher_named("exhaustive"), 10**6, space=space)
    everything = {space.canonical(genome) for genome in product(*(range(len(gene.choices)) for gene in space.genes))}
    assert len(asked) == len(everything) and set(asked) == everything


def test_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(
        ValueError,
        match=f"searcher 'nsga4' is none of {', '.join(SEARCHERS)}",
    ):
        searcher_named("nsga4")
