"""A search goes on from the stored state of its searcher, without asking again, as if it had asked."""

import json
import sqlite3
from dataclasses import replace

import pytest
from fake_task import FakeTask, counting
from searches import points, search, settings

from dse.exploration.recall import last_asked
from dse.exploration.run import run_search
from dse.searchers import Stateful
from dse.searchers.surrogate import Surrogate
from dse.study.store import find_study


@pytest.fixture
def generations(monkeypatch):
    """How many genomes the searcher is asked for, each time."""
    asked = []
    ask = Surrogate.ask

    def counted(self, n):
        asked.append(n)
        return ask(self, n)

    monkeypatch.setattr(Surrogate, "ask", counted)
    return asked


def test_a_finished_search_asks_nothing_again(whole, tmp_path, generations):
    first = search(tmp_path, evaluations=39)  # 12, and 9 times 3
    assert len(generations) == 10
    generations.clear()
    again = search(tmp_path, evaluations=39)
    assert generations == []
    assert again.evaluations == first.evaluations
    assert points(search(tmp_path)) == points(whole)
    assert generations == [3]
    assert points(search(tmp_path)) == points(whole)  # the last generation fitted in part
    assert generations == [3]
    assert search(tmp_path, evaluations=50).evaluations[:40] == whole.evaluations
    assert generations[1] == 3


@pytest.mark.parametrize("stop_at", [14, 17, 20])
def test_a_generation_that_was_cut_is_asked_again(whole, tmp_path, generations, stop_at):
    with pytest.raises(KeyboardInterrupt):
        run_search(settings(tmp_path, task=counting(stop_at)[0]))
    generations.clear()
    assert points(search(tmp_path)) == points(whole)
    assert len(generations) == (40 - 12) // 3 + 1 - (stop_at - 12) // 3


def test_fewer_evaluations_than_the_searcher_has_asked_are_those_of_a_shorter_search(tmp_path):
    search(tmp_path / "long", evaluations=39)
    (tmp_path / "short").mkdir()
    shorter = search(tmp_path / "short", evaluations=20)
    assert search(tmp_path / "long", evaluations=20).evaluations[:20] == shorter.evaluations


def harm(database, change):
    with sqlite3.connect(database) as connection:
        ((text,),) = connection.execute("SELECT value_json FROM study_user_attributes WHERE key = 'searcher'")
        harmed = json.dumps(change(json.loads(text)))
        connection.execute("UPDATE study_user_attributes SET value_json = ? WHERE key = 'searcher'", (harmed,))


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: None,
        lambda stored: {**stored, "asked": "many"},
        lambda stored: {**stored, "asked": stored["asked"] - 3},
        lambda stored: {**stored, "asked": -3},
        lambda stored: {**stored, "state": {**stored["state"], "state": {"state": 1, "inc": 3}}},
        lambda stored: {"asked": 0},
    ],
)
def test_a_state_that_is_not_what_was_stored_is_passed_over(whole, tmp_path, generations, change):
    search(tmp_path, evaluations=30)
    harm(tmp_path / "dse.db", change)
    generations.clear()
    assert points(search(tmp_path)) == points(whole)
    assert generations[0] == 12  # from the beginning


def test_after_a_failure_is_mended_the_search_is_asked_anew(whole, tmp_path, generations, monkeypatch):
    monkeypatch.setenv("FAKE_RAISE_ON", "2")
    search(tmp_path)
    monkeypatch.delenv("FAKE_RAISE_ON")
    generations.clear()
    mended = search(tmp_path)
    assert generations[0] == 12
    assert not any(e.status == "failed" for e in mended.evaluations[:40])  # others were bred from failures
    assert points(mended) == points(search(tmp_path))


def test_where_a_searcher_has_no_state_nothing_is_stored(tmp_path):
    given = settings(tmp_path, searcher="random", study="s", task=FakeTask())
    run_search(given)
    assert find_study(given.storage, "s").searcher is None
    assert issubclass(Surrogate, Stateful)


def test_a_last_generation_with_a_failure_is_asked_again(tmp_path):
    given = settings(tmp_path, study="s")
    run_search(given)
    store = find_study(given.storage, "s")
    asked = sorted(store.asked, key=store.asked.__getitem__)
    assert last_asked(store, asked[:39], 40) == asked[39:]
    assert last_asked(store, asked[:39], 41) == last_asked(store, [], 40) == []
    store.evaluations[asked[39]] = replace(store.evaluations[asked[39]], status="failed")
    assert last_asked(store, asked[:39], 40) == []
