"""A search is the same with every searcher whatever the number of workers, stopped or not."""

import pytest
from fake_task import counting
from searches import points, search, settings

from dse.exploration.plan import make_plan
from dse.exploration.run import run_search
from dse.searchers import SEARCHERS

SLOW = "optuna-gp"
GIVEN = {"evaluations": 30, "population": 8}


@pytest.mark.parametrize("name", [name for name in SEARCHERS if name != SLOW])
def test_two_workers_and_a_stop_change_nothing(tmp_path, name):
    for folder in ("one", "two", "stopped"):
        (tmp_path / folder).mkdir()
    alone = search(tmp_path / "one", searcher=name, **GIVEN)
    assert len(alone.evaluations) == 30
    both = search(tmp_path / "two", searcher=name, workers=2, **GIVEN)
    assert [(e.genome, e.metrics) for e in both.evaluations] == [(e.genome, e.metrics) for e in alone.evaluations]
    for stop_at in (3, 9, 8):
        with pytest.raises(KeyboardInterrupt):
            run_search(settings(tmp_path / "stopped", searcher=name, task=counting(stop_at)[0], **GIVEN))
    resumed = search(tmp_path / "stopped", searcher=name, **GIVEN)
    assert points(resumed) == points(alone)
    assert [e.genome for e in resumed.evaluations] == [e.genome for e in alone.evaluations]


def test_an_exhaustive_search_evaluates_all_there_is_unless_told_how_many(tmp_path):
    given = {
        "searcher": "exhaustive",
        "weight_bits": (4, 8),
        "activation_bits": (8,),
        "delta": (0,),
        "evaluations": None,
    }
    assert len(search(tmp_path, **{**given, "evaluations": 5}).evaluations) == 5
    whole = search(tmp_path, **given)
    assert len(whole.evaluations) == make_plan(settings(tmp_path, **given)).space.size == 16


def test_nothing_is_evaluated_that_is_known_to_break_a_limit_or_a_rule(tmp_path):
    given = {"limits": ("error=+10", "size=0.009")}
    study = search(tmp_path, "silago", **given)
    start = make_plan(settings(tmp_path, "silago", **given)).start
    assert all(e.measured for e in study.evaluations if e.genome not in start)
