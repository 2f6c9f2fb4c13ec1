"""Files of beacons: found by other studies, made again where they are gone or damaged, and the time that they took."""

import time

import pytest
from fake_task import FakeTask
from searches import WITH_BEACONS, epochs, scored, search

from dse.exploration import beacons
from dse.exploration.aside import measure_aside
from dse.study.references import uniform_configurations
from models.workload import MissingError

pytestmark = pytest.mark.usefixtures("cache")


def test_another_study_finds_what_was_retrained(tmp_path):
    first = search(tmp_path, **WITH_BEACONS)
    again = search(tmp_path, **WITH_BEACONS, study="another")
    assert len(epochs(tmp_path)) == 4 and 0 < again.beacons[0].seconds == first.beacons[0].seconds
    other = search(tmp_path, **{**WITH_BEACONS, "beacon_epochs": 1})
    assert len(epochs(tmp_path)) == 6 and other.name != again.name


def test_what_is_gone_from_the_cache_is_told_and_made_again(tmp_path, cache):
    whole = search(tmp_path, **WITH_BEACONS, study="whole")
    study = search(tmp_path, **WITH_BEACONS, evaluations=20)
    for path in (cache / "beacons").iterdir():
        path.unlink()
    point = next(e for e in study.evaluations if e.beacon is not None)
    with pytest.raises(MissingError, match=r"beacon 1 is gone from .*; the study's search command makes it again"):
        measure_aside(study, [whole.front[0].configuration], FakeTask(), beacon=point.beacon)
    assert scored(search(tmp_path, **WITH_BEACONS)) == scored(whole)


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_a_finished_search_makes_again_what_its_points_need(tmp_path, cache, harm):
    study = search(tmp_path, **WITH_BEACONS)
    point = next(point for point in study.front if point.beacon is not None)
    paths = sorted((cache / "beacons").glob("*.safetensors"))
    before = [path.read_bytes() for path in paths]
    assert len(paths) == len(study.beacons) == 2
    for path in paths:
        path.unlink() if harm == "gone" else path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(MissingError, match=r"is gone from .*, or damaged there; the study's search command"):
        measure_aside(study, uniform_configurations(study).values(), FakeTask(), beacon=point.beacon)
    assert scored(search(tmp_path, **WITH_BEACONS)) == scored(study)
    assert [path.read_bytes() for path in paths] == before
    assert len(epochs(tmp_path)) == 8  # four of them once more
    search(tmp_path, **WITH_BEACONS)
    assert len(epochs(tmp_path)) == 8


def test_where_a_beacon_becomes_another_a_finished_search_still_tells_its_front(tmp_path, cache, capsys, monkeypatch):
    study = search(tmp_path, **WITH_BEACONS)
    for path in (cache / "beacons").glob("*.safetensors"):
        path.unlink()

    def other(task, configuration, out, *_):
        out.write_text("what another processor makes")

    monkeypatch.setattr(beacons, "retrain_task", other)
    capsys.readouterr()
    assert scored(search(tmp_path, **WITH_BEACONS)) == scored(study)
    assert capsys.readouterr().err.count("retraining makes another network here: search anew, under another") == 2


def test_minutes_of_a_beacon_do_not_count_its_speech(tmp_path, monkeypatch):
    made = beacons.retrain_task

    def slow(*arguments):
        time.sleep(2)  # before the first line, while the corpus is made
        made(*arguments)

    monkeypatch.setattr(beacons, "retrain_task", slow)
    study = search(tmp_path, **WITH_BEACONS, evaluations=20)
    assert study.beacons and all(0 < beacon.seconds < 2 for beacon in study.beacons)
