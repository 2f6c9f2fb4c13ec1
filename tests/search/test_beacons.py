"""Beacons: what is retrained and whose weights score a candidate; the same study however it is run."""

import json
import math
import re
import signal
import time
from pathlib import Path

import pytest
from fake_task import FakeMeasurer, FakeTask, answer, counting
from searches import WITH_BEACONS, epochs, scored, search, settings, start

from dse.exploration.aside import measure_aside
from dse.exploration.final import spend
from dse.exploration.run import run_search
from dse.reports.choice import one_more_bit, widened
from dse.reports.sensitivity import measure_moves
from dse.study.references import measured, uniform_configurations
from dse.study.result import load_study
from dse.study.store import find_study
from models.workload import InputError

ARGV = ["--evaluations", "40", "--population", "12", "--objectives", "error,size", "--beacons", "3"]
ARGV += ["--beacon-epochs", "2"]
pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beacons")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSE_CACHE_DIR", str(folder / "cache"))
        return search(folder, **WITH_BEACONS)


def of_weights(study, evaluation):
    """What the weights that an evaluation names give at its configuration."""
    beacon = None if evaluation.beacon is None else study.beacons[evaluation.beacon - 1].configuration
    return answer(evaluation.configuration, beacon)[0]


def test_the_rule_by_brute_force(whole):
    """As the docstring of the rule says it, from base errors alone: 3 of 4 matvecs' 4 widths are 9 steps, 12 in all."""
    far = 5 / 24 * 4 * 3
    baseline = whole.baseline.metrics["error_percent"]
    steps = {2: 0, 4: 1, 8: 2, 16: 3}
    weights = {e.genome: [steps[s.operand_bits[0]] for _, s in e.configuration] for e in whole.evaluations}
    beacons, seen = [], []
    for evaluation in whole.evaluations:
        mine, base = weights[evaluation.genome], answer(evaluation.configuration)[0]
        size, points = evaluation.metrics["size_mib"], base - baseline
        gaps = [sum(abs(a - b) for a, b in zip(mine, other, strict=True)) for other in ([3, 3, 3, 3], *beacons)]
        beaten = any(error <= base and other <= size for error, other in seen)
        if 2 <= points <= 14 and min(gaps) > far and not beaten and len(beacons) < 3:
            beacons.append(mine)
            gaps.append(0)
        seen.append((base, size))
        nearest = gaps.index(min(gaps)) if points > 0 else 0
        by_beacon = math.inf
        if nearest:
            by_beacon = answer(evaluation.configuration, whole.beacons[nearest - 1].configuration)[0]
        assert evaluation.beacon == (nearest if by_beacon < base else None)
        assert evaluation.metrics["error_percent"] == pytest.approx(min(base, by_beacon), abs=1e-5)
    assert [[steps[s.operand_bits[0]] for _, s in b.configuration] for b in whole.beacons] == beacons
    assert len(beacons) == 2


def test_errors_are_never_above_the_base_networks(whole):
    with_beacon = [e for e in whole.evaluations if e.beacon is not None]
    assert len(with_beacon) > 5
    for evaluation in whole.evaluations:
        assert evaluation.metrics["error_percent"] <= answer(evaluation.configuration)[0] + 1e-5
        assert evaluation.metrics["error_percent"] == pytest.approx(of_weights(whole, evaluation), abs=1e-5)
    for evaluation in with_beacon:
        assert evaluation.base["error_percent"] == pytest.approx(answer(evaluation.configuration)[0], abs=1e-5)
        assert evaluation.metrics["error_percent"] < evaluation.base["error_percent"]


def test_it_finds_what_no_search_without_finds(whole, tmp_path):
    without = search(tmp_path, objectives=("error", "size"))
    assert "beacons" not in without.identity and whole.identity["beacons"] == {"most": 3, "epochs": 2}
    assert not without.beacons and all(e.beacon is None for e in without.evaluations)
    assert whole.hypervolume() > without.hypervolume()


def test_limits_on_the_error_are_judged_after_the_beacon(tmp_path):
    study = search(tmp_path, **WITH_BEACONS, limits=("error=+4",))
    made_feasible = [e for e in study.evaluations if e.status == "ok" and e.base.get("error_percent", 0) > 19.1]
    assert made_feasible
    broken = search(tmp_path, **WITH_BEACONS, limits=("size=0.004", "error=+10"), study="small")
    assert all(e.beacon is None for e in broken.evaluations if e.metrics["size_mib"] > 0.004)


def test_any_number_of_workers_gives_the_same_study(whole, tmp_path):
    assert scored(search(tmp_path, **WITH_BEACONS, workers=2)) == scored(whole)


@pytest.mark.parametrize("stop_at", [5, 30, 45])
def test_interrupted_and_resumed_is_as_uninterrupted(whole, tmp_path, stop_at):
    with pytest.raises(KeyboardInterrupt):
        run_search(settings(tmp_path, task=counting(stop_at)[0], **WITH_BEACONS))
    assert scored(search(tmp_path, **WITH_BEACONS)) == scored(whole)
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == len(set(lines)) and len(epochs(tmp_path)) == 4  # nothing ran twice


@pytest.mark.parametrize(("how", "lines"), [(signal.SIGKILL, 1), (signal.SIGINT, 3), (signal.SIGKILL, 2)])
def test_killed_while_it_retrains(whole, tmp_path, monkeypatch, how, lines):
    process = start(tmp_path, [*ARGV, "--workers", "1"], FAKE_EPOCH_SECONDS="0.4")
    deadline = time.monotonic() + 30
    while not (tmp_path / "log").exists() or len(epochs(tmp_path)) < lines:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(how)
    process.communicate(timeout=20)
    done = len(epochs(tmp_path))
    assert lines <= done < 4
    resumed = search(tmp_path, **WITH_BEACONS, storage=f"sqlite:///{tmp_path}/studies/dse.db")
    assert scored(resumed) == scored(whole)
    assert len(epochs(tmp_path)) == len(set(epochs(tmp_path))) == 4


def test_more_evaluations_go_on_with_the_same_beacons(whole, tmp_path):
    search(tmp_path, **WITH_BEACONS, evaluations=17)
    assert scored(search(tmp_path, **WITH_BEACONS)) == scored(whole)
    assert len(epochs(tmp_path)) == 4


def test_an_evaluation_that_fails_by_its_beacon_is_tried_again(whole, tmp_path, monkeypatch):
    measure = FakeMeasurer.measure

    def breaks(self, configuration):
        if self.beacon is not None:
            raise RuntimeError("the beacon broke")
        return measure(self, configuration)

    with monkeypatch.context() as patch:
        patch.setattr(FakeMeasurer, "measure", breaks)
        broken = search(tmp_path, **WITH_BEACONS, evaluations=12)
    assert broken.count("failed") and all("the beacon broke" in e.reasons[0] for e in broken.evaluations if e.reasons)
    mended = search(tmp_path, **WITH_BEACONS)
    assert scored(mended) == scored(whole) and len(mended.retried) == broken.count("failed")
    assert len(epochs(tmp_path)) == 4


def test_whoever_measures_beside_a_point_takes_the_weights_that_scored_it(tmp_path):
    study = search(tmp_path, **WITH_BEACONS)
    point = next(point for point in study.front if point.beacon is not None)
    weights = study.beacons[point.beacon - 1].configuration
    table = one_more_bit(study, point, FakeTask())
    wider = dict(widened(study, point))
    stored = measured(load_study(study.name, study.storage), point.beacon)
    for name, configuration in wider.items():
        error = answer(configuration, weights)[0]
        assert stored[configuration].metrics["error_percent"] == pytest.approx(error, abs=1e-5)
        change = stored[configuration].metrics["error_percent"] - point.metrics["error_percent"]
        assert re.search(rf"^{re.escape(name)} +{re.escape(f'{change:+.2f}')}", table, re.MULTILINE)
    for move, evaluation in measure_moves(load_study(study.name, study.storage), point, FakeTask()).items():
        error = answer(move.configuration, weights)[0]
        assert evaluation.metrics["error_percent"] == pytest.approx(error, abs=1e-5)
    uniform = measure_aside(study, uniform_configurations(study).values(), FakeTask())
    assert all(e.metrics["error_percent"] == pytest.approx(answer(c)[0], abs=1e-5) for c, e in uniform.items())


@pytest.mark.parametrize("workers", [1, 2])
def test_the_test_split_is_scored_by_the_same_weights(tmp_path, workers):
    study = spend(search(tmp_path, **WITH_BEACONS), FakeTask(), workers)
    assert any(point.beacon for point in study.front)
    for point in study.front:  # the fake has one split
        assert point.metrics["test_error_percent"] == point.metrics["error_percent"]


def test_records_are_read_both_ways(whole, tmp_path):
    """An earlier version keeps what it does not know; what it wrote has no beacon."""
    store = find_study(whole.storage, whole.name)
    point = next(e for e in store.evaluations.values() if e.beacon is not None)
    record = point.to_json()
    assert record["scored_by"] == {"beacon": point.beacon, "base": point.base}
    assert type(point).from_json(json.loads(json.dumps(record))) == point
    del record["scored_by"]
    before = type(point).from_json(record)
    assert (before.beacon, before.base) == (None, {}) and before.to_json() == record


@pytest.mark.parametrize("bad", [{"beacon": 0, "base": {}}, {"beacon": "1", "base": {}}, {"beacon": 1}, 3])
def test_a_record_that_cannot_be_read_is_told(whole, bad):
    record = {**whole.evaluations[0].to_json(), "scored_by": bad}
    with pytest.raises(InputError, match="scored_by"):
        type(whole.evaluations[0]).from_json(record)


def test_the_command_shows_beacons(cli, tmp_path):
    status, out, err = cli("search", *ARGV, "--workers", "1", "--study", "s", "--storage", f"sqlite:///{tmp_path}/s.db")
    assert status == 0, err
    study = load_study("s", f"sqlite:///{tmp_path}/s.db")
    assert "2 beacons, retrained in 0.0 minutes, scored" in out
    assert "beacon 1 of at most 3: retraining a candidate, epochs: 2" in err and "epoch 2/2" in err
    assert re.search(r"#.* beacon ", out)
    header, *rows = Path("studies/s/front.csv").read_text().splitlines()
    place = header.split(",").index("beacon")
    assert [row.split(",")[place] for row in rows] == [str(point.beacon or "") for point in study.front]
    assert header.split(",")[place + 1] == "base_error_percent"
    front = json.loads(Path("studies/s/front.json").read_text())
    assert [b["checkpoint"] for b in front["beacons"]] == [beacon.checkpoint for beacon in study.beacons]
    assert "beacons = 3\nbeacon_epochs = 2" in Path("studies/s/settings.toml").read_text()
    page = Path("studies/s/report.html").read_text(encoding="utf-8")
    assert "weights of %{customdata" in page and "--beacons 3 --beacon-epochs 2" in page
    status, out, _ = cli("search", "--dry-run", *ARGV)
    assert status == 0 and "at most 3 beacons of 2 epochs each, more than 2.5 steps apart" in out


def test_beacons_and_a_cluster_exclude_one_another(cli):
    status, _, err = cli("search", *ARGV, "--cluster", "tcp://nowhere:1")
    assert (status, err.count("\n")) == (2, 1) and "beacons are retrained on this machine" in err
