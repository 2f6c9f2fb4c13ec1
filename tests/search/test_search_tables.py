"""Tables of spaces that were measured whole are what the evaluator measures today; searchers play on them."""

from functools import cache

import numpy as np
import pytest
from search_rivals import asked_of
from search_tables import SPACES, genomes, load_table, plan_of, write_table

from dse.exploration.worker import Job, Worker
from models.workload import BITS_PER_MIB, size_mib

MEASURED_ANEW = 2  # genomes of each table
SMALL, QUICK = "sru-delta", ("surrogate", "nsga2", "pymoo NSGA-II", "greedy by sensitivity")


@cache
def worker_of(model):
    return Worker(plan_of(next(name for name, (mine, *_) in SPACES.items() if mine == model)).task)


@pytest.mark.parametrize("name", SPACES)
def test_a_table_is_of_its_space(name):
    table = load_table(name)
    plan, every = table.plan, list(genomes(table.plan))
    assert {len(column) for column in table.metrics.values()} == {len(every)}
    assert [table.row(genome) for genome in every] == list(range(len(every)))
    assert all(plan.space.canonical(genome) == genome for genome in every)
    sizes = [size_mib(plan.workload, plan.space.decode(genome)) for genome in every]
    assert table.metrics["size_mib"].tolist() == sizes


@pytest.mark.parametrize("name", SPACES)
def test_a_table_is_what_is_measured(name):
    table = load_table(name)
    space, worker = table.plan.space, worker_of(SPACES[name][0])
    every = list(genomes(table.plan))
    for row in np.random.default_rng(0).choice(len(every), MEASURED_ANEW, replace=False):
        metrics = worker.evaluate(Job(every[row], space.decode(every[row]))).metrics
        assert {metric: column[row] for metric, column in table.metrics.items()}.items() <= metrics.items()


@pytest.mark.parametrize("model", sorted({model for model, *_ in SPACES.values()}))
def test_the_baseline_of_tables_is_what_is_measured(model):
    tables = [load_table(name) for name, (mine, *_) in SPACES.items() if mine == model]
    measured = worker_of(model).evaluate(Job((), tables[0].plan.space.base)).metrics["error_percent"]
    assert [table.baseline_error_percent for table in tables] == [measured] * len(tables)


def test_a_table_is_read_as_it_was_written(tmp_path):
    eliminated = np.random.default_rng(0).uniform(0, 100, 1536)
    errors, sizes = [7 * count for count in range(1536)], list(range(10**6, 10**6 + 1536))
    write_table(tmp_path / f"{SMALL}.npz", errors, sizes, eliminated.tolist(), 1410, 11176)
    table = load_table(SMALL, folder=tmp_path)
    assert table.metrics["error_percent"].tolist() == [100 * count / 11176 for count in errors]
    assert table.metrics["size_mib"].tolist() == [bits / BITS_PER_MIB for bits in sizes]
    assert table.metrics["eliminated_percent"].tolist() == eliminated.tolist()


def test_every_candidate_has_all_of_the_hypervolume():
    table = load_table(SMALL)
    every = list(genomes(table.plan))
    shares = table.shares(every, len(every) + 10)
    assert shares[-1] == pytest.approx(1.0) and (np.diff(shares) >= 0).all()


@pytest.mark.parametrize("searcher", QUICK)
def test_a_searcher_pays_for_each_candidate_once_and_asks_the_same_again(searcher):
    table = load_table(SMALL)
    asked = asked_of(searcher, table, 1, 20)
    assert len(set(asked)) == len(asked) == 20
    assert asked == asked_of(searcher, table, 1, 20)
    assert all(table.plan.space.decode(genome) for genome in asked)
