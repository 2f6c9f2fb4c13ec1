"""The one description of what is deployed, run in plain NumPy, against the engines: bit for bit, counts too."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import LENGTHS, SHIPPED_MODELS, features_of, offsets_of
from numpy_network import run

from dse.evaluator.task import NetworkTask
from models.engines.compiled import input_rows
from models.workload import Configuration, Setting

BITS = st.sampled_from([2, 4, 8, 16])
SETTINGS = st.builds(Setting, BITS, BITS, st.sampled_from([0, 0, 1, 5, 200]), st.booleans())
MIXED = [(16, 16, 0), (8, 8, 0), (4, 4, 0), (2, 8, 1), (8, 16, 300), (16, 4, 0), (3, 5, 2), (4, 8, 6)]


def assert_same(engine, features, offsets, configuration):
    logits, computed = engine.run(features, offsets, configuration)
    network = engine.quantizer.network(configuration)
    expected, sent = run(network, features, offsets)
    assert logits.tobytes() == expected.tobytes()
    elements = {m.name: len(features) * m.cols * m.passes for m in engine.workload}
    assert computed == {name: sent[name] / elements[name] for name in engine.workload.names}


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_both_engines_equal_the_description(engines, data):
    spec, compiled, on_device = engines
    some = data.draw(st.lists(SETTINGS, min_size=1, max_size=3))
    chosen = Configuration(tuple((name, data.draw(st.sampled_from(some))) for name in spec.workload().names))
    for engine in (compiled, on_device):
        assert_same(engine, features_of(spec, LENGTHS), offsets_of(LENGTHS), chosen)


@pytest.mark.parametrize("model", SHIPPED_MODELS)
def test_shipped_networks_equal_the_description(model):
    measurer = NetworkTask(model).open()
    split = measurer.split.take([int(np.argmin(measurer.split.lengths))])
    frames = 40  # of one utterance: NumPy takes a millisecond a matvec and frame
    names = measurer.workload.names
    rng = np.random.default_rng(0)
    mixed = (Setting(*MIXED[k]) for k in rng.integers(len(MIXED), size=len(names)))
    for configuration in (
        Configuration.uniform(measurer.workload, 8, delta=2),
        Configuration(tuple(zip(names, mixed, strict=True))),
    ):
        assert_same(measurer.engine, split.features[:frames], np.array([0, frames]), configuration)


def test_the_description_holds_plain_arrays_and_numbers(engines):
    """Nothing of torch or numba, so that exporters need neither."""
    spec, compiled, _ = engines
    network = compiled.quantizer.network(Configuration.uniform(spec.workload(), 4))
    assert [matvec.name for matvec in network.matvecs] == list(spec.workload().names)

    def leaves(value):
        if hasattr(value, "__dataclass_fields__"):
            for name in value.__dataclass_fields__:
                yield from leaves(getattr(value, name))
        elif isinstance(value, tuple):
            for item in value:
                yield from leaves(item)
        else:
            yield value

    kinds = {type(leaf) for leaf in leaves(network)}
    assert kinds <= {np.ndarray, np.float32, int, str, bool, type(None)}


def test_features_beyond_the_grid_saturate_and_what_is_no_number_is_zero(engines):
    spec, compiled, _ = engines
    network = compiled.quantizer.network(Configuration.uniform(spec.workload(), 8))
    strange = np.float32([0, np.nan, np.inf, -np.inf, 3.4e38, -3.4e38])
    codes = network.input_codes(np.repeat(strange[:, None], spec.features, axis=1))
    assert not codes[1].any()
    for code, expected in zip(codes[2:], (2**15 - 1, -(2**15)) * 2, strict=True):
        assert (code == expected).all()


def test_the_compiled_engines_features_are_those_of_the_definition(engines):
    spec, compiled, _ = engines
    network = compiled.quantizer.network(Configuration.uniform(spec.workload(), 8))
    rng = np.random.default_rng(0)
    features = rng.normal(scale=10.0 ** rng.integers(-4, 4, (2000, 1)), size=(2000, spec.features)).astype(np.float32)
    features[::7, 0] = np.resize([0, np.nan, np.inf, -np.inf, 3.4e38, -3.4e38], len(features[::7]))
    even = replace(network, input_mean=np.zeros_like(network.input_mean), input_std=np.ones_like(network.input_std))
    halves = np.float32(np.arange(-999, 999) * 2.0 ** -(network.input_bits + 1))[:, None] + np.zeros_like(features[:1])
    for each, values in ((network, features), (even, halves)):
        rows = input_rows(each, values)
        assert (rows[:, : spec.features] == each.input_codes(values)).all() and not rows[:, spec.features :].any()
