"""What every searcher must do, run over the registry."""

import pytest
from fake_task import WORKLOAD, FakeMeasurer

from dse.design.genes import search_space
from dse.design.objective import minimised, objectives_named
from dse.design.pareto import hypervolume
from dse.evaluator.evaluate import evaluate
from dse.searchers import SEARCHERS, Outcome, searcher_named

SPACE = search_space(WORKLOAD)
TWO = objectives_named(["error", "size"])
MEASURER = FakeMeasurer()
LEARNERS = sorted(set(SEARCHERS) - {"random"})


def outcome(genome, flip=False):
    """Objective values of the fake network; `flip` turns good into bad."""
    values = minimised(TWO, evaluate(SPACE.decode(genome), MEASURER).metrics)
    return Outcome(genome, tuple(-value for value in values) if flip else values)


def converse(name, generations=4, seed=3, tell=outcome, space=SPACE, population=12):
    searcher = searcher_named(name)(space, 2, seed, population, space.uniform())
    asked = []
    for generation in range(generations):
        genomes = searcher.ask(population if generation == 0 else 4)
        asked += genomes
        searcher.tell([tell(genome) for genome in genomes])
    return asked


@pytest.mark.parametrize("name", SEARCHERS)
def test_in_bounds_canonical_and_new(name):
    asked = converse(name)
    assert len(asked) == 12 + 3 * 4
    assert len(set(asked)) == len(asked)
    for genome in asked:
        assert all(type(index) is int for index in genome)
        SPACE.decode(genome)  # raises if out of bounds
        assert SPACE.canonical(genome) == genome


@pytest.mark.parametrize("name", SEARCHERS)
def test_starts_with_the_given_genomes(name):
    assert converse(name, 1)[:3] == SPACE.uniform()


@pytest.mark.parametrize("name", SEARCHERS)
def test_same_seed_and_outcomes_same_genomes(name):
    assert converse(name) == converse(name)
    assert converse(name) != converse(name, seed=4)


@pytest.mark.parametrize("name", LEARNERS)
def test_listens_to_what_it_is_told(name):
    assert converse(name, 6) != converse(name, 6, tell=lambda genome: outcome(genome, flip=True))


@pytest.mark.parametrize("name", SEARCHERS)
def test_lives_with_failures_and_infeasible_outcomes(name):
    def tell(genome):
        kind = sum(genome) % 3
        if kind == 0:
            return Outcome(genome, None, float("inf"))
        return Outcome(genome, None, 0.5) if kind == 1 else outcome(genome)

    assert len(converse(name, 6, tell=tell)) == 12 + 5 * 4
    assert len(converse(name, 6, tell=lambda genome: Outcome(genome, None, float("inf")))) == 12 + 5 * 4


@pytest.mark.parametrize("name", SEARCHERS)
def test_finds_every_genome_of_a_small_space_then_stops(name):
    space = search_space(WORKLOAD, (4, 8), (8,), (0,))
    searcher = searcher_named(name)(space, 2, 1, 6, ())
    asked = []
    while genomes := searcher.ask(6):
        assert len(asked) <= space.size
        asked += genomes
        searcher.tell([Outcome(genome, (sum(genome), -sum(genome))) for genome in genomes])
    assert len(asked) == len(set(asked)) == space.size == 16


@pytest.mark.parametrize("name", SEARCHERS)
def test_may_be_told_a_part(name):
    searcher = searcher_named(name)(SPACE, 2, 1, 8, ())
    genomes = searcher.ask(8)
    searcher.tell([outcome(genome) for genome in genomes[:5]])
    assert len(searcher.ask(4)) == 4


def test_the_more_a_searcher_learns_the_better_its_front():
    def covered(name):
        fronts = []
        for seed in range(3):
            found = [evaluate(SPACE.decode(g), MEASURER, genome=g) for g in converse(name, 40, seed, population=40)]
            fronts.append(hypervolume(found, TWO, (40.0, 0.03)))
        return sum(fronts)

    assert covered("surrogate") > covered("nsga2") > covered("random")


def test_unknown_name_lists_the_valid_ones():
    with pytest.raises(ValueError, match="searcher 'nsga3' is none of surrogate, nsga2, random, optuna-tpe"):
        searcher_named("nsga3")
