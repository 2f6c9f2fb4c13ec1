"""Beacons of a real network: what a beacon scored is exported, tested and retrained by its weights."""

import re
from pathlib import Path

import pytest
from tiny_retraining import TinyCorpus, base

import dse
from dse import export, retrain
from dse.evaluator.task import NetworkTask
from dse.exploration.final import spend
from dse.exporters.bundle import open_bundle
from dse.exporters.replay import verify
from dse.study.task import task_of
from models.checkpoint import content_hash, read_card
from models.workload import InputError

GIVEN = {"weight_bits": (2, 3), "activation_bits": (8,), "evaluations": 14, "population": 8, "workers": 1}


@pytest.fixture(autouse=True)
def on_the_tiny_corpus(monkeypatch, folder):
    monkeypatch.setattr(NetworkTask, "open_corpus", lambda task: TinyCorpus())
    for module in ("exploration.beacons", "study.beacon"):
        monkeypatch.setattr(f"dse.{module}.beacons_folder", lambda: folder / "beacons")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture
def study(folder, monkeypatch):
    """The same search each time, which runs once."""
    net = folder / "sru.safetensors"
    net = net if net.exists() else base(folder, "sru")
    given = {**GIVEN, "checkpoint": str(net), "beacons": 2, "beacon_epochs": 2, "limits": ("error=+30",)}
    return dse.run_search(**given, storage=f"sqlite:///{folder}/dse.db", study="s")


@pytest.fixture
def point(study):
    return next(point for point in study.front if point.beacon is not None)


def test_a_candidates_error_is_the_least_of_two_measured_ones(study):
    task = task_of(study)
    measurers = [task.open(), *(task.at(beacon.path).open() for beacon in study.beacons)]
    assert study.beacons and any(e.beacon for e in study.evaluations)
    for evaluation in (e for e in study.evaluations if e.measured):
        first, *rest = (measurer.measure(evaluation.configuration).error_percent for measurer in measurers)
        found = [first, *rest][evaluation.beacon or 0]
        assert evaluation.metrics["error_percent"] == found <= first
        assert evaluation.base.get("error_percent", found) == first


def test_a_beacon_is_the_retrained_network(study, folder):
    for beacon in study.beacons:
        _, card = read_card(Path(beacon.path))
        assert content_hash(Path(beacon.path)) == beacon.checkpoint
        assert card["retrained"]["configuration"] == beacon.configuration.to_json()
        (own,) = (e for e in study.evaluations if e.configuration == beacon.configuration)
        assert card["retrained"]["after"]["validation_error_percent"] == own.metrics["error_percent"]
        assert beacon.seconds > 0


def test_its_weights_are_exported(study, point, tmp_path):
    number = study.front.number(point)
    argv = ["--study", "s", "--storage", study.storage, "--number", str(number), "--to", str(tmp_path / "out")]
    assert export.main([*argv, "--utterances", "2"]) == 0
    bundle = open_bundle(tmp_path / "out")
    checkpoint = study.beacons[point.beacon - 1].checkpoint
    assert bundle.record["study"]["beacon"]["checkpoint"] == checkpoint
    assert f"of beacon {point.beacon}, retrained at" in (tmp_path / "out/card.md").read_text()
    assert [check.equal for check in verify(bundle, [])] == [True]


def test_the_test_split_is_scored_by_them(study, point):
    spent = spend(study, task_of(study))
    task = task_of(study)
    measurer = task.at(study.beacons[point.beacon - 1].path).open("test")
    found = spent.front[study.front.number(point) - 1].metrics["test_error_percent"]
    assert found == measurer.measure(point.configuration).error_percent


def test_a_point_is_retrained_from_them(study, point, tmp_path, capsys):
    number, out = study.front.number(point), tmp_path / "again.safetensors"
    argv = ["--study", "s", "--storage", study.storage, "--number", str(number), "--out", str(out), "--epochs", "1"]
    assert retrain.main(argv) == 0
    _, card = read_card(out)
    assert card["retrained"]["checkpoint"] == study.beacons[point.beacon - 1].checkpoint
    assert card["retrained"]["before"]["validation_error_percent"] == point.metrics["error_percent"]
    assert "--beacons" not in capsys.readouterr().out


def test_a_beacon_that_was_changed_is_refused(study, point, folder, tmp_path):
    path = Path(study.beacons[point.beacon - 1].path)
    kept = path.read_bytes()
    path.write_bytes(kept[:-1] + b"x")
    try:
        with pytest.raises(InputError, match=re.escape(f"beacon {point.beacon} is gone from {path}")):
            study.export(point, tmp_path / "out")
    finally:
        path.write_bytes(kept)
