"""Networks of library sru and SpeechBrain are imported as what these libraries compute: stored, and where installed."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from library_networks import GOLDEN, NETWORKS, library_net, speechbrain_rnn, sru
from torch_networks import imported, imported_logits, refusal

from models.checkpoint import read_card

TOLERANCE = 1e-5
names = pytest.mark.parametrize("name", NETWORKS)


def directions(name: str) -> list[str]:
    """Tensors of an SRU do not tell them."""
    library, options = NETWORKS[name]
    return ["--directions", str(1 + bool(options.get("bidirectional")))] if library == "sru" else []


def stored(name: str) -> tuple[dict[str, torch.Tensor], np.ndarray, np.ndarray]:
    """State_dict, features [T, features] and logits [T, outputs] of a golden file."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        state = {key.removeprefix("state."): torch.tensor(file[key]) for key in file if key.startswith("state.")}
        return state, file["features"], file["logits"]


@names
def test_stored_networks_are_imported_as_the_library_runs_them(tmp_path, name):
    state, features, logits = stored(name)
    torch.save(state, tmp_path / "net.pt")
    out = imported(tmp_path / "net.pt", *directions(name))
    both = "shared" if name.startswith("ligru") else "separate"
    assert read_card(out)[0].directions == (both if NETWORKS[name][1].get("bidirectional") else "forward")
    assert np.abs(imported_logits(out, [torch.tensor(features)]) - logits).max() < TOLERANCE
    assert logits.std() > 0.1


@names
def test_installed_libraries_run_them_so(tmp_path, name):
    require(NETWORKS[name][0])
    for seed in range(3):
        torch.manual_seed(seed)
        net = library_net(name)
        speech = [torch.randn(frames, net.features) * 1.5 for frames in (1, 2, 30)]
        with torch.no_grad():
            logits = torch.cat([net(x) for x in speech]).numpy()
        torch.save(net.state_dict(), tmp_path / "net.pt")
        out = imported(tmp_path / "net.pt", *directions(name))
        assert np.abs(imported_logits(out, speech) - logits).max() < TOLERANCE


@names
def test_installed_libraries_give_what_is_stored(name):
    require(NETWORKS[name][0])
    state, features, logits = stored(name)
    net = library_net(name)
    net.load_state_dict(state)
    with torch.no_grad():
        assert np.abs(net(torch.tensor(features)).numpy() - logits).max() < TOLERANCE


def require(*libraries: str) -> None:
    """Skip the test where a library is not installed."""
    if missing := [library for library in libraries if find_spec(library) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}, of the extra oracles")


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("sru-forward", {"encoder.rnn_lst.1.layer_norm.weight": torch.ones(6)}, "layer normalisation is not supported"),
        (
            "sru-forward",
            {"encoder.rnn_lst.0.custom_m.w": torch.ones(6)},
            "custom module, such as the attention of SRU++",
        ),
        ("sru-forward", {"encoder.rnn_lst.0.transform_module.w": torch.ones(6)}, "such as the attention of SRU++"),
        ("sru-forward", {"encoder.input_to_hidden.weight": torch.ones(6, 3)}, "input_to_hidden.weight: another matrix"),
        ("sru-forward", {"encoder.rnn_lst.0.weight": torch.ones(5, 18)}, "layer without highway (has_skip_term=False)"),
        ("sru-rescaled", {"encoder.rnn_lst.1.scale_x": torch.ones(1)}, "a highway scale of 1.0000 beside 1.1272"),
        ("sru-rescaled", {"encoder.rnn_lst.1.weight": None}, "tensor encoder.rnn_lst.1.weight is missing"),
        ("ligru-both", {"encoder.rnn.0.norm.running_mean": None}, "norm.weight: layer normalisation"),
        ("ligru-both", {"encoder.rnn.1.h_init": torch.ones(1, 6)}, "h_init: an initial state or dropout"),
    ],
)
def test_what_the_models_here_do_not_do_is_refused_by_name(tmp_path, capsys, name, changed, said):
    state, *_ = stored(name)
    state = {key: value for key, value in (state | changed).items() if value is not None}
    torch.save(state, tmp_path / "net.pt")
    assert said in refusal(capsys, tmp_path / "net.pt", *directions(name))


def test_directions_of_an_sru_are_asked_for(tmp_path, capsys):
    torch.save(stored("sru-both")[0], tmp_path / "net.pt")
    assert "tensors of an SRU do not tell whether it is bidirectional; give --directions" in refusal(
        capsys, tmp_path / "net.pt"
    )
    out = imported(tmp_path / "net.pt", "--directions", "1")
    assert read_card(out)[0].hidden == 12  # one direction of twice the units, which the tensors are too


def test_installed_libraries_name_what_is_refused_so(tmp_path, capsys):
    """The names of tensors above are the libraries' own."""
    require("sru", "speechbrain")
    head, path = torch.nn.Linear(6, 3), tmp_path / "net.pt"
    for net, said in (
        (sru().SRU(5, 6, layer_norm=True), "layer normalisation"),
        (sru().SRU(5, 6, custom_m=torch.nn.Linear(5, 24)), "custom module"),
        (sru().SRU(5, 6, has_skip_term=False), "layer without highway"),
        (sru().SRU(5, 6, proj_input_to_hidden_first=True), "another matrix"),
        (speechbrain_rnn().LiGRU(6, input_shape=(1, None, 5), normalization="layernorm"), "layer normalisation"),
    ):
        torch.save(net.state_dict() | {f"head.{key}": value for key, value in head.state_dict().items()}, path)
        assert said in refusal(capsys, path, "--directions", "1"), said
