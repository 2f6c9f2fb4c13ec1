"""The test split is spent once, on a frozen front, and that is recorded."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fake_task import FakeMeasurer, FakeTask
from searches import search

from dse.design.objective import TEST_ERROR
from dse.exploration.final import spend
from dse.reports.final import final_table, optimism_points, survivors
from dse.reports.provenance import provenance
from dse.reports.table import summary
from dse.study.result import load_study
from models.workload import InputError


class OnSplit(FakeMeasurer):
    """Errs half a point more on the test split, which is opened so often, and stops after so many measurements."""

    opened = 0
    stop_after = None

    def measure(self, configuration):
        if OnSplit.stop_after is not None:
            if not OnSplit.stop_after:
                raise KeyboardInterrupt
            OnSplit.stop_after -= 1
        return super().measure(configuration)


class Task(FakeTask):
    def open(self, split="validation"):
        if split == "test":
            OnSplit.opened += 1
            return OnSplit()
        return super().open(split)


@pytest.fixture
def study(tmp_path):
    OnSplit.opened, OnSplit.stop_after = 0, None
    return search(tmp_path, task=Task(), evaluations=20, population=8)


def loaded(study):
    return load_study(study.name, study.storage)


def test_once(study):
    first = spend(study, Task())
    calls = FakeMeasurer.calls
    again = spend(loaded(study), Task())
    assert FakeMeasurer.calls == calls and OnSplit.opened == 1
    assert (
        [p.metrics for p in first.front] == [p.metrics for p in again.front] == [p.metrics for p in loaded(study).front]
    )
    assert all(point.metrics[TEST_ERROR.metric] == point.metrics["error_percent"] for point in first.front)
    assert len(loaded(study).finals) == 1 and loaded(study).finals[0].when.startswith("20")
    assert all(abs(optimism_points(first, point)) < 1e-9 for point in first.front)
    assert survivors(first) == len(first.front)
    assert "mean optimism" in final_table(first)


def test_again_is_recorded(study):
    spend(study, Task())
    spend(loaded(study), Task(), again=True)
    assert len(loaded(study).finals) == 2 and OnSplit.opened == 2


def test_an_interrupted_run_goes_on_and_repeats_nothing(study):
    OnSplit.stop_after = 3
    with pytest.raises(KeyboardInterrupt):
        spend(study, Task())
    assert len(loaded(study).finals[0].scored) == 3
    OnSplit.stop_after = None
    calls = FakeMeasurer.calls
    done = spend(loaded(study), Task())
    assert FakeMeasurer.calls - calls == len(done.finals[0].points) - 3
    assert len(done.finals) == 1 and not done.finals[0].left


def test_a_front_that_grew_asks_for_again(study, tmp_path):
    spend(study, Task())
    grown = search(tmp_path, task=Task(), evaluations=60, population=8)
    assert grown.name == study.name
    with pytest.raises(
        InputError, match=r"was spent on 20.* were not among those: python -m dse.report study .* --again"
    ):
        spend(loaded(grown), Task())
    done = spend(loaded(grown), Task(), again=True)
    assert all(TEST_ERROR.metric in point.metrics for point in done.front)


def test_a_point_alone_spends_it_too_and_the_front_may_follow(study):
    one, other = study.front[1:3]
    done = spend(study, Task(), points=[one.configuration])
    assert TEST_ERROR.metric in done.front[1].metrics and len(done.finals[0].points) <= 2
    with pytest.raises(InputError, match=rf"not among those: python -m dse.report study {study.name} scores"):
        spend(loaded(study), Task(), points=[other.configuration])
    done = spend(loaded(study), Task())
    assert len(done.finals) == 2 and "the last of 2 times" in final_table(done)
    assert spend(loaded(study), Task(), points=[other.configuration]).finals == done.finals


def interrupted(study):
    OnSplit.stop_after = 0
    with pytest.raises(KeyboardInterrupt):
        spend(loaded(study), Task(), again=True)
    OnSplit.stop_after = None


def grown(study):
    folder = Path(study.storage.removeprefix("sqlite:///")).parent
    assert (
        search(folder, task=Task(), evaluations=60, objectives=tuple(study.identity["objectives"])).name == study.name
    )


RUNS = {
    "point": lambda study: spend(loaded(study), Task(), points=[study.front[0].configuration]),
    "front": lambda study: spend(loaded(study), Task()),
    "again": lambda study: spend(loaded(study), Task(), again=True),
    "interrupted": interrupted,
    "grown": grown,
}


# From Python 3.13 on databases that are closed as they are collected warn, which may be in any test.
@pytest.mark.filterwarnings("error", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "runs",
    ["", "point", "front", "point front", "front again", "front interrupted", "point interrupted", "front grown"],
)
@pytest.mark.parametrize("objectives", ["error,size,ops", "error"])
def test_what_is_told_of_the_test_split_is_what_was_done_there(tmp_path, runs, objectives):
    """In the summary and in the report's provenance alike, also of a front of one point."""
    OnSplit.opened, OnSplit.stop_after = 0, None
    study = search(tmp_path, task=Task(), evaluations=20, objectives=tuple(objectives.split(",")))
    for run in runs.split():
        RUNS[run](study)
    study = loaded(study)
    told = [
        f"spent on {run.when}, on {len({p.configuration for p in study.front} & {*run.points})} of {len(study.front)} "
        f"points of this front{'; interrupted' if run.left else ''}"
        for run in study.finals
    ]
    assert [line for line in summary(study).splitlines() if "split" in line] == [f"  test split {run}" for run in told]
    assert [value for name, value in provenance(study) if name == "test split"] == told
    if runs and all(TEST_ERROR.metric in point.metrics for point in study.front):
        assert ("the last of" in final_table(study)) == (len(study.finals) > 1)
        assert ("tau" in final_table(study)) == (len(study.front) > 1)


def test_from_search_to_pick_the_test_split_is_opened_once(cli, tmp_path, monkeypatch):
    opened = []
    plain = FakeTask.open
    monkeypatch.setattr(FakeTask, "open", lambda task, split="validation": opened.append(split) or plain(task, split))
    assert cli("search", "--study", "s", "--workers", "1", "--evaluations", "12")[0] == 0
    assert cli("front", "--study", "s")[0] == 0 and "test" not in opened
    status, out, err = cli("report", "study", "s", "--workers", "1")
    assert status == 0, err
    assert "test split spent on" in out and opened.count("test") == 1
    assert cli("report", "study", "s", "--workers", "1")[0] == 0
    status, out, _ = cli("front", "--study", "s")
    assert "test error" in out and "test split spent on" in out
    assert opened.count("test") == 1
    record = json.loads((tmp_path / "studies/s/front.json").read_text())
    assert all("test_error_percent" in point["metrics"] for point in record["front"])
    assert cli("pick", "--study", "s", "--number", "1")[0] == 0 and opened.count("test") == 1
    assert cli("report", "study", "s", "--workers", "1", "--again")[0] == 0
    assert opened.count("test") == 2


def test_an_empty_front_spends_nothing(study):
    with pytest.raises(InputError, match="is empty: no evaluation keeps"):
        spend(replace(study, evaluations=()), Task())
    assert not OnSplit.opened and not loaded(study).finals
