"""Two searches at once: each evaluation once, no study of two minds, no half-made database."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from searches import start, wait_for_evaluations

from dse.study.locks import locked
from dse.study.result import load_study

ARGV = ("--population", "12", "--workers", "1", "--objectives", "error,size,ops")
WAITING = "study s is being searched by another process; waiting until it ends\n"


def ended(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def trials(folder):
    with closing(sqlite3.connect(folder / "studies/dse.db")) as connection:
        return connection.execute("SELECT COUNT(*) FROM trials").fetchone()[0]


def test_searches_that_make_one_database_at_once_all_end_well(tmp_path):
    argv = [*ARGV, "--evaluations", "4", "--population", "4"]
    searches = [start(tmp_path, [*argv, "--seed", str(seed)]) for seed in (1, 2, 3)]
    assert [ended(search)[::2] for search in searches] == [(0, "")] * 3
    assert trials(tmp_path) == 12


def test_the_later_of_two_searches_of_one_study_waits_and_does_nothing_twice(tmp_path):
    argv = [*ARGV, "--evaluations", "30", "--study", "s"]
    first = start(tmp_path, argv, FAKE_SECONDS="0.05")
    wait_for_evaluations(first, tmp_path / "studies/dse.db", 3)
    later = start(tmp_path, argv, FAKE_SECONDS="0.05")
    (status, table, told), (later_status, later_table, later_told) = ended(first), ended(later)
    assert (status, told, later_status) == (0, "", 0)
    assert later_told == WAITING
    assert later_table == table
    assert trials(tmp_path) == 30


def test_whoever_waits_takes_over_from_a_search_that_is_killed(whole, tmp_path):
    argv = [*ARGV, "--evaluations", "40", "--study", "s"]
    first = start(tmp_path, argv, FAKE_SECONDS="0.05")
    wait_for_evaluations(first, tmp_path / "studies/dse.db", 3)
    later = start(tmp_path, argv)
    assert "waiting" in later.stderr.readline()
    first.kill()
    first.communicate()
    assert ended(later)[0] == 0
    assert trials(tmp_path) == 40
    front = load_study("s", f"sqlite:///{tmp_path}/studies/dse.db").front
    assert [e.metrics for e in front] == [e.metrics for e in whole.front]


def test_of_two_seeds_under_one_name_the_later_is_refused(tmp_path):
    argv = [*ARGV, "--evaluations", "20", "--study", "s"]
    searches = [start(tmp_path, [*argv, "--seed", seed], FAKE_SECONDS="0.05") for seed in ("1", "2")]
    (won, won_told), (lost, lost_told) = sorted(ended(search)[::2] for search in searches)
    assert (won, lost) == (0, 2)
    # The search that makes the study need not be the one that holds the lock: it may have waited until that one ended.
    assert won_told in ("", WAITING)
    refusal = lost_told.removeprefix(WAITING)
    assert "made with other settings: seed: stored" in refusal and refusal.count("\n") == 1
    assert trials(tmp_path) == 20


def test_an_address_of_sqlites_own_has_the_lock_of_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain, own = f"sqlite:///{tmp_path}/a b.db", f"sqlite:///file:{tmp_path}/a%20b.db?mode=ro&uri=true"
    waiting = threading.Event()

    def later():
        with locked(plain, "search", waiting.set):
            pass

    with ThreadPoolExecutor(1) as pool:
        with locked(own, "search"):
            made = pool.submit(later)
            assert waiting.wait(10) and not made.done()
        made.result(10)
    assert [path.parent for path in tmp_path.rglob("*.lock")] == [tmp_path]
