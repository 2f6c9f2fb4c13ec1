"""Learned quantizers: kept by checkpoints, checked when read, taken at the widths and under the schemes they are of."""

import dataclasses

import numpy as np
import pytest
from networks import DEFAULT, LENGTHS, SPECS, features_of, offsets_of, trained

from models.calibrate import calibrate
from models.checkpoint import Checkpoint, load, save
from models.engines.network_quantizer import NetworkQuantizer
from models.quantization.learned import Learned, RowScales
from models.quantization.quantizer import ActivationQuantizer
from models.quantization.scheme import PAPERS, Scheme
from models.workload import Configuration, InputError, Setting

SPEC = SPECS["sru"]
WORKLOAD = SPEC.workload()
ROWS = WORKLOAD["l0.input"].rows
MULTIPLES = np.resize(np.array([-127, -3, 1, 40, 127], np.int8), ROWS)
LEARNED = Learned(
    {"features": 3.5, "logits": 12.25},
    {"l0.input": RowScales(3, np.float32(0.0123), MULTIPLES)},
    {
        "l0.input": (4, ActivationQuantizer(np.float32(211.7), -1.25)),
        "output": (8, ActivationQuantizer(np.float32(3.3), 7.0)),
    },
)


def same(one: Learned, other: Learned) -> bool:
    mine, its = one.to_arrays(), other.to_arrays()
    return mine.keys() == its.keys() and all(np.array_equal(mine[name], its[name]) for name in mine)


def test_a_checkpoint_keeps_them(tmp_path):
    weights, _ = trained(SPEC)
    for learned in (LEARNED, Learned()):
        save(tmp_path / "x.safetensors", Checkpoint(SPEC, weights, {}, {}, learned))
        again = load(tmp_path / "x.safetensors").learned
        assert same(again, learned) and bool(again) == bool(learned)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("weights.l9.input", [3, 0.1, *[1] * ROWS]),
        ("weights.l9.input", []),
        ("weights.l0.input", [3, 0.1, *[1] * (ROWS - 1)]),
        ("weights.l0.input", [16, 0.1, *[1] * ROWS]),
        ("weights.l0.input", [3, 0.0, *[1] * ROWS]),
        ("weights.l0.input", [3, 0.1, *[0] * ROWS]),
        ("weights.l0.input", [3, 0.1, *[128] * ROWS]),
        ("weights.l0.input", [3, 0.1, *[1.5] * ROWS]),
        ("activations.l0.input", [4, 10.0]),
        ("activations.l9.input", [4, 10.0, 0]),
        ("activations.l0.input", [4, -10.0, 0]),
        ("activations.l0.input", [4, 10.0, 0.1]),
        ("activations.l0.input", [4, 10.0, 9]),
        ("activations.l0.input", [4.5, 10.0, 0]),
        ("peak.features", [-1]),
        ("peak.features", [1, 2]),
        ("step", [1]),
    ],
)
def test_what_cannot_be_is_named(tmp_path, name, values):
    weights, _ = trained(SPEC)

    class Damaged(Learned):
        def to_arrays(self):
            return {name: np.array(values, np.float32)}

    save(tmp_path / "x.safetensors", Checkpoint(SPEC, weights, {}, {}, Damaged()))
    with pytest.raises(InputError, match=rf"x.safetensors: quantizer\.{name} is no learned quantizer of a sru"):
        load(tmp_path / "x.safetensors")


def test_they_are_taken_at_their_widths_alone():
    weights, calibration = trained(SPEC)
    with_them = NetworkQuantizer(SPEC, weights, calibration, DEFAULT, learned=LEARNED)
    without = NetworkQuantizer(SPEC, weights, calibration, DEFAULT)
    configuration = Configuration.uniform(WORKLOAD, 3, 4).with_setting("output", act_bits=8)
    ours, usual = with_them.network(configuration), without.network(configuration)
    for mine, its in zip(ours.matvecs, usual.matvecs, strict=True):
        assert np.array_equal(mine.matrix.codes, its.matrix.codes) == (mine.name != "l0.input")
        assert (mine.divisor == its.divisor) == (mine.name not in ("l0.input", "output"))
    first = ours.matvecs[0]
    assert first.matrix.multiples is MULTIPLES and first.divisor == np.float32(211.7)
    assert first.zero + float(first.shift) == -1.25
    scale = MULTIPLES.astype(np.float32) * np.float32(0.0123)
    wanted = np.clip(np.rint(weights["weights.l0"] / scale[:, None]), -4, 3)
    assert np.array_equal(first.matrix.codes, wanted)
    for setting in (Setting(4, 8), Setting(3, 4, skip=True), Setting(16, 16)):
        other = Configuration(tuple((name, setting) for name in WORKLOAD.names)).with_setting("output", act_bits=2)
        pairs = zip(with_them.network(other).matvecs, without.network(other).matvecs, strict=True)
        assert all(np.array_equal(a.matrix.codes, b.matrix.codes) and a.divisor == b.divisor for a, b in pairs)


def test_they_are_taken_under_schemes_that_store_them():
    one_scale = RowScales(3, np.float32(0.1), np.ones(ROWS, np.int8))
    exact_zero = (4, ActivationQuantizer(np.float32(2)))
    matrix_alone = dataclasses.replace(LEARNED, scales={"l0.input": one_scale})
    neither = dataclasses.replace(matrix_alone, activations={"l0.input": exact_zero})
    for learned, schemes in (
        (LEARNED, [Scheme(), Scheme("nearest")]),
        (matrix_alone, [Scheme(), Scheme(scales="matrix")]),
        (neither, [Scheme(), PAPERS, Scheme(zero_points=False)]),
    ):
        assert all(learned.fits(scheme) for scheme in schemes)
    assert not LEARNED.fits(Scheme(scales="matrix")) and not LEARNED.fits(Scheme(zero_points=False))
    weights, calibration = trained(SPEC)
    ours = NetworkQuantizer(SPEC, weights, calibration, PAPERS, learned=LEARNED)
    usual = NetworkQuantizer(SPEC, weights, calibration, PAPERS)
    configuration = Configuration.uniform(WORKLOAD, 3, 4)
    pairs = zip(ours.network(configuration).matvecs, usual.network(configuration).matvecs, strict=True)
    assert all(np.array_equal(a.matrix.codes, b.matrix.codes) for a, b in pairs)


def test_known_peaks_make_the_grids():
    weights, usual = trained(SPEC)
    features, offsets = features_of(SPEC, LENGTHS), offsets_of(LENGTHS)
    found = calibrate(SPEC, weights, features, offsets, LEARNED.peaks)
    assert found.peaks == {**usual.peaks, **LEARNED.peaks}
    assert found.fraction_bits("logits") == 10
    with pytest.raises(InputError, match=r"a sru of these sizes has no fixed-point site 'l7\.state'"):
        calibrate(SPEC, weights, features, offsets, {"l7.state": 1.0})
