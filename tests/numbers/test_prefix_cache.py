"""Runs that share layers give what runs of their own give, within the memory that they were given."""

from collections import deque

import numpy as np
import pytest
from networks import LENGTHS, SHIPPED_MODELS, features_of, offsets_of

from dse.evaluator.task import NetworkTask
from dse.exploration.worker import Job, Worker
from dse.exploration.workers import Processes
from models.engines.counter import Counter
from models.engines.prefix_cache import PrefixCache
from models.kernels.matmul import padded
from models.registry import build_engine
from models.workload import Configuration, MatVec, Workload

WORKLOAD = Workload(
    "three",
    (
        MatVec("l0.input", 4, 3, "input"),
        MatVec("l1.projection", 4, 4, "projection"),
        MatVec("l1.input", 4, 4, "input"),
        MatVec("l2.input", 4, 4, "input"),
        MatVec("output", 5, 4, "output"),
    ),
    vector_weights=0,
    elementwise_ops_per_frame=0,
)
EIGHT = Configuration.uniform(WORKLOAD, 8)


def run(cache, configuration, batch="a"):
    """What a network would do: how many layers it did not need to run."""
    prefix = cache.longest(batch, configuration)
    counter = prefix.counter
    for matvec in WORKLOAD:
        if int(matvec.layer[1:] if matvec.layer != "output" else 9) >= prefix.layers:
            counter.add(matvec.name, 10, 5)
    assert counter.computed == dict.fromkeys(WORKLOAD.names, 0.5)
    for layer, key in prefix.kept.items():
        codes = cache.reserve((20, 5))
        codes[:] = layer
        cache.keep(key, layer, codes, counter)
    if prefix.layers:
        assert (prefix.codes == prefix.layers - 1).all()
    return prefix.layers


def test_shares_from_the_third_time_on_as_far_as_settings_agree():
    cache = PrefixCache(WORKLOAD, 10_000)
    assert [run(cache, EIGHT) for _ in range(4)] == [0, 0, 3, 3]
    assert run(cache, EIGHT.with_setting("output", weight_bits=4)) == 3
    assert run(cache, EIGHT.with_setting("l2.input", delta=1)) == 2
    assert run(cache, EIGHT.with_setting("l1.projection", act_bits=4)) == 1
    assert run(cache, EIGHT.with_setting("l0.input", weight_bits=4)) == 0


def test_the_order_in_which_a_configuration_names_its_matvecs_does_not_matter():
    cache = PrefixCache(WORKLOAD, 10_000)
    uneven = EIGHT.with_setting("l1.projection", weight_bits=4)
    turned = Configuration(tuple(reversed(uneven.with_setting("l2.input", delta=1).settings)))
    assert [run(cache, uneven) for _ in range(3)] == [0, 0, 3]
    assert run(cache, turned) == 2
    swapped = EIGHT.with_setting("l1.input", weight_bits=4)
    assert run(cache, Configuration(tuple(reversed(swapped.settings)))) == 1


def test_batches_are_apart():
    cache = PrefixCache(WORKLOAD, 10_000)
    assert [run(cache, EIGHT, batch) for batch in ("a", "a", "b", "a", "b", "b")] == [0, 0, 0, 3, 0, 3]


def test_what_was_used_longest_ago_makes_room():
    cache = PrefixCache(WORKLOAD, 200 * 4)
    assert [run(cache, EIGHT) for _ in range(2)] == [0, 0]  # keeps 3 outputs of 200 bytes
    others = [EIGHT.with_setting("l2.input", weight_bits=bits) for bits in (2, 4)]
    assert [run(cache, other) for other in others * 2] == [2, 2, 2, 2]  # keeps 2 more: the first layer makes room
    assert cache.bytes == 800
    assert run(cache, others[1]) == 3
    assert run(cache, EIGHT.with_setting("l1.input", weight_bits=4)) == 0


def test_no_memory_keeps_nothing():
    cache = PrefixCache(WORKLOAD)
    assert [run(cache, EIGHT) for _ in range(4)] == [0, 0, 0, 0]
    tiny = PrefixCache(WORKLOAD, 100)
    assert [run(tiny, EIGHT) for _ in range(4)] == [0, 0, 0, 0]
    assert tiny.bytes == 0


def test_counts_are_copies():
    cache = PrefixCache(WORKLOAD, 10_000)
    counter = Counter({"l0.input": 4}, {"l0.input": 2})
    cache.longest("a", EIGHT)
    cache.keep(cache.longest("a", EIGHT).kept[0], 0, np.zeros(3, np.int16), counter)
    for _ in range(2):
        prefix = cache.longest("a", EIGHT)
        assert prefix.counter.computed == {"l0.input": 0.5}
        prefix.counter.add("l0.input", 4, 4)


def test_a_worker_takes_what_begins_like_its_own():
    workers = Processes(2, Worker(NetworkTask("sru")))
    other = EIGHT.with_setting("l0.input", weight_bits=4)
    changed = [c.with_setting("output", act_bits=bits) for bits in (2, 4) for c in (EIGHT, other)]
    waiting = deque(Job((k,), configuration, ()) for k, configuration in enumerate([EIGHT, other, *changed]))
    taken = [workers._take(waiting, worker).genome[0] for worker in (0, 1, 1, 0, 0, 1)]
    assert taken == [0, 1, 3, 2, 4, 5]
    assert not waiting
    workers._begun = [set(), set()]
    waiting = deque(Job((k,), c, ()) for k, c in enumerate([EIGHT, EIGHT, other, other, other]))
    assert [workers._take(waiting, 1).genome[0] for _ in range(5)] == [0, 1, 2, 3, 4]  # nothing else to do: in order


def neighbours(workload, count, seed):
    """Configurations that differ from one before in a matvec or two."""
    rng = np.random.default_rng(seed)
    found = [Configuration.uniform(workload, 8, delta=1)]
    for _ in range(count):
        configuration = found[rng.integers(len(found))]
        for name in rng.choice(workload.names, rng.integers(1, 3)).tolist():
            changes = {"weight_bits": [4, 8, 16], "act_bits": [4, 8, 16], "delta": [0, 1, 3]}
            field = rng.choice(list(changes)).item()
            configuration = configuration.with_setting(name, **{field: rng.choice(changes[field]).item()})
        found.append(configuration)
    return found


@pytest.mark.parametrize("outputs", [2, 50])
def test_engines_give_the_same_bits(engines, outputs):
    spec, engine, _ = engines
    alone = build_engine(engine.quantizer)
    features, offsets = features_of(spec, LENGTHS), offsets_of(LENGTHS)
    engine.prefixes.limit_bytes = outputs * len(features) * padded(spec.width) * 2
    for configuration in neighbours(spec.workload(), 40, seed=outputs):
        logits, computed = engine.run(features, offsets, configuration, "a")
        expected, expected_computed = alone.run(features, offsets, configuration)
        assert logits.tobytes() == expected.tobytes()
        assert computed == expected_computed
        assert engine.prefixes.bytes <= engine.prefixes.limit_bytes
    assert engine.prefixes.bytes > 0


@pytest.mark.parametrize("model", SHIPPED_MODELS)
def test_measurements_are_the_same_with_and_without(model):
    task = NetworkTask(model)
    one, other = task.open(), NetworkTask(model, cache_mib=0).open()
    for measurer in (one, other):
        measurer.split = measurer.split.take(range(0, 400, 8))
    base = Configuration.uniform(one.workload, 8, delta=2)
    last = base.with_setting("output", weight_bits=4)
    for configuration in (base, base, base, last):
        told = [measurer.measure(configuration) for measurer in (one, other)]
        assert all(vars(m) | {"seconds": 0} == vars(told[0]) | {"seconds": 0} for m in told)
    assert one.engine.prefixes.bytes > 0
    assert other.engine.prefixes.bytes == 0
