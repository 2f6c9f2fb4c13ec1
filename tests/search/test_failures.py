import fake_task
import optuna
import pytest
from fake_task import WORKLOAD, FakeTask, counting

from dse.evaluator.evaluate import evaluate
from dse.exploration.run import run_search
from dse.exploration.settings import SearchSettings
from dse.reports.table import summary
from dse.study.result import load_study
from models.workload import Configuration
from platforms import open_platform


def settings(tmp_path, **changes):
    given = {
        "task": FakeTask(),
        "evaluations": 40,
        "population": 12,
        "workers": 1,
        "storage": f"sqlite:///{tmp_path}/dse.db",
    }
    return SearchSettings(**{**given, "objectives": ("error", "size", "ops"), **changes})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search in which nothing fails."""
    return run_search(settings(tmp_path_factory.mktemp("whole")))


@pytest.fixture
def failing_first(tmp_path, monkeypatch):
    """What the first run of a search gives, in which a third of the evaluations or so fail; the cause is then gone."""
    monkeypatch.setenv("FAKE_RAISE_ON", "2")
    first = run_search(settings(tmp_path))
    monkeypatch.delenv("FAKE_RAISE_ON")
    return first


def test_failures_are_tried_again_and_the_search_is_as_if_they_never_were(whole, failing_first, tmp_path):
    task, calls = counting()
    again = run_search(settings(tmp_path, task=task))
    assert failing_first.count("failed") > 1
    assert [e.genome for e in again.evaluations][:40] == [e.genome for e in whole.evaluations]
    assert again.evaluations[:40] == whole.evaluations
    known = {e.genome for e in failing_first.evaluations if e.status != "failed"}
    assert calls.count == len({e.genome for e in whole.evaluations} - known)
    assert again.retried and all(e.measured for e in again.retried)
    assert f"tried again: {len(again.retried)} that had failed, {len(again.retried)} with success" in summary(again)


def test_once_mended_nothing_is_tried_again(failing_first, tmp_path):
    # What failed is asked for again, or else it was bred from failures and is no more part of the search.
    mended = run_search(settings(tmp_path))
    task, calls = counting()
    once_more = run_search(settings(tmp_path, task=task))
    assert (calls.count, once_more.retried) == (0, ())
    assert once_more.evaluations == mended.evaluations
    stored = load_study(mended.name, settings(tmp_path).storage)
    assert {e.genome: e for e in stored.evaluations} == {e.genome: e for e in mended.evaluations}


def test_the_same_failure_is_stored_once(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_RAISE_ON", "2")
    first, again = (run_search(settings(tmp_path)) for _ in range(2))
    assert again.evaluations == first.evaluations
    assert len(again.retried) == first.count("failed") > 1
    study = optuna.load_study(storage=settings(tmp_path).storage, study_name=first.name)
    assert len(study.trials) == 40
    assert f"{len(again.retried)} that had failed, 0 with success" in summary(again)


def test_an_interrupted_retry_goes_on(whole, failing_first, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_search(settings(tmp_path, task=counting(3)[0]))
    assert run_search(settings(tmp_path)).evaluations[:40] == whole.evaluations


def test_a_bug_of_a_platform_is_no_failed_candidate(monkeypatch):
    platform = open_platform("edgedrnn")
    measurer, configuration = fake_task.FakeMeasurer(), Configuration.uniform(WORKLOAD, 8)
    platforms = {"edgedrnn": platform}
    assert evaluate(configuration, measurer, platforms=platforms).status == "ok"
    monkeypatch.setattr(type(platform), "estimate", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluate(configuration, measurer, platforms=platforms)
