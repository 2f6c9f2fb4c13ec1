"""The prefix cache: a run that starts behind known layers gives what a run from the start gives."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.calibration import Recorder
from models.gru import Gru
from models.ligru import Ligru
from models.lstm import Lstm
from models.sru import Sru
from models.workload import Configuration

SIZES = {"features": 5, "layers": 3, "hidden": 6, "outputs": 9}
SPECS = [Sru(**SIZES, projection=8), Lstm(**SIZES), Gru(**SIZES), Ligru(**SIZES)]
OFFSETS = np.array([0, 7, 8, 20, 33], np.int64)
LAYER_BYTES = int(OFFSETS[-1]) * 2 * SIZES["hidden"] * 2


@pytest.fixture(scope="module", params=SPECS, ids=lambda spec: spec.name)
def case(request):
    torch.manual_seed(7)
    network = request.param.network().eval()
    features = np.random.default_rng(0).normal(size=(OFFSETS[-1], 5)).astype(np.float32)
    recorder = Recorder(request.param.workload().names)
    with torch.no_grad():
        network(torch.from_numpy(features), torch.from_numpy(OFFSETS), recorder)
    calibration = recorder.calibration()
    uncached = request.param.engine(network.arrays(), calibration)
    uncached.cache.limit_bytes = 0
    return features, uncached, lambda: request.param.engine(network.arrays(), calibration)


def same(one, other) -> bool:
    return bool((one[0] == other[0]).all()) and one[1] == other[1]


def spy(engine) -> list[int]:
    """How many layers each run found in the cache."""
    found, deepest = [], engine.cache.deepest

    def watched(*arguments):
        prefix = deepest(*arguments)
        found.append(prefix.layers)
        return prefix

    engine.cache.deepest = watched
    return found


# few values, so that configurations often agree on their first layers
SETTING = st.fixed_dictionaries(
    {"weight_bits": st.sampled_from([4, 16]), "act_bits": st.sampled_from([4, 16]), "delta": st.sampled_from([0, 1])}
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), limit_layers=st.sampled_from([1, 2, 5, 100]))
def test_cached_and_uncached_runs_are_identical_within_the_limit(case, data, limit_layers):
    features, uncached, make = case
    engine = make()
    engine.cache.limit_bytes = limit_layers * LAYER_BYTES
    configuration = Configuration.uniform(uncached.linear.workload, 4)
    for _ in range(8):
        name = data.draw(st.sampled_from(uncached.linear.workload.names))
        configuration = configuration.with_setting(name, **data.draw(SETTING), skip=data.draw(st.booleans()))
        expected = uncached.run(features, OFFSETS, configuration)
        assert same(engine.run(features, OFFSETS, configuration), expected)
        assert engine.cache.used_bytes <= engine.cache.limit_bytes
    assert uncached.cache.used_bytes == 0


def test_each_run_goes_one_layer_deeper(case):
    features, uncached, make = case
    engine = make()
    found = spy(engine)
    parent = Configuration.uniform(uncached.linear.workload, 8)
    for bits in (8, 4, 3, 2):
        engine.run(features, OFFSETS, parent.with_setting("output", weight_bits=bits))
    assert found == [0, 1, 2, 3]
    engine.run(features, OFFSETS, parent.with_setting(uncached.linear.workload.names[0], delta=3))
    assert found[-1] == 0  # the first layer's delta alone is another prefix


def test_the_least_recently_used_prefix_makes_room(case):
    features, uncached, make = case
    engine = make()
    engine.cache.limit_bytes = 2 * LAYER_BYTES
    found = spy(engine)
    a, b, c = (Configuration.uniform(uncached.linear.workload, bits) for bits in (8, 4, 2))
    for configuration in (a, b, c, b, a):  # c drops a; b goes deeper and drops c
        engine.run(features, OFFSETS, configuration)
    assert found == [0, 0, 0, 1, 0]


def test_other_utterances_are_other_prefixes(case):
    features, uncached, make = case
    engine = make()
    found = spy(engine)
    configuration = Configuration.uniform(uncached.linear.workload, 8)
    changed = features.copy()
    engine.run(changed, OFFSETS, configuration)
    changed[3] += 1  # in place: what counts is the content
    joined = np.delete(OFFSETS, 1)
    for offsets in (OFFSETS, joined, OFFSETS, joined):
        assert same(engine.run(changed, offsets, configuration), uncached.run(changed, offsets, configuration))
    assert found == [0, 0, 0, 1, 1]
