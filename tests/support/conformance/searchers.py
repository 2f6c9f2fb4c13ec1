"""What every searcher must keep: genomes in bounds, canonical and new, the same for the same seed and outcomes."""

import json
from collections.abc import Callable

import pytest
from fake_task import WORKLOAD, FakeMeasurer

from dse.design.genes import search_space
from dse.design.objective import minimised, objectives_named
from dse.design.space import Genome, SearchSpace
from dse.evaluator.evaluate import evaluate
from dse.searchers import Outcome, Problem, Searcher, Stateful

SPACE = search_space(WORKLOAD)
TWO = objectives_named(["error", "size"])
MEASURER = FakeMeasurer()
FAILED = float("inf")  # the violation of a failed evaluation


def outcome(genome: Genome, flip: bool = False) -> Outcome:
    """Objective values of the fake network; `flip` turns good into bad."""
    values = minimised(TWO, evaluate(SPACE.decode(genome), MEASURER).metrics)
    return Outcome(genome, tuple(-value for value in values) if flip else values)


def converse(
    kind: type[Searcher],
    generations: int = 4,
    seed: int = 3,
    tell: Callable[[Genome], Outcome] = outcome,
    space: SearchSpace = SPACE,
    population: int = 12,
) -> list[Genome]:
    """All that a searcher asks in so many generations, a first one of `population` and then of 4."""
    searcher = kind(Problem(space, 2, space.uniform()), seed, population)
    asked: list[Genome] = []
    for generation in range(generations):
        if not (genomes := searcher.ask(population if generation == 0 else 4)):
            break
        asked += genomes
        searcher.tell([tell(genome) for genome in genomes])
    return asked


class SearcherConformance:
    """A searcher's class; `learns` is False where outcomes do not change what it asks, `draws` where no seed does.

    `fills` is False where it may ask for fewer than it could, to be told of these first.
    """

    learns, draws, fills = True, True, True

    def searcher(self) -> type[Searcher]:
        raise NotImplementedError

    def as_many(self, genomes: list[Genome], wanted: int, least: int) -> bool:
        """Whether so many genomes were asked as were wanted; at least some, of a searcher that may ask for fewer."""
        return len(genomes) == wanted if self.fills else least <= len(genomes) <= wanted

    def test_in_bounds_canonical_and_new(self) -> None:
        asked = converse(self.searcher())
        assert self.as_many(asked, 12 + 3 * 4, 4 * 4)
        assert len(set(asked)) == len(asked)
        for genome in asked:
            assert all(type(index) is int for index in genome)
            SPACE.decode(genome)  # raises if out of bounds
            assert SPACE.canonical(genome) == genome

    def test_starts_with_the_given_genomes(self) -> None:
        assert converse(self.searcher(), 1)[:3] == SPACE.uniform()

    def test_given_genomes_come_first_however_few_are_asked_at_once(self) -> None:
        searcher = self.searcher()(Problem(SPACE, 2, SPACE.uniform()), 1, 8)
        asked: list[Genome] = []
        while len(asked) < 12:
            genomes = searcher.ask(2)
            asked += genomes
            searcher.tell([outcome(genome) for genome in genomes])
        assert asked[:3] == SPACE.uniform()
        assert len(set(asked)) == len(asked)

    def test_same_seed_and_outcomes_same_genomes(self) -> None:
        assert converse(self.searcher()) == converse(self.searcher())
        assert (converse(self.searcher(), 6) != converse(self.searcher(), 6, seed=4)) == self.draws

    def test_listens_to_what_it_is_told(self) -> None:
        flipped = converse(self.searcher(), 12, tell=lambda genome: outcome(genome, flip=True))
        assert (converse(self.searcher(), 12) != flipped) == self.learns

    def test_lives_with_failures_and_infeasible_outcomes(self) -> None:
        def tell(genome: Genome) -> Outcome:
            kind = sum(genome) % 3
            if kind == 0:
                return Outcome(genome, None, FAILED)
            return Outcome(genome, None, 0.5) if kind == 1 else outcome(genome)

        assert 6 * 4 <= len(converse(self.searcher(), 6, tell=tell)) <= 12 + 5 * 4
        assert len(converse(self.searcher(), 6, tell=lambda genome: Outcome(genome, None, FAILED))) >= 6 * 4

    def test_finds_every_genome_of_a_small_space_then_stops(self) -> None:
        space = search_space(WORKLOAD, (4, 8), (8,), (0,))
        searcher = self.searcher()(Problem(space, 2), 1, 6)
        asked: list[Genome] = []
        while genomes := searcher.ask(6):
            assert len(asked) <= space.size
            asked += genomes
            searcher.tell([Outcome(genome, (sum(genome), -sum(genome))) for genome in genomes])
        assert len(asked) == len(set(asked)) == space.size == 16
        assert searcher.ask(6) == []

    def test_may_be_told_a_part(self) -> None:
        searcher = self.searcher()(Problem(SPACE, 2), 1, 8)
        genomes = searcher.ask(8)
        searcher.tell([outcome(genome) for genome in genomes[:5]])
        assert len(set(searcher.ask(4)) - set(genomes)) == 4

    def test_goes_on_from_a_state_as_if_it_had_asked(self) -> None:
        first, second = (self.searcher()(Problem(SPACE, 2, SPACE.uniform()), 1, 12) for _ in range(2))
        if not isinstance(first, Stateful) or not isinstance(second, Stateful):
            pytest.skip("has no state")
        told: list[Outcome] = []
        for n in (12, 4, 4):
            outcomes = [outcome(genome) for genome in first.ask(n)]
            first.tell(outcomes)
            told += outcomes
        second.recall(told, json.loads(json.dumps(first.state())))
        for _ in range(3):
            asked = first.ask(4)
            assert asked == second.ask(4)
            for searcher in (first, second):
                searcher.tell([outcome(genome) for genome in asked])

    @pytest.mark.parametrize("objectives", [1, 3, 5])
    def test_any_number_of_objectives_will_do(self, objectives: int) -> None:
        searcher = self.searcher()(Problem(SPACE, objectives, SPACE.uniform()), 1, 8)
        for _ in range(4):
            genomes = searcher.ask(8)
            assert self.as_many(genomes, 8, 4)
            searcher.tell([Outcome(g, tuple(float(g[k % len(g)]) for k in range(objectives))) for g in genomes])
