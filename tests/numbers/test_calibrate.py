"""Calibrations are kept, read back whole, and made anew where what is kept is no good; shapes are the networks' own."""

import subprocess
import sys
from pathlib import Path

import pytest
from networks import SHIPPED_MODELS, SPECS

from dse.evaluator import calibrate
from dse.evaluator.task import NetworkTask
from models.quantization.calibration import Calibration
from models.registry import build_network
from models.workload import Configuration


@pytest.mark.parametrize("kind", SPECS)
def test_shapes_are_the_networks_own(kind):
    arrays = build_network(SPECS[kind]).arrays()
    assert SPECS[kind].shapes() == {name: array.shape for name, array in arrays.items()}


def same(one: Calibration, other: Calibration) -> bool:
    assert list(one.histograms) == list(other.histograms) and one.peaks == other.peaks
    pairs = [(one.histograms[name], other.histograms[name]) for name in one.histograms]
    return all(a.peak == b.peak and (a.counts == b.counts).all() for a, b in pairs)


@pytest.mark.parametrize("model", SHIPPED_MODELS)
def test_kept_ones_are_those_that_were_made(model, tmp_path, monkeypatch):
    monkeypatch.setattr(calibrate, "cache_dir", lambda: tmp_path)
    task = NetworkTask(model)
    calibration = task.open().engine.calibration
    (kept,) = (tmp_path / "calibrations").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(calibrate, "calibrate", lambda *arguments: pytest.fail("it is kept"))
        again = task.open().engine.calibration
    assert same(calibration, again)
    assert len({id(h) for h in again.histograms.values()}) < len(again.histograms) or model == "sru"
    for damage in (b"", b"PK\x03\x04", kept.read_bytes()[:5000]):
        kept.write_bytes(damage)
        assert same(task.open().engine.calibration, calibration)
        assert len(kept.read_bytes()) > 5000  # made anew


def test_where_nothing_can_be_kept_it_is_made_each_time(tmp_path, monkeypatch):
    (tmp_path / "calibrations").write_text("a file where the folder would be")
    monkeypatch.setattr(calibrate, "cache_dir", lambda: tmp_path)
    assert NetworkTask("sru").open().engine.calibration.peaks


def test_a_measurement_on_the_cpu_needs_no_torch():
    """Loading it takes longer than two evaluations."""
    NetworkTask("ligru").open()
    script = """
import sys
from dse.evaluator.task import NetworkTask
from models.workload import Configuration
measurer = NetworkTask("ligru").open()
measurer.measure(Configuration.uniform(measurer.workload, 8))
print("torch" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert run.stdout == "False\n", run.stderr


def test_float_runs_after_torch_was_spared():
    measurer = NetworkTask("lstm").open()
    measurer.split = measurer.split.take(range(4))
    assert measurer.measure(Configuration.uniform(measurer.workload, 32)).error_percent < 50
