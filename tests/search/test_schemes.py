"""Quantization schemes of a search: part of a study's identity and record, of sizes, and what platforms take."""

import pytest
from fake_task import FakeTask

from dse.evaluator.task import NetworkTask
from dse.exploration.plan import make_plan
from dse.exploration.run import run_search
from dse.exploration.settings import SearchSettings
from dse.study.result import load_study
from dse.study.store import StoreError
from dse.study.task import task_of
from models.quantization.scheme import PAPERS, Scheme
from models.workload import Configuration, InputError, MatVec, Workload, size_bits

PAPERS_OPTIONS = {"rounding": "nearest", "scales": "matrix", "zero_points": False}


def plan(**given):
    return make_plan(SearchSettings.of(**given))


def test_every_choice_is_another_study():
    given = [{}, {"rounding": "nearest"}, {"scales": "matrix"}, {"zero_points": False}, PAPERS_OPTIONS]
    plans = [plan(**each) for each in given]
    assert len({each.study for each in plans}) == len(given)
    assert plans[0].study == plan(rounding="compensated", scales="row", zero_points=True).study
    assert plans[0].identity["content"]["quantization"] == "compensated rounding, a scale a row, zero points"
    assert plans[-1].task.scheme == PAPERS and plans[0].task.scheme == Scheme()


def test_a_study_records_its_scheme_and_refuses_another(tmp_path):
    storage = f"sqlite:///{tmp_path}/dse.db"
    settings = {"evaluations": 12, "workers": 1, "storage": storage, "study": "s"}
    run_search(SearchSettings(FakeTask(**PAPERS_OPTIONS), **settings))
    assert task_of(load_study("s", storage), FakeTask).scheme == PAPERS
    with pytest.raises(StoreError, match="quantization"):
        run_search(SearchSettings(FakeTask(), **settings))


def test_what_is_stored_beside_the_weights_counts():
    matvecs = (MatVec("l0.input", 10, 6, "input"), MatVec("output", 4, 10, "output"))
    bare = Workload("x", matvecs, vector_weights=7, elementwise_ops_per_frame=0)
    row, matrix, papers = (Workload("x", matvecs, 7, 0, s.stored) for s in (Scheme(), Scheme(scales="matrix"), PAPERS))
    mixed = Configuration.uniform(bare, 4, 8).with_setting("output", weight_bits=16)
    weights = 60 * 4 + 40 * 16 + 7 * 16
    assert size_bits(bare, mixed) == weights
    steps = 32 + 2 * 32  # of one integer matrix and two activation quantizers
    assert size_bits(papers, mixed) == weights + steps
    assert size_bits(matrix, mixed) == weights + steps + 2 * 8
    assert size_bits(row, mixed) == weights + steps + 2 * 8 + 10 * 8
    for workload in (row, matrix, papers):
        assert size_bits(workload, Configuration.uniform(workload, 16)) == 16 * 107
        skipped = mixed.with_setting("l0.input", skip=True)
        assert size_bits(workload, skipped) - 16 * 107 == 32 + workload.stored.zero_point_bits


def test_the_scheme_follows_what_all_platforms_take():
    free = plan(platforms="silago")
    assert free.task.scheme == Scheme() and free.workload.stored == Scheme().stored
    bound = plan(platforms="silago,edgedrnn")
    assert bound.task.scheme == Scheme(scales="matrix", zero_points=False)
    assert bound.workload.stored.row_scale_bits == bound.workload.stored.zero_point_bits == 0
    assert bound.platforms["edgedrnn"].check(bound.workload, Configuration.uniform(bound.workload, 8, 16)) == ()
    assert plan(platforms="edgedrnn:row_scales=true").task.scheme.scales == "row"
    for wrong, what in (({"scales": "row"}, "a scale a row"), ({"zero_points": True}, "zero points")):
        with pytest.raises(InputError, match=f"{what}: not every platform of this search takes"):
            plan(platforms="edgedrnn", **wrong)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--rounding=best", "error: rounding 'best' is none of compensated, nearest"),
        ("--scales=column", "error: scales 'column' is none of row, matrix"),
        ("--zero-points=1", "python -m dse.search: argument --zero-points: '1' is neither on nor off"),
    ],
)
def test_unknown_choices_are_one_line(cli, option, message):
    status, out, err = cli("search", option)
    assert (status, out, err) == (2, "", f"{message}\n")


def test_a_task_says_what_is_wrong_with_its_scheme():
    with pytest.raises(InputError, match="zero_points 'on' is neither true nor false"):
        NetworkTask(zero_points="on")
