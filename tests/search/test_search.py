"""A search on the fake network: deterministic, complete, within its limits, the same from any number of workers."""

import re

import fake_task
from fake_task import counting
from searches import points, search, settings

from dse.design.utterance_errors import UtteranceErrors
from dse.exploration.plan import make_plan
from dse.exploration.run import run_search
from models.workload import Configuration


def test_same_seed_same_front(whole, tmp_path):
    again = search(tmp_path)
    assert points(again) == points(whole)
    assert [e.genome for e in again.evaluations] == [e.genome for e in whole.evaluations]
    assert points(search(tmp_path, seed=2)) != points(whole)


def test_two_workers_give_the_front_of_one(whole, tmp_path):
    assert points(search(tmp_path, workers=2)) == points(whole)


def test_every_metric_is_there_and_the_baseline_comes_first(whole):
    assert whole.evaluations[0].configuration == Configuration.uniform(fake_task.WORKLOAD, 16)
    assert whole.evaluations[0].metrics == whole.baseline.metrics
    assert len({e.genome for e in whole.evaluations}) == len(whole.evaluations) == 40
    for evaluation in whole.evaluations:
        assert set(evaluation.metrics) >= {"error_percent", "size_mib", "compression", "eliminated_percent"}
        assert set(evaluation.computed) == set(fake_task.WORKLOAD.names)


def test_quarters_interleave_the_utterances():
    errors = UtteranceErrors((1, 2, 3, 4, 5, 6), (0,) * 6, (2, 4, 6, 8, 10, 12), (10,) * 6)
    assert errors.quarters_percent == (3 * 600 / 20, 3 * 800 / 20, 90.0, 120.0)
    assert UtteranceErrors(*((3,),) * 4).quarters_percent == (300.0,)


def test_the_worst_quarter_can_be_the_error(whole, tmp_path):
    worst = search(tmp_path, objectives=("max4", "size", "ops"))
    assert worst.name != whole.name
    for evaluation in (worst.baseline, *worst.evaluations, *whole.evaluations):
        quarters = [evaluation.metrics[f"error_quarter_{quarter}_percent"] for quarter in range(4)]
        assert evaluation.metrics["error_max4_percent"] == max(quarters) > evaluation.metrics["error_percent"]
    assert {"error_max4_percent"} <= set(worst.front.frame().columns)
    assert "error_max4_percent" not in whole.front.frame().columns


def test_limits_that_need_no_inference_spend_none(tmp_path):
    task, calls = counting()
    result = run_search(settings(tmp_path, limits=("size=0.006",), task=task))
    too_big = [e for e in result.evaluations if e.metrics["size_mib"] > 0.006]
    assert len(too_big) > 1
    assert {e.status for e in too_big} == {"infeasible"}
    assert [e.configuration for e in too_big if e.measured] == [result.baseline.configuration]
    assert calls.count == 1 + len(result.evaluations) - len(too_big)
    assert all(evaluation.metrics["size_mib"] <= 0.006 for evaluation in result.front)


def test_a_limit_on_error_is_kept(tmp_path):
    result = search(tmp_path, limits=("error=+2",))
    bound = result.baseline.metrics["error_percent"] + 2
    assert {e.status for e in result.evaluations if e.metrics["error_percent"] > bound} == {"infeasible"}
    assert {e.status for e in result.evaluations if e.metrics["error_percent"] <= bound} == {"ok"}


def test_the_baseline_need_not_be_in_the_space(tmp_path):
    result = search(tmp_path, weight_bits=(2, 4), activation_bits=(8,), evaluations=10)
    assert result.baseline.configuration == Configuration.uniform(fake_task.WORKLOAD, 16)
    assert all(e.configuration["output"].weight_bits < 16 for e in result.evaluations)


def test_study_names_follow_the_settings(tmp_path):
    plans = [
        make_plan(settings(tmp_path, **changes))
        for changes in ({}, {"evaluations": 99, "workers": 2}, {"seed": 2}, {"limits": ("error=+3",)}, {"delta": (0,)})
    ]
    names = [plan.study for plan in plans]
    assert names[0] == names[1]
    assert len(set(names)) == 4
    assert re.fullmatch(r"sru-edge-[0-9a-f]{8}", names[0])
