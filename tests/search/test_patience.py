"""Searches that end before their last evaluation: they stall, or their time is up; and go on as if nothing had been."""

from itertools import count

import pytest
from fake_task import WORKLOAD, FakeTask, counting
from searches import points, search, settings

from dse.exploration.patience import ENDINGS, stalled
from dse.exploration.plan import make_plan
from dse.exploration.worker import Job, Worker
from dse.exploration.workers import open_workers
from dse.study.result import load_study
from models.workload import Configuration, InputError

SMALL = {"weight_bits": (4, 8), "activation_bits": (8, 16), "objectives": ("error", "size"), "evaluations": 100}
STALLING = {**SMALL, "stop_when_stalled": 18}


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A search that stalls, uninterrupted."""
    return search(tmp_path_factory.mktemp("stalls"), **STALLING)


@pytest.mark.parametrize(
    ("volumes", "expected"),
    [
        ([], False),
        ([0.0] * 9, False),  # nothing yet that could stall
        ([5.0] * 3, False),  # three are not more than the last three
        ([5.0] * 4, True),
        ([5.0, 4.9, 5.0, 5.004], True),
        ([5.0, 5.0, 5.0, 5.006], False),
        ([0.0, 5.0, 5.0, 5.0], False),
        ([0.0, 5.0, 5.0, 5.0, 5.0], True),
    ],
)
def test_stalled_is_less_than_a_thousandth_from_the_last_three(volumes, expected):
    assert stalled(volumes, 3) is expected


def test_a_stalled_search_ends_at_the_first_generation_that_brings_nothing(ended):
    made = len(ended.evaluations)
    assert ended.ended == "stalled" and 30 < made < 100 and (made - 12) % 3 == 0
    volumes = ended.convergence
    generations = range(12, made + 1, 3)
    assert [stalled(volumes[:end], 18) for end in generations] == [False] * (len(generations) - 1) + [True]


@pytest.mark.parametrize("workers", [1, 2])
def test_it_ends_there_for_any_number_of_workers_and_again(ended, tmp_path, workers):
    for _ in range(2):
        again = search(tmp_path, **STALLING, workers=workers)
        assert (again.ended, again.convergence) == ("stalled", ended.convergence)
    longer = search(tmp_path, **{**SMALL, "evaluations": len(ended.evaluations) + 6}, workers=workers)
    assert longer.ended is None and longer.convergence[: len(ended.evaluations)] == ended.convergence


@pytest.mark.parametrize("stop_at", [5, 20, 36])
def test_it_ends_there_after_an_interruption(ended, tmp_path, stop_at):
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, **STALLING, task=counting(stop_at)[0])
    assert search(tmp_path, **STALLING).convergence == ended.convergence


def test_a_search_whose_time_is_up_loses_nothing_and_goes_on(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "0.03")
    task, calls = counting()
    short = search(tmp_path, task=task, timeout=0.2 / 60)
    stored = load_study(short.name, short.storage)
    assert short.ended == "timed out" and len(stored.evaluations) == len(short.evaluations) < 12, "mid-generation"
    assert calls.count <= len(short.evaluations) + 1
    assert search(tmp_path, task=task, timeout=0.4 / 60).ended == "timed out"
    monkeypatch.setenv("FAKE_SECONDS", "0")
    study = search(tmp_path, task=task, timeout=10)
    assert (
        study.ended is None and points(study) == points(whole) and calls.count == 40
    )  # the baseline is one of the 40; nothing ran twice


@pytest.mark.parametrize("processes", [1, 2])
def test_what_is_under_way_when_time_is_up_is_kept(processes):
    jobs = [Job((k,), Configuration.uniform(WORKLOAD, bits)) for k, bits in enumerate((2, 3, 4, 5, 6, 7, 8))]
    asked = count()
    with open_workers(processes, Worker(FakeTask())) as workers:
        made = list(workers.evaluate(jobs, lambda: next(asked) < 3))
        assert {evaluation.genome for evaluation in made} == {(0,), (1,), (2,)}
        assert list(workers.evaluate(jobs, lambda: False)) == []
        assert len(list(workers.evaluate(jobs))) == len(jobs)


def test_neither_is_part_of_the_study(tmp_path):
    plain = make_plan(settings(tmp_path))
    assert make_plan(settings(tmp_path, stop_when_stalled=5, timeout=0.5)).identity == plain.identity


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"timeout": 0}, "timeout is 0, not minutes above 0"),
        ({"timeout": float("nan")}, "timeout is nan, not minutes above 0"),
        ({"timeout": float("inf")}, "timeout is inf, not minutes above 0"),
        ({"timeout": True}, "timeout is True, not minutes above 0"),
        ({"timeout": "5"}, "timeout is '5', not minutes above 0"),
        ({"stop_when_stalled": 0}, "stop_when_stalled 0 is too small; it is at least 1"),
        ({"stop_when_stalled": 1.5}, "stop_when_stalled is 1.5, not a whole number"),
    ],
)
def test_impatience_that_cannot_be_is_one_line(tmp_path, given, message):
    with pytest.raises(InputError) as told:
        settings(tmp_path, **given)
    assert str(told.value) == message


def test_the_command_says_why_it_ended(cli, monkeypatch):
    argv = ("search", "--population", "12", "--workers", "1", "--weight-bits", "4,8", "--activation-bits", "8,16")
    status, out, _ = cli(*argv, "--stop-when-stalled", "18", "--study", "a")
    assert status == 0
    assert "the search ends before 300 evaluations: its last 18 added less than 0.1 % of the hypervolume\n" in out
    monkeypatch.setenv("FAKE_SECONDS", "0.05")
    status, out, _ = cli(*argv, "--timeout", "0.01", "--study", "b")
    assert status == 0
    assert "the search ends after 0.01 minutes, before 300 evaluations; the same command goes on from there\n" in out
    assert cli(*argv, "--timeout", "0") == (2, "", "error: timeout is 0.0, not minutes above 0\n")
    assert set(ENDINGS) == {"exhausted", "hopeless", "stalled", "timed out"}
