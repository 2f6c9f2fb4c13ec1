"""Every registered searcher keeps what every searcher must keep; what tells them apart."""

import pytest
from conformance.searchers import MEASURER, SPACE, TWO, SearcherConformance, converse

from dse.design.pareto import hypervolume
from dse.evaluator.evaluate import evaluate
from dse.searchers import SEARCHERS, Searcher, searcher_named


class TestSearchers(SearcherConformance):
    @pytest.fixture(autouse=True, params=SEARCHERS)
    def named(self, request: pytest.FixtureRequest) -> None:
        self._searcher = searcher_named(request.param)
        self.learns = request.param != "random"

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


def test_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(ValueError, match="searcher 'nsga3' is none of surrogate, nsga2, random, optuna-tpe"):
        searcher_named("nsga3")
