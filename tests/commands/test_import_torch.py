"""Networks of torch.nn are imported as what they are: torch's own forward is the oracle."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn
from torch_networks import CELLS, FEATURES, HIDDEN, Net, imported, imported_logits, net, own_logits, utterances

from models.checkpoint import Checkpoint, load, read_card, save
from models.named_tensors import Tensors
from models.torch_layout import find_network

TOLERANCE = 1e-5


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(7)
    return tmp_path / "net.pt"


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "none"])
@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("model", CELLS)
def test_an_imported_network_is_torchs_own(file, model, ways, bias):
    network, speech = net(model, 3, ways, bias), utterances()
    torch.save(network.state_dict(), file)
    out = imported(file)
    assert read_card(out)[0].directions == ("forward" if ways == 1 else "separate")
    assert np.abs(imported_logits(out, speech) - own_logits(network, speech)).max() < TOLERANCE


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(CELLS)),
    st.integers(1, 4),
    st.integers(1, 2),
    st.booleans(),
    st.integers(1, 9),
    st.integers(1, 9),
    st.text("ab.0", max_size=6),
)
def test_of_any_sizes_under_any_prefix(tmp_path_factory, model, layers, ways, bias, hidden, features, prefix):
    network, speech = net(model, layers, ways, bias, hidden, features), utterances(features)
    state = {f"{prefix}.{name}": value.numpy() for name, value in network.state_dict().items()}
    found = find_network(Tensors("net.pt", "the network", state))
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    save(path, Checkpoint(found.spec, found.weights, {}, {}))
    assert np.abs(imported_logits(path, speech) - own_logits(network, speech)).max() < TOLERANCE


def test_found_modules_are_told_and_kept_in_the_card(file, capsys):
    network = net("gru", 2, 2)
    torch.save({f"module.{name}": value for name, value in network.state_dict().items()}, file)
    out = imported(file)
    told = [
        f"module.rnn: torch.nn.GRU, 2 layers of {HIDDEN} units, both directions",
        "module.fc: linear layer of 9 outputs",
    ]
    printed = capsys.readouterr().out
    assert printed.startswith("found:\n" + "".join(f"  {line}\n" for line in told))
    assert "features: as they come (mean 0, deviation 1)" in printed
    card = read_card(out)[1]
    assert card["imported"]["as"] == told and card["decoder"] == "none"
    first = out.read_bytes()
    assert imported(file).read_bytes() == first  # so that a study of it is found again


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_floats_of_any_width_and_either_format_are_read(file, kind, ending):
    network, speech = net("lstm").to(kind), utterances()
    file = file.with_suffix(f".{ending}")
    (torch.save if ending == "pt" else save_file)(network.state_dict(), file)
    plain = own_logits(network.float(), speech)  # of the values that this width holds
    assert np.abs(imported_logits(imported(file), speech) - plain).max() < TOLERANCE


def test_single_layers_one_after_another_are_one_network(file):
    """As code has them that puts dropout between; ten come before two by their number."""
    cells = [nn.GRU(HIDDEN if k else FEATURES, HIDDEN, batch_first=True) for k in range(11)]
    fc, speech = nn.Linear(HIDDEN, 4), utterances()
    state = {f"rnns.{k}.{name}": value for k, cell in enumerate(cells) for name, value in cell.state_dict().items()}
    torch.save(state | {f"head.{name}": value for name, value in fc.state_dict().items()}, file)

    class Stack(nn.Module):
        def forward(self, x):
            for cell in cells:
                x = cell(x)[0]
            return (x,)

    network = Net(Stack(), HIDDEN)
    network.fc = fc
    out = imported(file)
    assert read_card(out)[0].layers == 11
    assert np.abs(imported_logits(out, speech) - own_logits(network, speech)).max() < TOLERANCE


def test_features_are_standardised_by_a_file(file):
    network, speech = net("gru"), utterances()
    torch.save(network.state_dict(), file)
    mean, std = np.random.default_rng(0).normal(size=FEATURES), np.linspace(0.5, 2, FEATURES)
    np.savez(file.parent / "norm.npz", mean=mean, std=std)
    out = imported(file, "--standardise", str(file.parent / "norm.npz"))
    own = own_logits(network, [torch.tensor((x.numpy() - mean) / std).float() for x in speech])
    assert np.abs(imported_logits(out, speech) - own).max() < TOLERANCE
    assert load(out).card["features"] == "standardised by mean and std of norm.npz"
