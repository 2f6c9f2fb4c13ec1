import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import optuna
import pytest
import sqlalchemy
from fake_task import WORKLOAD, FakeMeasurer

from dse.design.evaluation import failed
from dse.design.genes import search_space
from dse.design.limits import Limit
from dse.design.objective import objectives_named
from dse.design.pareto import front
from dse.evaluator.evaluate import evaluate
from dse.searchers import draw_new
from dse.study.differences import differences
from dse.study.storage import hide_password
from dse.study.store import StoreError, find_study, open_study

SPACE = search_space(WORKLOAD)
OBJECTIVES = objectives_named(["error", "ops"])
NAMES = {"model": "sru", "preset": "edge", "corpus": "synthetic", "content": {"checkpoint": "x"}}
IDENTITY = NAMES | {
    "objectives": ["error", "ops"],
    "limits": ["size=0.015"],
    "seed": 1,
    "genes": {gene.name: list(gene.choices) for gene in SPACE.genes},
}
LIMITS = (Limit("size", 0.015), Limit("error", 21.0))


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/made/as/needed/dse.db"


def some_evaluations(n=30):
    measurer = FakeMeasurer()
    genomes = draw_new(SPACE, np.random.default_rng(0), set(), n)
    made = [evaluate(SPACE.decode(genome), measurer, LIMITS, genome) for genome in genomes]
    broken = (0, 1) * (len(SPACE.genes) // 2)
    return [*made, failed(SPACE.decode(broken), "RuntimeError: broke", broken, {"size_mib": 0.01})]


def test_what_is_stored_comes_back(url):
    evaluations = some_evaluations()
    assert {e.status for e in evaluations} == {"ok", "infeasible", "failed"}
    store = open_study(url, "s", IDENTITY, OBJECTIVES)
    store.set_baseline(evaluations[0])
    for evaluation in evaluations:
        store.add(evaluation, SPACE)
    for again in (open_study(url, "s", IDENTITY, OBJECTIVES), find_study(url, "s")):
        assert list(again.evaluations.values()) == evaluations
        assert again.baseline == evaluations[0]
        assert again.identity == IDENTITY
        assert again.objectives == OBJECTIVES


def test_optuna_sees_readable_trials_and_the_same_front(url):
    evaluations = some_evaluations()
    store = open_study(url, "s", IDENTITY, OBJECTIVES)
    for evaluation in evaluations:
        store.add(evaluation, SPACE)
    study = optuna.load_study(storage=url, study_name="s")
    assert study.directions == [optuna.study.StudyDirection.MINIMIZE, optuna.study.StudyDirection.MAXIMIZE]
    best = {tuple(trial.values) for trial in study.best_trials}
    assert best == {
        (e.metrics["error_percent"], e.metrics["eliminated_percent"]) for e in front(evaluations, OBJECTIVES)
    }
    for trial, evaluation in zip(study.trials, evaluations, strict=True):
        assert trial.params == SPACE.values(evaluation.genome)
        expected = "COMPLETE" if evaluation.measured else {"infeasible": "PRUNED", "failed": "FAIL"}[evaluation.status]
        assert trial.state.name == expected
        assert trial.user_attrs["size_mib"] == evaluation.metrics["size_mib"]
        assert trial.user_attrs["reasons"] == list(evaluation.reasons)


def test_other_settings_are_refused_field_by_field(url):
    mine = {**IDENTITY, "genes": {"a": [2, 4], "b": [8]}}
    open_study(url, "s", mine, OBJECTIVES)
    other = {**IDENTITY, "seed": 2, "limits": [], "genes": {"a": [2, 4, 8], "b": [8]}}
    with pytest.raises(StoreError) as caught:
        open_study(url, "s", other, OBJECTIVES)
    message = str(caught.value)
    assert "limits: stored size=0.015, now none; seed: stored 1, now 2; genes.a: stored 2,4, now 2,4,8" in message
    assert "objectives" not in message


def test_differences_of_long_texts_are_short_and_show_where_they_part():
    long = "the same words, " * 60
    (told,) = differences({"notes": f"{long}one{long}"}, {"notes": f"{long}other{long}"})
    assert len(told) < 220 and "one" in told and "other" in told
    assert differences({"a": "x" * 500}, {}) == [f"a: stored {'x' * 80}…, now none"]


def test_differences_name_missing_fields():
    assert differences({"a": 1, "b": {"c": "x"}}, {"b": {"c": "y"}, "d": 2}) == [
        "a: stored 1, now none",
        "b.c: stored x, now y",
        "d: stored none, now 2",
    ]


def test_full_disk_keeps_what_is_stored(url, monkeypatch):
    monkeypatch.setattr("optuna.storages._rdb.storage.time.sleep", lambda seconds: None)  # optuna waits and tries again
    evaluations = some_evaluations(60)
    store = open_study(url, "s", IDENTITY, OBJECTIVES)
    for evaluation in evaluations[:10]:
        store.add(evaluation, SPACE)

    def no_more_pages(connection, _):
        connection.execute("PRAGMA max_page_count = 1")  # SQLite then stays at its present size: a full disk

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", no_more_pages)
    try:
        full = open_study(url, "s", IDENTITY, OBJECTIVES)
        with pytest.raises(StoreError, match=r"database or disk is full; the \d+ evaluations stored before are safe"):
            for evaluation in evaluations[10:]:
                full.add(evaluation, SPACE)
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", no_more_pages)
    kept = list(find_study(url, "s").evaluations.values())
    assert kept[:10] == evaluations[:10]
    assert kept == evaluations[: len(kept)]


def removed(path):
    path.unlink()


def replaced(path):
    path.unlink()
    open_study(f"sqlite:///{path}", "s", IDENTITY, OBJECTIVES)


def study_deleted(path):
    optuna.delete_study(study_name="s", storage=f"sqlite:///{path}")


def truncated(path):
    os.truncate(path, 40960)


def rows_deleted(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM trials WHERE trial_id > 5")
        connection.commit()


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (removed, "cannot be read: no storage at"),
        (replaced, "0 are left"),
        (study_deleted, "cannot be read: no study 's'"),
        (truncated, "cannot be read: .* malformed"),
        (rows_deleted, "5 are left"),
    ],
)
def test_only_what_can_be_read_again_is_called_safe(url, harm, told, monkeypatch):
    monkeypatch.setattr("optuna.storages._rdb.storage.time.sleep", lambda seconds: None)
    evaluations = some_evaluations(12)
    store = open_study(url, "s", IDENTITY, OBJECTIVES)
    for evaluation in evaluations[:10]:
        store.add(evaluation, SPACE)
    harm(Path(url.removeprefix("sqlite:///")))
    with pytest.raises(
        StoreError, match=rf"cannot write to .*; (of )?the 10 evaluations stored before {told}"
    ) as caught:
        store.add(evaluations[10], SPACE)
    assert "safe" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_study_of_someone_else_is_refused(url, tmp_path):
    open_study(url, "s", IDENTITY, OBJECTIVES)
    foreign = optuna.create_study(storage=url, study_name="theirs")
    foreign.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(StoreError, match=r"'theirs' .* not made by dse"):
        open_study(url, "theirs", IDENTITY, OBJECTIVES)


def test_missing_studies_list_the_ones_there(url, tmp_path):
    open_study(url, "mine", IDENTITY, OBJECTIVES)
    with pytest.raises(StoreError, match=r"no study 'yours' in .*; there are mine"):
        find_study(url, "yours")
    with pytest.raises(StoreError, match="no storage at"):
        find_study(f"sqlite:///{tmp_path}/none.db", "mine")
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("bad", ["nonsense", "oracle+nothing://x", "sqlite:///{}/file/dse.db", "sqlite:///{}/file"])
def test_bad_storages_are_one_line(tmp_path, bad):
    (tmp_path / "file").write_text("this is no database, " * 100)
    with pytest.raises(StoreError, match="cannot") as caught:
        open_study(bad.format(tmp_path), "s", IDENTITY, OBJECTIVES)
    assert "\n" not in str(caught.value)


def test_a_missing_driver_is_one_line_without_the_password(monkeypatch):
    for module in ("psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, module, None)
    needs = r"postgresql://me:\*\*\*@host/db needs the package psycopg2?: pip install 'psycopg(2-|\[)binary\]?'$"
    with pytest.raises(StoreError, match=needs):
        open_study("postgresql://me:se:cr@t@host/db", "s", IDENTITY, OBJECTIVES)


@pytest.mark.parametrize("url", ["sqlite:///studies/a:b@c.db", "postgresql://me@host:5432/db", "nonsense"])
def test_addresses_without_a_password_are_told_as_they_are(url):
    assert hide_password(url) == url


@pytest.mark.parametrize(
    "url", ["postgresql://me:se:cr@t@host/db", "postgresql:///db?user=me&password=se:cr@t", "m://h/d?password=cr@t&a=b"]
)
def test_passwords_are_hidden_wherever_they_stand(url):
    assert "***" in hide_password(url)
    assert "cr@t" not in hide_password(url)


def test_a_damaged_record_is_one_line(url):
    store = open_study(url, "s", IDENTITY, OBJECTIVES)
    store.add(some_evaluations(1)[0], SPACE)
    path = Path(url.removeprefix("sqlite:///"))
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(StoreError, match="malformed"):
        find_study(url, "s")
