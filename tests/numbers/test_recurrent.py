"""LSTM, GRU and LiGRU: float networks against torch's own and plain loops, engines against a plain simulation."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import engine_of
from plain_gated import f32, simulate

from models.calibrate import calibrate
from models.networks.gru import Gru
from models.networks.ligru import Ligru
from models.networks.lstm import Lstm
from models.registry import build_network
from models.workload import Configuration

SIZES = {"features": 5, "layers": 2, "hidden": 7, "outputs": 9}
SPECS = {
    "lstm": Lstm(**SIZES),
    "gru": Gru(**SIZES),
    "gru-after": Gru(**SIZES, reset_after=True),
    "ligru": Ligru(**SIZES, candidate_scale=0.8),
}
SPECS |= {
    f"{name}-{directions}": replace(spec, directions=directions)
    for name, spec in SPECS.items()
    for directions in ("separate", "forward")
}
OFFSETS = np.array([0, 7, 8, 20, 33], np.int64)


def randomised(spec):
    """A network whose biases, norms and weights are all off their initial values."""
    torch.manual_seed(5)
    network = build_network(spec).eval()
    for name, value in network.state_dict().items():
        if "norm_var" in name or "norm_scale" in name:
            value.copy_(torch.rand_like(value) + 0.5)
        elif "bias" in name or "norm_mean" in name:
            value.copy_(torch.randn_like(value) * 0.3)
    return network


def run(network, features, offsets, trace=None):
    with torch.no_grad():
        return network(torch.from_numpy(features), torch.from_numpy(offsets), trace).numpy()


@pytest.fixture(scope="module", params=SPECS)
def case(request):
    network = randomised(SPECS[request.param])
    features = np.random.default_rng(0).normal(size=(OFFSETS[-1], 5)).astype(f32)
    logits = run(network, features, OFFSETS)
    calibration = calibrate(network.spec, network.arrays(), features, OFFSETS)
    return network, features, logits, engine_of(network.spec, network.arrays(), calibration)


@pytest.mark.parametrize("directions", ["forward", "separate", "shared"])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_without_batch_norm_the_network_is_torchs_own(kind, directions):
    """All layers in torch's own network; torch orders gates i, f, g, o (LSTM) and r, z, n (GRU)."""
    sizes = SIZES | {"layers": 3, "batch_norm": False, "directions": directions}
    spec = Lstm(**sizes) if kind == "lstm" else Gru(**sizes, reset_after=True)
    network = randomised(spec)
    weights = {name: torch.from_numpy(value) for name, value in network.arrays().items()}
    order = (1, 0, 3, 2) if kind == "lstm" else (1, 0, 2)
    both_ways = directions != "forward"

    def reordered(name, number):
        """A set's stacked rows in torch's order."""
        blocks = weights[name].chunk(spec.sets)[min(number, spec.sets - 1)].split(spec.hidden)
        return torch.cat([blocks[k] for k in order])

    theirs = (torch.nn.LSTM if kind == "lstm" else torch.nn.GRU)(
        spec.features, spec.hidden, spec.layers, bidirectional=both_ways
    )
    for layer in range(spec.layers):
        for number, suffix in enumerate(("", "_reverse")[: 1 + both_ways]):
            state = {"weight_ih": reordered(f"input.l{layer}", number), "bias_ih": reordered(f"bias.l{layer}", number)}
            state |= {"weight_hh": reordered(f"recurrent.l{layer}", number), "bias_hh": torch.zeros(len(order) * 7)}
            if kind == "gru":
                own = weights[f"recurrent_bias.l{layer}"].chunk(spec.sets)[min(number, spec.sets - 1)]
                state["bias_hh"][2 * spec.hidden :] = own
            for name, value in state.items():
                getattr(theirs, f"{name}_l{layer}{suffix}").data = value
    features = np.random.default_rng(1).normal(size=(OFFSETS[-1], 5)).astype(f32)
    logits = run(network, features, OFFSETS)
    for a, b in itertools.pairwise(OFFSETS):
        with torch.no_grad():
            expected = theirs(torch.from_numpy(features[a:b]))[0] @ weights["output"].t() + weights["output_bias"]
        assert np.abs(expected.numpy() - logits[a:b]).max() < 1e-5


def test_ligru_and_gru_equal_a_plain_loop():
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    for name in ("ligru", "gru"):
        network = randomised(SPECS[name])
        spec, weights = network.spec, network.arrays()
        features = np.random.default_rng(2).normal(size=(OFFSETS[-1], 5)).astype(f32)
        logits = run(network, features, OFFSETS)
        for a, b in itertools.pairwise(OFFSETS):
            x = (features[a:b] - weights["input_mean"]) / weights["input_std"]
            for layer in range(spec.layers):
                p = x @ weights[f"input.l{layer}"].T - weights[f"norm_mean.l{layer}"]
                p = p / np.sqrt(weights[f"norm_var.l{layer}"] + 1e-5) * weights[f"norm_scale.l{layer}"]
                p = (p + weights[f"bias.l{layer}"]).reshape(len(x), -1, spec.hidden)
                matrices = weights[f"recurrent.l{layer}"].reshape(-1, spec.hidden, spec.hidden)
                out = np.zeros((len(x), 2, spec.hidden))
                for direction in range(2):
                    h = np.zeros(spec.hidden)
                    for t in range(len(x)) if direction == 0 else reversed(range(len(x))):
                        z = sigmoid(p[t, 0] + matrices[0] @ h)
                        if name == "gru":
                            r = sigmoid(p[t, 1] + matrices[1] @ h)
                            g = np.tanh(p[t, 2] + matrices[2] @ (r * h))
                        else:
                            g = np.maximum(p[t, 1] + matrices[1] @ h, 0) * spec.candidate_scale
                        h = z * h + (1 - z) * g
                        out[t, direction] = h
                x = out.reshape(len(x), -1)
            assert np.abs(x @ weights["output"].T + weights["output_bias"] - logits[a:b]).max() < 1e-5


def test_quantization_off_is_the_float_network(case):
    network, features, logits, engine = case
    result, _ = engine.run(features, OFFSETS, Configuration.uniform(network.spec.workload(), 32))
    assert np.abs(result - logits).max() < 1e-5


def test_errors_grow_as_bits_shrink(case):
    network, features, logits, engine = case
    errors = [
        np.abs(engine.run(features, OFFSETS, Configuration.uniform(network.spec.workload(), bits))[0] - logits).mean()
        for bits in (16, 8, 4, 2)
    ]
    assert errors[0] < 5e-3
    assert errors == sorted(errors)


@pytest.mark.parametrize(("weight_bits", "act_bits", "delta"), [(16, 16, 0), (8, 8, 5), (2, 4, 1), (16, 4, 0)])
def test_engine_equals_the_plain_simulation_bit_for_bit(case, weight_bits, act_bits, delta, request):
    network, features, _, engine = case
    kind = request.node.callspec.params["case"].removesuffix("-separate").removesuffix("-forward")
    spec = network.spec
    workload = spec.workload()
    configuration = Configuration.uniform(workload, weight_bits, act_bits, delta)
    # a skipped candidate path and a gate of its own settings among equals: bundles of unequal settings
    configuration = configuration.with_setting("l0.candidate", skip=True, delta=0)
    configuration = configuration.with_setting(spec.input_names(1)[0], weight_bits=4, act_bits=8)
    logits, computed = engine.run(features, OFFSETS, configuration)
    counts = dict.fromkeys(workload.names, 0)
    for a, b in itertools.pairwise(OFFSETS):
        expected, sent = simulate(engine, kind, features[a:b], configuration)
        assert (logits[a:b] == expected).all()
        counts = {name: counts[name] + sent[name] for name in counts}
    for matvec in workload:
        assert computed[matvec.name] == counts[matvec.name] / (len(features) * matvec.cols * matvec.passes)


@pytest.mark.parametrize("utterances", [1, 2, 3])
def test_grouping_of_utterances_changes_nothing(case, monkeypatch, utterances):
    network, features, _, engine = case
    configuration = Configuration.uniform(network.spec.workload(), 8, delta=3)
    expected, expected_computed = engine.run(features, OFFSETS, configuration)
    monkeypatch.setattr("models.engines.recurrent.ROWS_AT_ONCE", 2 * utterances)
    logits, computed = engine.run(features, OFFSETS, configuration)
    assert (logits == expected).all() and computed == expected_computed


def test_training_reaches_every_parameter(case):
    network = case[0].train()
    network(torch.from_numpy(case[1]), torch.from_numpy(OFFSETS)).square().sum().backward()
    for name, value in network.named_parameters():
        assert value.grad is not None and value.grad.abs().sum() > 0, name
    network.eval()


def test_a_ligru_with_large_candidates_keeps_its_function():
    """Candidates times g and whoever reads h over g: the same float network, whose ReLU then passes +-32 by far."""
    spec = Ligru(**SIZES)
    network, factor = randomised(spec), 64.0
    hidden = spec.hidden
    with torch.no_grad():
        for layer in range(spec.layers):
            network.recurrent[f"l{layer}"][:hidden] /= factor
            network.norm_scale[f"l{layer}"][hidden:] *= factor
            network.bias[f"l{layer}"][hidden:] *= factor
            if layer:
                network.input[f"l{layer}"] /= factor
                getattr(network.norm_mean, f"l{layer}")[:] = 0
        network.output /= factor
    features = np.random.default_rng(0).normal(size=(OFFSETS[-1], 5)).astype(f32)
    logits, calibration = run(network, features, OFFSETS), calibrate(spec, network.arrays(), features, OFFSETS)
    assert calibration.peaks["l0.rectified"] > 64
    engine = engine_of(spec, network.arrays(), calibration)
    result, _ = engine.run(features, OFFSETS, Configuration.uniform(spec.workload(), 16))
    assert np.abs(result - logits).mean() < 0.01 * np.abs(logits).mean()
