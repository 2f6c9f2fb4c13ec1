"""Calibrations are kept, read back whole, and made anew where what is kept is no good; shapes are the networks' own."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from networks import LENGTHS, SHIPPED_MODELS, SPECS, features_of, offsets_of, trained

from dse.evaluator import calibrate
from dse.evaluator.task import NetworkTask
from models.calibrate import calibrate as calibrate_network
from models.engines.network_quantizer import NetworkQuantizer
from models.quantization.calibration import Calibration
from models.quantization.scheme import PAPERS, Scheme
from models.registry import build_network
from models.workload import Configuration, InputError


@pytest.mark.parametrize("kind", SPECS)
def test_shapes_are_the_networks_own(kind):
    arrays = build_network(SPECS[kind]).arrays()
    assert SPECS[kind].shapes() == {name: array.shape for name, array in arrays.items()}


def same(one: Calibration, other: Calibration) -> bool:
    assert list(one.vectors) == list(other.vectors) and one.peaks == other.peaks
    pairs = [(one.vectors[name], other.vectors[name]) for name in one.vectors]
    return all((a.counts == b.counts).all() and (a.moments == b.moments).all() for a, b in pairs)


@pytest.mark.parametrize("model", SHIPPED_MODELS)
def test_kept_ones_are_those_that_were_made(model, tmp_path, monkeypatch):
    monkeypatch.setattr(calibrate, "cache_dir", lambda: tmp_path)
    task = NetworkTask(model)
    calibration = task.open().engine.calibration
    (kept,) = (tmp_path / "calibrations").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr("models.calibrate.calibrate", lambda *arguments: pytest.fail("it is kept"))
        again = task.open().engine.calibration
    assert same(calibration, again)
    assert len({id(vector) for vector in again.vectors.values()}) < len(again.vectors) or model == "sru"
    assert kept.stat().st_size > 5000


def test_a_damaged_one_is_made_anew(tmp_path, monkeypatch):
    """On one network; how it is kept has nothing to do with which."""
    monkeypatch.setattr(calibrate, "cache_dir", lambda: tmp_path)
    task = NetworkTask("ligru")
    calibration = task.open().engine.calibration
    (kept,) = (tmp_path / "calibrations").iterdir()
    whole = kept.read_bytes()
    for damage in (b"", b"PK\x03\x04", whole[:5000]):
        kept.write_bytes(damage)
        assert same(task.open().engine.calibration, calibration)
        assert len(kept.read_bytes()) == len(whole)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["sru", "lstm", "gru", "ligru"])
def test_a_network_whose_values_are_not_finite_is_refused(kind, bad):
    spec = SPECS[kind]
    weights, _ = trained(spec)
    weights["output_bias"][0] = bad
    with pytest.raises(InputError, match="needs a finite peak"):
        calibrate_network(spec, weights, features_of(spec, LENGTHS), offsets_of(LENGTHS))


def test_where_nothing_can_be_kept_it_is_made_each_time(tmp_path, monkeypatch):
    (tmp_path / "calibrations").write_text("a file where the folder would be")
    monkeypatch.setattr(calibrate, "cache_dir", lambda: tmp_path)
    assert NetworkTask("sru").open().engine.calibration.peaks


def test_of_several_that_want_the_same_one_makes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(calibrate, "cache_dir", lambda: tmp_path)
    made = []

    def make():
        made.append(1)
        time.sleep(0.2)
        return {"x": np.arange(3)}

    def get(_):
        return calibrate._kept(tmp_path / "things" / "a.npz", make, dict, dict)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(get, range(4)))
    assert len(made) == 1 and all((each["x"] == np.arange(3)).all() for each in found)


@pytest.mark.parametrize("scheme", [Scheme(), PAPERS], ids=str)
def test_matrices_are_kept_by_scheme_and_width(scheme, tmp_path, monkeypatch):
    monkeypatch.setattr(calibrate, "cache_dir", lambda: tmp_path)
    task = NetworkTask("ligru", rounding=scheme.rounding, scales=scheme.scales, zero_points=scheme.zero_points)
    quantizer = task.open().engine.quantizer
    assert quantizer.scheme == scheme
    made = {bits: quantizer.width(bits).matrices["l1.candidate"] for bits in (2, 16)}
    (kept,) = (tmp_path / "widths").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(NetworkQuantizer, "_make_width", lambda *arguments: pytest.fail("it is kept"))
        again = task.open().engine.quantizer.width(2)
    for one, other in (
        (made[2], again.matrices["l1.candidate"]),
        (made[2], quantizer.width(2).matrices["l1.candidate"]),
    ):
        assert (one.codes == other.codes).all() and one.codes.dtype == other.codes.dtype == np.int16
        assert (one.scale == other.scale).all() and one.bits == other.bits == 2
    assert again.activations == quantizer.width(2).activations and len(again.activations) == len(again.matrices)
    kept.write_bytes(kept.read_bytes()[:200])
    assert (task.open().engine.quantizer.width(2).matrices["l1.candidate"].codes == made[2].codes).all()
    assert len(kept.read_bytes()) > 200


def test_a_measurement_on_the_cpu_needs_no_torch():
    """Loading it takes longer than two evaluations."""
    NetworkTask("ligru").open()
    script = """
import sys
from dse.evaluator.task import NetworkTask
from models.calibrate import calibrate as calibrate_network
from models.workload import Configuration, InputError
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
