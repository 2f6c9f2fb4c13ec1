"""The network under training: its forward pass is the engines', its backward pass automatic differentiation's."""

from dataclasses import replace
from itertools import cycle

import numpy as np
import plain_straight_through
import pytest
import torch
from networks import DEFAULT, LENGTHS, SPECS, features_of, offsets_of, trained
from numpy_network import run as run_in_numpy

from dse.retraining.network import StraightThrough
from dse.retraining.start import folded, within_codes
from models.engines.network_quantizer import NetworkQuantizer
from models.quantization.calibration import Calibration
from models.quantization.scheme import PAPERS
from models.registry import build_engine
from models.workload import Configuration, Setting

MIXED = [Setting(8, 8, 2), Setting(4, 16, 40), Setting(2, 2, 0, skip=True), Setting(16, 4), Setting(5, 8, 1)]
SETTINGS = {
    "W2A4": [Setting(2, 4)],
    "W2A2": [Setting(2, 2)],
    "W4A8d8": [Setting(4, 8, 8)],
    "W8A16d300": [Setting(8, 16, 300)],
    "W16A16": [Setting(16, 16)],
    "mixed": MIXED,
}
CASES = [(name, kind) for name in SPECS for kind in SETTINGS]


def configuration(spec, kind):
    return Configuration(tuple(zip(spec.workload().names, cycle(SETTINGS[kind]), strict=False)))


def started(name, kind, scheme=DEFAULT):
    """What is trained, and the quantizer that it starts from."""
    spec, chosen = SPECS[name], configuration(SPECS[name], kind)
    weights, calibration = trained(spec)
    start = NetworkQuantizer(spec, weights, calibration, scheme)
    plain, same = folded(spec, weights)
    return StraightThrough(plain, within_codes(plain, same, start.network(chosen)), start, chosen), start


def moved(model, seed=0):
    """The same as after some training: all parameters elsewhere."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def features_and_offsets(model):
    return features_of(model.spec, LENGTHS), offsets_of(LENGTHS)


@pytest.mark.parametrize(("name", "kind"), CASES, ids="-".join)
def test_it_starts_as_the_network_that_is_evaluated(name, kind):
    model, start = started(name, kind)
    features, offsets = features_and_offsets(model)
    logits, _ = build_engine(start).run(features, offsets, model.configuration)
    assert np.array_equal(model(torch.tensor(features), torch.tensor(offsets)).detach().numpy(), logits)


@pytest.mark.parametrize(("name", "kind"), CASES, ids="-".join)
def test_forward_is_the_engine_of_what_was_learned_and_plain_numpy(name, kind):
    model = moved(started(name, kind)[0])
    features, offsets = features_and_offsets(model)
    logits = model(torch.tensor(features), torch.tensor(offsets)).detach().numpy()
    integers = model.quantizer().network(model.configuration)
    assert np.array_equal(run_in_numpy(integers, features, offsets)[0], logits)
    quantizer = NetworkQuantizer(
        model.spec, model.network.arrays(), Calibration(model.peaks), model.scheme, learned=model.learned()
    )
    assert np.array_equal(build_engine(quantizer).run(features, offsets, model.configuration)[0], logits)


@pytest.mark.parametrize(("name", "kind"), CASES, ids="-".join)
def test_gradients_are_those_of_automatic_differentiation(name, kind):
    model = moved(started(name, kind)[0])
    features, offsets = features_and_offsets(model)
    toward = torch.tensor(np.random.default_rng(1).normal(size=(len(features), model.spec.outputs)))
    (model(torch.tensor(features), torch.tensor(offsets)).double() * toward).sum().backward()
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    quantizer = model.quantizer()
    integers = quantizer.network(model.configuration)
    states, _ = build_engine(quantizer).trace(integers, features, offsets)
    (plain_straight_through.run(model, integers, states, features, offsets) * toward).sum().backward()
    for name_, parameter in model.named_parameters():
        assert (parameter.grad is None) == (name_ not in found), name_
        if parameter.grad is not None:
            scale = float(parameter.grad.abs().max())
            assert torch.allclose(found[name_], parameter.grad, rtol=2e-3, atol=2e-4 * max(scale, 1e-2)), name_


@pytest.mark.parametrize("name", ["sru", "gru"])
def test_a_scale_a_matrix_and_no_zero_points_stay_so(name):
    model = moved(started(name, "W2A4", PAPERS)[0])
    learned = model.learned()
    assert all((scales.multiples == 1).all() for scales in learned.scales.values())
    assert all(quantizer.zero == 0 for _, quantizer in learned.activations.values())
    assert learned.fits(PAPERS) and learned.fits(DEFAULT)


def test_what_reads_one_vector_at_one_width_has_one_step():
    model = moved(started("lstm", "mixed")[0])
    vectors = trained(SPECS["lstm"])[1].vectors
    steps = {}
    for name, (bits, quantizer) in model.learned().activations.items():
        assert steps.setdefault((vectors[name], bits), quantizer) == quantizer
    assert len(steps) == len(model.step_shares)


def test_folding_batch_normalisation_changes_no_integer():
    spec = SPECS["gru"]
    weights, calibration = trained(spec)
    plain, same = folded(spec, weights)
    assert not plain.batch_norm and {n: a.shape for n, a in same.items()} == plain.shapes()
    assert replace(plain, batch_norm=True) == spec
    chosen = configuration(spec, "mixed")
    one, other = (
        NetworkQuantizer(s, w, calibration, DEFAULT).network(chosen) for s, w in ((spec, weights), (plain, same))
    )
    for a, b in zip(one.matvecs, other.matvecs, strict=True):
        assert np.array_equal(a.matrix.codes, b.matrix.codes) and np.array_equal(a.bias, b.bias)
