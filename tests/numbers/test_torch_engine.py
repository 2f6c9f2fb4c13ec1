"""The torch engine against the compiled one: the same logits bit for bit, the same computed fractions."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import LENGTHS, engine_of, features_of, offsets_of, on_torch

from models.gpu import batch as gpu_batch
from models.gpu import matvecs as gpu_matvecs
from models.gpu import products as gpu_products
from models.workload import Configuration, Setting

BITS = [2, 4, 8, 16]


def assert_same(engines, lengths, configuration, seed=0):
    spec, compiled, on_device = engines
    arguments = features_of(spec, lengths, seed), offsets_of(lengths), configuration
    expected, computed = compiled.run(*arguments)
    result, on_device_computed = on_device.run(*arguments)
    assert result.dtype == np.float32 and result.tobytes() == expected.tobytes()
    assert on_device_computed == computed


@pytest.mark.parametrize("delta", [0, 3])
@pytest.mark.parametrize("act_bits", BITS)
@pytest.mark.parametrize("weight_bits", BITS)
def test_every_pair_of_widths_gives_the_compiled_integers(engines, weight_bits, act_bits, delta):
    assert_same(engines, LENGTHS, Configuration.uniform(engines[0].workload(), weight_bits, act_bits, delta))


SETTINGS = st.builds(
    Setting, st.sampled_from(BITS), st.sampled_from(BITS), st.sampled_from([0, 0, 1, 5, 200]), st.booleans()
)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_mixed_settings_and_uneven_utterances_give_the_compiled_integers(engines, data):
    names = engines[0].workload().names
    some = data.draw(st.lists(SETTINGS, min_size=1, max_size=3))  # few, so that matvecs share settings now and then
    chosen = [(name, data.draw(st.sampled_from(some))) for name in names]
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    assert_same(engines, lengths, Configuration(tuple(chosen)), seed=data.draw(st.integers(0, 9)))


def test_batches_and_parts_change_nothing(engines, monkeypatch):
    monkeypatch.setattr(gpu_batch, "FRAMES_PER_BATCH", 10)
    monkeypatch.setattr(gpu_matvecs, "PRODUCT_FRAMES", 3)
    assert_same(engines, LENGTHS, Configuration.uniform(engines[0].workload(), 4, 8, 1))


def test_without_an_exact_int8_kernel_the_integers_are_the_same(engines, monkeypatch):
    monkeypatch.setattr(gpu_products, "has_exact_int8", lambda device: False)
    for bits in (4, 16):
        assert_same(engines, LENGTHS, Configuration.uniform(engines[0].workload(), bits))


def test_many_rows_and_saturated_inputs(engines):
    """More rows than the least that a product takes, values far beyond what calibration saw."""
    spec, compiled, on_device = engines
    lengths = [*range(1, 20), *[5] * 30]
    features = features_of(spec, lengths) * 50
    for bits in (8, 16):
        configuration = Configuration.uniform(spec.workload(), bits, delta=2)
        expected, computed = compiled.run(features, offsets_of(lengths), configuration)
        result, on_device_computed = on_device.run(features, offsets_of(lengths), configuration)
        assert result.tobytes() == expected.tobytes() and on_device_computed == computed


@pytest.mark.parametrize("seed", range(6))
def test_grids_and_gates_that_saturate_give_the_compiled_integers(engines, seed):
    """Grids far too fine or too coarse for their site, each in its own way; products far beyond the gates' reach."""
    spec, compiled, on_device = engines
    rng = np.random.default_rng(seed)
    peaks = {site: peak * 2.0 ** rng.integers(-7, 4) for site, peak in compiled.calibration.peaks.items()}
    calibration = dataclasses.replace(compiled.calibration, peaks=peaks)
    loud = ("recurrent", "v.", "bias")
    weights = {k: v * np.float32(60) if k.startswith(loud) else v for k, v in compiled.weights.items()}
    device = on_device.on_device.device.type
    pair = engine_of(spec, weights, calibration), on_torch(spec, weights, calibration, device)
    for bits in (4, 16):
        assert_same((spec, *pair), LENGTHS, Configuration.uniform(spec.workload(), bits, delta=1))


def test_float_goes_to_the_float_network(engines):
    spec, compiled, on_device = engines
    arguments = features_of(spec, LENGTHS), offsets_of(LENGTHS), Configuration.uniform(spec.workload(), 32)
    assert (compiled.run(*arguments)[0] == on_device.run(*arguments)[0]).all()
