"""Imported pytorch-kaldi networks: logits against a plain loop over its equations."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_kaldi import (
    FEATURES,
    FILES,
    GATED,
    HIDDEN,
    LAYERS,
    LENGTHS,
    OUTPUTS,
    gated,
    output_layer,
    run_gated,
    run_import,
    run_sru,
    sru,
    state_of,
    write,
)

from models.checkpoint import load, read_card
from models.registry import build_network


def imported_logits(folder: Path, utterances: list[torch.Tensor]) -> list[np.ndarray]:
    checkpoint = load(folder / FILES["out"])
    network = build_network(checkpoint.spec).eval()
    network.load_state_dict({name: torch.from_numpy(value) for name, value in checkpoint.weights.items()})
    offsets = torch.tensor([0, *np.cumsum([len(x) for x in utterances])])
    with torch.no_grad():
        logits = network(torch.cat(utterances).float(), offsets)
    return [part.numpy() for part in logits.split([len(x) for x in utterances])]


def output_of(folder: Path, hidden: np.ndarray) -> np.ndarray:
    layer = torch.load(folder / FILES["output"], weights_only=True)["model_par"]
    return hidden @ layer["wx.0.weight"].double().numpy().T + layer["wx.0.bias"].double().numpy()


@pytest.mark.parametrize("model", GATED)
def test_networks_of_one_direction_are_forward(folder, model):
    net = gated(model, directions=1)
    write(folder / FILES["architecture"], state_of(net))
    write(folder / FILES["output"], state_of(output_layer(HIDDEN)))
    assert run_import(folder, model, "--dropout=0") == 0
    assert read_card(folder / FILES["out"])[0].directions == "forward"
    x = torch.randn(9, FEATURES)
    net.double()
    with torch.no_grad():
        plain = output_of(folder, run_gated(model, net, x.double(), True, keep=1.0, directions=1).numpy())
    assert np.abs(plain - imported_logits(folder, [x])[0]).max() < 1e-5


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("batch_norm", [True, False], ids=["norm", "bias"])
@pytest.mark.parametrize("model", GATED)
def test_gated_logits_equal_pytorch_kaldis_equations(folder, model, batch_norm, legacy):
    net = gated(model, batch_norm)
    write(folder / FILES["architecture"], state_of(net), _use_new_zipfile_serialization=not legacy)
    assert run_import(folder, model, "--dropout=0.35") == 0
    spec, _ = read_card(folder / FILES["out"])
    assert (spec.features, spec.layers, spec.hidden, spec.outputs) == (FEATURES, LAYERS, HIDDEN, OUTPUTS)
    assert spec.batch_norm == batch_norm
    utterances = [torch.randn(frames, FEATURES) for frames in LENGTHS]
    net.double()
    with torch.no_grad():
        for x, logits in zip(utterances, imported_logits(folder, utterances), strict=True):
            plain = output_of(folder, run_gated(model, net, x.double(), batch_norm, keep=0.65).numpy())
            assert np.abs(plain - logits).max() < 1e-5


@pytest.mark.parametrize("projection", [0, 4, 8], ids=lambda p: f"projection{p}")
@pytest.mark.parametrize("features", [FEATURES, 2 * HIDDEN, 20], ids=lambda f: f"features{f}")
def test_sru_logits_equal_the_librarys_recurrence(folder, features, projection):
    """Four parts in the first layer unless its input is as wide as its output; projections where they shrink."""
    state = sru(features, projection)
    write(folder / FILES["architecture"], state)
    assert run_import(folder, "sru") == 0
    spec, _ = read_card(folder / FILES["out"])
    assert (spec.features, spec.layers, spec.hidden, spec.outputs) == (features, LAYERS, HIDDEN, OUTPUTS)
    assert [spec.projected(layer) for layer in range(LAYERS)] == [
        f"sru.rnn_lst.{layer}.weight_proj" in state for layer in range(LAYERS)
    ]
    utterances = [torch.randn(frames, features) for frames in LENGTHS]
    for x, logits in zip(utterances, imported_logits(folder, utterances), strict=True):
        plain = output_of(folder, run_sru(state, x.numpy().astype(float)))
        assert np.abs(plain - logits).max() < 1e-5


def test_features_are_taken_as_they_come_and_the_card_says_so(folder):
    write(folder / FILES["architecture"], state_of(gated("ligru")))
    assert run_import(folder, "ligru") == 0
    checkpoint = load(folder / FILES["out"])
    assert (checkpoint.weights["input_mean"] == 0).all() and (checkpoint.weights["input_std"] == 1).all()
    assert checkpoint.spec.candidate_scale == pytest.approx(0.8)
    assert checkpoint.decoder == {}
    assert "normalised" in checkpoint.card["features"]
    assert checkpoint.card["imported"]["architecture"]["name"] == FILES["architecture"]
