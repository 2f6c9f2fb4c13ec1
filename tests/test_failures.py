import fake_measurer
import optuna
import pytest
from fake_measurer import WORKLOAD, counting

from dse.evaluate import evaluate
from dse.result import load_result
from dse.screen import Screen
from dse.search import SearchSettings, run_search
from dse.show import summary
from models.workload import Configuration
from platforms import open_platform


def settings(tmp_path, **changes):
    given = {"evaluations": 40, "population": 12, "workers": 1, "storage": f"sqlite:///{tmp_path}/dse.db"}
    return SearchSettings(**{**given, "objectives": ("error", "size", "ops"), **changes})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search in which nothing fails."""
    return run_search(settings(tmp_path_factory.mktemp("whole")), fake_measurer)


@pytest.fixture
def failing_first(tmp_path, monkeypatch):
    """What the first run of a search gives, in which a third of the evaluations or so fail; the cause is then gone."""
    monkeypatch.setenv("FAKE_RAISE_ON", "2")
    first = run_search(settings(tmp_path), fake_measurer)
    monkeypatch.delenv("FAKE_RAISE_ON")
    return first


def test_failures_are_tried_again_and_the_search_is_as_if_they_never_were(whole, failing_first, tmp_path):
    measure, calls = counting()
    again = run_search(settings(tmp_path), measure)
    assert failing_first.count("failed") > 1
    assert [e.genome for e in again.evaluations][:40] == [e.genome for e in whole.evaluations]
    assert again.evaluations[:40] == whole.evaluations
    known = {e.genome for e in failing_first.evaluations if e.status != "failed"}
    assert calls.count == len({e.genome for e in whole.evaluations} - known)
    assert again.retried and all(e.status == "ok" for e in again.retried)
    assert f"tried again: {len(again.retried)} that had failed, {len(again.retried)} with success" in summary(again)


def test_once_mended_nothing_is_tried_again(failing_first, tmp_path):
    # What failed is asked for again, or else it was bred from failures and is no more part of the search.
    mended = run_search(settings(tmp_path), fake_measurer)
    measure, calls = counting()
    once_more = run_search(settings(tmp_path), measure)
    assert (calls.count, once_more.retried) == (0, ())
    assert once_more.evaluations == mended.evaluations
    stored = load_result(settings(tmp_path).storage, mended.study)
    assert {e.genome: e for e in stored.evaluations} == {e.genome: e for e in mended.evaluations}


def test_the_same_failure_is_stored_once(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_RAISE_ON", "2")
    first, again = (run_search(settings(tmp_path), fake_measurer) for _ in range(2))
    assert again.evaluations == first.evaluations
    assert len(again.retried) == first.count("failed") > 1
    study = optuna.load_study(storage=settings(tmp_path).storage, study_name=first.study)
    assert len(study.trials) == 40
    assert f"{len(again.retried)} that had failed, 0 with success" in summary(again)


def test_an_interrupted_retry_goes_on(whole, failing_first, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_search(settings(tmp_path), counting(3)[0])
    assert run_search(settings(tmp_path), fake_measurer).evaluations[:40] == whole.evaluations


def test_a_bug_of_a_platform_is_no_failed_candidate(monkeypatch):
    platform = open_platform("edgedrnn")
    measurer, configuration = fake_measurer.Measurer(), Configuration.uniform(WORKLOAD, 8)
    platforms = {"edgedrnn": platform}
    assert evaluate(configuration, measurer, platforms=platforms).status == "ok"
    screen = Screen(configuration, 20.0, (), ())
    monkeypatch.setattr(type(platform), "estimate", lambda *_: 1 / 0)
    for given in (None, screen):
        with pytest.raises(ZeroDivisionError):
            evaluate(configuration, measurer, platforms=platforms, screen=given)


def test_a_failing_sample_is_a_failed_candidate(monkeypatch):
    configuration = Configuration.uniform(WORKLOAD, 8)
    monkeypatch.setattr(fake_measurer.Measurer, "sample", lambda *_: 1 / 0)
    failed = evaluate(configuration, fake_measurer.Measurer(), screen=Screen(configuration, 20.0, (), ()))
    assert (failed.status, failed.reasons) == ("failed", ("ZeroDivisionError: division by zero",))
