"""SRU: float network against a plain loop, gradients against differences, engine against a plain simulation."""

import itertools

import numpy as np
import pytest
import torch
from networks import engine_of

from models.calibrate import calibrate
from models.kernels.sru_scan import scan_float
from models.networks.sru import PRESETS, Sru
from models.quantization.fixed_point import sigmoid, sigmoid_knots, to_float, to_grid
from models.quantization.quantizer import code_range
from models.registry import build_network
from models.workload import Configuration, computed_fraction, size_bits

SMALL = Sru(features=5, layers=3, hidden=6, projection=8, outputs=9)
FORWARD = Sru(features=5, layers=3, hidden=9, projection=8, outputs=9, directions="forward")
OFFSETS = np.array([0, 7, 8, 20, 33], np.int64)


@pytest.fixture(scope="module", params=[SMALL, FORWARD], ids=["separate", "forward"])
def small(request):
    torch.manual_seed(3)
    network = build_network(request.param).eval()
    for value in network.parameters():
        value.data *= 1.2
    features = np.random.default_rng(0).normal(size=(OFFSETS[-1], network.spec.features)).astype(np.float32)
    with torch.no_grad():
        logits = network(torch.from_numpy(features), torch.from_numpy(OFFSETS)).numpy()
    calibration = calibrate(network.spec, network.arrays(), features, OFFSETS)
    return network, features, logits, engine_of(network.spec, network.arrays(), calibration)


def plain_network(weights: dict, spec: Sru, features: np.ndarray) -> np.ndarray:
    """One utterance [T, features], step by step, direction by direction, in float64."""
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    x = (features.astype(np.float64) - weights["input_mean"]) / weights["input_std"]
    for layer in range(spec.layers):
        q = x @ weights[f"projections.l{layer}"].T if spec.projected(layer) else x
        directions = 1 if spec.directions == "forward" else 2
        u = (q @ weights[f"weights.l{layer}"].T).reshape(len(x), spec.parts(layer), directions, spec.hidden)
        v, b = (weights[f"{name}.l{layer}"].reshape(2, directions, -1) for name in "vb")
        through = u[:, 3] if spec.parts(layer) == 4 else spec.highway_scale * x.reshape(len(x), directions, spec.hidden)
        h = np.zeros((len(x), directions, spec.hidden))
        for direction in range(directions):
            c = np.zeros(spec.hidden)
            for t in range(len(x)) if direction == 0 else reversed(range(len(x))):
                f = sigmoid(u[t, 1, direction] + v[0, direction] * c + b[0, direction])
                r = sigmoid(u[t, 2, direction] + v[1, direction] * c + b[1, direction])
                c = f * c + (1 - f) * u[t, 0, direction]
                h[t, direction] = r * c + (1 - r) * through[t, direction]
        x = h.reshape(len(x), -1)
    return x @ weights["output"].T + weights["output_bias"]


def test_float_network_equals_a_plain_loop(small):
    network, features, logits, _ = small
    for a, b in itertools.pairwise(OFFSETS):
        plain = plain_network(network.arrays(), network.spec, features[a:b])
        assert np.abs(plain - logits[a:b]).max() < 1e-5


@pytest.mark.parametrize("forward", [False, True])
def test_gradients_equal_finite_differences(forward):
    rng = np.random.default_rng(1)
    width, frames = 4, 9
    offsets = torch.tensor([0, 4, 9])
    from models.networks.sru_network import Scan

    directions = 2 - forward
    inputs = [
        torch.tensor(rng.normal(size=shape), dtype=torch.float32, requires_grad=True)
        for shape in ((frames, 3 * width), (frames, width), (2, width), (2, width))
    ]
    weight = torch.tensor(rng.normal(size=(frames, width)), dtype=torch.float32)
    (Scan.apply(*inputs, offsets, directions)[0] * weight).sum().backward()

    def loss(arrays):
        return float((scan_float(*arrays, offsets.numpy(), directions)[0].astype(np.float64) * weight.numpy()).sum())

    for index, tensor in enumerate(inputs):
        for place in np.ndindex(*tensor.shape):
            arrays = [[x.detach().numpy().copy() for x in inputs] for _ in range(2)]
            arrays[0][index][place] += 1e-2
            arrays[1][index][place] -= 1e-2
            slope = (loss(arrays[0]) - loss(arrays[1])) / 2e-2
            assert abs(slope - float(tensor.grad[place])) < 5e-3


def test_quantization_off_and_delta_zero_is_the_float_network(small):
    _, features, logits, engine = small
    result, computed = engine.run(features, OFFSETS, Configuration.uniform(engine.workload, 32))
    assert np.abs(result - logits).max() < 1e-5
    assert set(computed.values()) == {1.0}
    with pytest.raises(ValueError, match="all weights and activations at once"):
        engine.run(features, OFFSETS, Configuration.uniform(engine.workload, 32).with_setting("output", weight_bits=8))


def test_baseline_is_close_to_float_and_errors_grow_as_bits_shrink(small):
    _, features, logits, engine = small
    errors = [
        np.abs(engine.run(features, OFFSETS, Configuration.uniform(engine.workload, bits))[0] - logits).mean()
        for bits in (16, 8, 4, 2)
    ]
    assert errors[0] < 5e-3
    assert errors == sorted(errors)


def simulate(weights: dict, engine, features: np.ndarray, configuration: Configuration) -> np.ndarray:
    """One utterance by the exactness contract, written plainly: integers in int64, steps in float32, Python loops."""
    cal, spec = engine.calibration, engine.spec
    f32 = np.float32

    def grid(x):
        return np.clip(np.rint(x), -(2**15), 2**15 - 1).astype(f32)

    def linear(name, codes, bits):
        weight_bits, act_bits = configuration[name].operand_bits
        quantized = engine.quantizer.width(weight_bits).matrices[name]
        step, shift = f32(2.0**-bits), f32(0)
        if act_bits < 16:
            found = engine.quantizer.width(act_bits).activations[name]
            step, zero, (low, high) = step * found.step, round(found.zero), code_range(act_bits)
            shift = f32(found.zero - zero)
            codes = np.clip(np.rint(to_float(codes, bits) / step - shift), low + zero, high + zero)
        held = codes.astype(np.int64).copy()
        last = np.zeros(codes.shape[1], np.int64)
        for t in range(len(held)):
            last = np.where(np.abs(held[t] - last) > configuration[name].delta, held[t], last)
            held[t] = last
        wide = quantized.codes.T.astype(np.int64)
        start = np.rint(float(shift) * wide.sum(axis=0)).astype(np.int64)
        return (held @ wide + start).astype(f32) * (quantized.scale * step)

    bits = cal.fraction_bits("features")
    x = to_grid((features - weights["input_mean"]) / weights["input_std"], bits)
    for layer in range(spec.layers):
        q, q_bits = x, bits
        if spec.projected(layer):
            q_bits = cal.fraction_bits(f"l{layer}.projected")
            q = to_grid(linear(f"l{layer}.projection", x, bits), q_bits)
        u = linear(f"l{layer}.input", q, q_bits)
        own = cal.fraction_bits(f"l{layer}.state")
        v = weights[f"v.l{layer}"]
        v_bits = 15
        while np.abs(v).max() * 2.0**v_bits > 2**15 - 1:
            v_bits -= 1
        v, b = to_grid(v, v_bits).astype(f32), to_grid(weights[f"b.l{layer}"], 10).astype(f32)
        width = spec.width
        out = np.zeros((len(x), width), np.int16)
        for direction in range(width // spec.hidden):
            part = slice(direction * spec.hidden, (direction + 1) * spec.hidden)
            c = np.zeros(spec.hidden, f32)
            for t in range(len(x)) if direction == 0 else reversed(range(len(x))):
                row = [u[t, k * width : (k + 1) * width][part] for k in range(spec.parts(layer))]
                u0 = grid(row[0] * f32(2.0**own))
                gates = []
                for k in (0, 1):
                    pre = grid(grid(row[1 + k] * f32(2.0**10)) + b[k, part])
                    pre = grid(pre + grid(v[k, part] * c * f32(2.0 ** (10 - v_bits - own))))
                    gates.append(sigmoid(sigmoid_knots(), pre).astype(f32))
                if spec.parts(layer) == 4:
                    through = grid(row[3] * f32(2.0**own))
                else:
                    alpha = f32(np.rint(spec.highway_scale * 2**14) / 2**14 * 2.0 ** (own - bits))
                    through = grid(x[t, part].astype(f32) * alpha)
                c = grid(u0 + grid(gates[0] * grid(c - u0) * f32(2.0**-14)))
                out[t, part] = grid(through + grid(gates[1] * grid(c - through) * f32(2.0**-14)))
        x, bits = out, own
    bits_out = cal.fraction_bits("logits")
    products = to_grid(linear("output", x, bits), bits_out).astype(f32)
    return to_float(grid(products + to_grid(weights["output_bias"], bits_out).astype(f32)), bits_out)


@pytest.mark.parametrize(
    ("weight_bits", "act_bits", "delta"), [(16, 16, 0), (8, 8, 0), (4, 8, 3), (2, 4, 1), (16, 4, 0), (8, 16, 50)]
)
def test_engine_equals_the_plain_simulation_bit_for_bit(small, weight_bits, act_bits, delta):
    network, features, _, engine = small
    configuration = Configuration.uniform(engine.workload, weight_bits, act_bits, delta)
    configuration = configuration.with_setting("l1.input", weight_bits=4, act_bits=8)
    logits, _ = engine.run(features, OFFSETS, configuration)
    for a, b in itertools.pairwise(OFFSETS):
        assert (logits[a:b] == simulate(network.arrays(), engine, features[a:b], configuration)).all()


def test_skip_is_the_baseline_whatever_the_bits(small):
    _, features, _, engine = small
    base = Configuration.uniform(engine.workload, 16)
    skipped = base.with_setting("l1.input", weight_bits=2, act_bits=2, skip=True)
    assert (engine.run(features, OFFSETS, base)[0] == engine.run(features, OFFSETS, skipped)[0]).all()


def test_grouping_of_utterances_changes_nothing(small, monkeypatch):
    _, features, _, engine = small
    configuration = Configuration.uniform(engine.workload, 4, 4, 1)
    whole = engine.run(features, OFFSETS, configuration)
    monkeypatch.setattr("models.engines.sru.GROUP_FRAMES", 5)
    split = engine.run(features, OFFSETS, configuration)
    assert (whole[0] == split[0]).all() and whole[1] == split[1]


def test_paper_workload_is_derived_from_sizes():
    workload = PRESETS["paper"].workload()
    assert workload["l0.input"].weights == 23 * 1100 * 4 == 101_200
    assert workload["l2.input"].weights == 844_800
    assert workload["l3.projection"].weights == 281_600
    assert workload["output"].weights == 1100 * 1936
    assert workload.macs_per_frame == workload.weights == 101_200 + 3 * (844_800 + 281_600) + 2_129_600
    assert workload.vector_weights == 17_600 + 1936
    baseline = Configuration.uniform(workload, 16)
    assert size_bits(workload, baseline) == 16 * (workload.weights + workload.vector_weights)
    assert computed_fraction(workload, dict.fromkeys(workload.names, 0.25)) == pytest.approx(0.25)
