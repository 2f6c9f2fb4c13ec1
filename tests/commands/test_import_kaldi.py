"""Imported pytorch-kaldi networks: files in its layout, logits against a plain loop over its equations, refusals."""

import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dse.import_kaldi import main
from models.checkpoint import load, read_card
from models.kaldi_layout import Tensors, to_spec_and_weights
from models.registry import build_network

FEATURES, HIDDEN, LAYERS, OUTPUTS = 5, 6, 3, 11
LENGTHS = [1, 2, 9, 17]
# model: {gate: (input matrix, recurrent matrix)}
NAMES = {
    "lstm": {"f": ("wfx", "ufh"), "i": ("wix", "uih"), "o": ("wox", "uoh"), "c": ("wcx", "uch")},
    "gru": {"h": ("wh", "uh"), "z": ("wz", "uz"), "r": ("wr", "ur")},
    "ligru": {"h": ("wh", "uh"), "z": ("wz", "uz")},
}
GATED = list(NAMES)


def randomise(module: nn.Module) -> None:
    """Every value its own, variances positive; modules named ln stay as they were made."""
    for name, value in module.state_dict().items():
        if not name.startswith("ln.") and value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5 if name.endswith("running_var") else torch.randn_like(value) * 0.5)


class LayerNorm(nn.Module):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(units)), nn.Parameter(torch.zeros(units))


def gated(model: str, batch_norm: bool = True, directions: int = 2) -> nn.Module:
    """Submodules under pytorch-kaldi's names; they hold parameters, the loop below runs them."""
    net = nn.Module()
    inputs = [FEATURES] + [directions * HIDDEN] * (LAYERS - 1)
    net.ln = nn.ModuleList(LayerNorm(HIDDEN) for _ in inputs)
    for w, u in NAMES[model].values():
        net.add_module(w, nn.ModuleList(nn.Linear(n, HIDDEN, bias=not batch_norm) for n in inputs))
        net.add_module(u, nn.ModuleList(nn.Linear(HIDDEN, HIDDEN, bias=False) for _ in inputs))
    randomise(net)
    for w, _ in NAMES[model].values():
        net.add_module(f"bn_{w}", nn.ModuleList(nn.BatchNorm1d(HIDDEN) for _ in inputs))
        if batch_norm:
            randomise(net.get_submodule(f"bn_{w}"))
    return net.double().eval()


def run_gated(model: str, net: nn.Module, x: torch.Tensor, batch_norm: bool, keep: float) -> torch.Tensor:
    """One utterance [T, features]. The reversed sequence is a second row of the batch; both rows share weights."""
    for layer in range(LAYERS):
        rows = torch.stack([x, x.flip(0)], dim=1)  # [T, 2, inputs]
        pre, back = {}, {}
        for gate, (w, u) in NAMES[model].items():
            pre[gate] = net.get_submodule(w)[layer](rows)
            if batch_norm:
                norm = net.get_submodule(f"bn_{w}")[layer]
                scaled = (pre[gate] - norm.running_mean) / (norm.running_var + 1e-5).sqrt()
                pre[gate] = scaled * norm.weight + norm.bias
            back[gate] = net.get_submodule(u)[layer]
        h = c = torch.zeros(2, HIDDEN, dtype=torch.float64)
        steps = []
        for t in range(len(x)):
            sigmoid = lambda gate: (pre[gate][t] + back[gate](h)).sigmoid()  # noqa: B023, E731
            if model == "lstm":
                candidate = (pre["c"][t] + back["c"](h)).tanh() * keep
                c = sigmoid("i") * candidate + sigmoid("f") * c
                h = sigmoid("o") * c.tanh()
            elif model == "gru":
                candidate = (pre["h"][t] + back["h"](sigmoid("r") * h)).tanh() * keep
                z = sigmoid("z")
                h = z * h + (1 - z) * candidate
            else:
                candidate = (pre["h"][t] + back["h"](h)).relu() * keep
                z = sigmoid("z")
                h = z * h + (1 - z) * candidate
            steps.append(h)
        both = torch.stack(steps)
        x = torch.cat([both[:, 0], both[:, 1].flip(0)], dim=1)
    return x


SCALE_X = float((1 + 2 * np.exp(-1.0)) ** 0.5)


def sru(features: int, projection: int) -> dict[str, torch.Tensor]:
    """The library's parameters. No projection where it would not shrink the input, or is 0."""
    state: dict[str, torch.Tensor] = OrderedDict()
    for layer in range(LAYERS):
        inputs, name = (2 * HIDDEN if layer else features), f"sru.rnn_lst.{layer}"
        parts = 3 if inputs == 2 * HIDDEN else 4
        if 0 < projection < inputs:
            state[f"{name}.weight_proj"] = torch.randn(inputs, projection) / inputs**0.5
        rows = projection if 0 < projection < inputs else inputs
        state[f"{name}.weight"] = torch.randn(rows, 2 * HIDDEN * parts) / rows**0.5
        state[f"{name}.weight_c"] = torch.randn(4 * HIDDEN)
        state[f"{name}.bias"] = torch.randn(4 * HIDDEN)
        state[f"{name}.scale_x"] = torch.tensor([SCALE_X])
    return state


def run_sru(state: dict[str, torch.Tensor], x: np.ndarray) -> np.ndarray:
    """One utterance, unit by unit, at the library's flat places: unit j of both directions has u[j * k + part]."""
    sigmoid = lambda value: 1 / (1 + np.exp(-value))  # noqa: E731
    for layer in range(LAYERS):
        arrays = {name.split(".")[-1]: t.numpy().astype(float) for name, t in state.items() if f".{layer}." in name}
        inputs, frames, width = x.shape[1], len(x), 2 * HIDDEN
        k = 3 if inputs == width else 4
        u = (x @ arrays["weight_proj"] if "weight_proj" in arrays else x) @ arrays["weight"]
        h = np.zeros((frames, width))
        for j in range(width):
            c = 0.0
            for t in range(frames) if j < HIDDEN else reversed(range(frames)):
                u0, u1, u2, *highway = u[t, j * k : (j + 1) * k]
                through = highway[0] if highway else x[t, j] * arrays["scale_x"][0]
                f = sigmoid(u1 + arrays["weight_c"][j] * c + arrays["bias"][j])
                r = sigmoid(u2 + arrays["weight_c"][width + j] * c + arrays["bias"][width + j])
                c = (c - u0) * f + u0
                h[t, j] = (c - through) * r + through
        x = h
    return x


def output_layer(columns: int = 2 * HIDDEN) -> nn.Module:
    net = nn.Module()
    net.wx = nn.ModuleList([nn.Linear(columns, OUTPUTS)])
    randomise(net)
    net.bn, net.ln = nn.ModuleList([nn.BatchNorm1d(OUTPUTS)]), nn.ModuleList([LayerNorm(OUTPUTS)])
    return net


def state_of(net: nn.Module) -> dict[str, torch.Tensor]:
    """A true state_dict, with torch's own attributes on it, float32 as pytorch-kaldi has it."""
    return net.float().state_dict()


def write(path: Path, state: object, **how: bool) -> Path:
    optimiser = torch.optim.RMSprop([nn.Parameter(torch.zeros(2))], lr=1e-3)
    torch.save({"model_par": state, "optimizer_par": optimiser.state_dict()}, path, **how)
    return path


def run_import(folder: Path, model: str, *more: str) -> int:
    files = [f"--{option}={folder / name}" for option, name in FILES.items()]
    return main(["--model", model, *files, *more])


FILES = {"architecture": "final_architecture1.pkl", "output": "final_architecture2.pkl", "out": "net.safetensors"}


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(7)
    write(tmp_path / FILES["output"], state_of(output_layer()))
    return tmp_path


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


class Marks:
    """Unpickled by the ordinary loader, runs a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("how", ["torch zip", "torch legacy", "bare pickle", "optimiser"])
@pytest.mark.parametrize("file", ["architecture", "output"])
def test_a_pickle_with_other_objects_is_refused_and_not_run(folder, capsys, how, file):
    write(folder / FILES["architecture"], state_of(gated("ligru")))
    path, mark = folder / FILES[file], folder / "ran"
    if how == "bare pickle":
        path.write_bytes(pickle.dumps({"model_par": Marks(mark)}))
        pickle.loads(path.read_bytes())
        assert mark.exists()  # the file does bite
        mark.unlink()
    elif how == "optimiser":
        torch.save({"model_par": {"a": torch.zeros(1)}, "optimizer_par": Marks(mark)}, path)
    else:
        torch.save({"model_par": Marks(mark)}, path, _use_new_zipfile_serialization=how == "torch zip")
    assert run_import(folder, "ligru") == 2
    assert not mark.exists() and not (folder / FILES["out"]).exists()
    assert one_line(capsys).endswith("it is damaged, or holds objects other than tensors, numbers and text")


def one_line(capsys) -> str:
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: ") and captured.err.count("\n") == 1
    return captured.err.strip()


@pytest.mark.parametrize("content", [b"", b"\x80", b"PK\x03\x04 not a zip", b"plain text\n" * 9, bytes(range(256)) * 9])
def test_damaged_files_are_named(folder, capsys, content):
    (folder / FILES["architecture"]).write_bytes(content)
    assert run_import(folder, "gru") == 2
    assert FILES["architecture"] in one_line(capsys)


def test_truncated_files_are_named(folder, capsys):
    path = write(folder / FILES["architecture"], state_of(gated("gru")))
    whole = path.read_bytes()
    for length in range(0, len(whole), len(whole) // 23):
        path.write_bytes(whole[:length])
        assert run_import(folder, "gru") == 2
        assert FILES["architecture"] in one_line(capsys)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "no 'model_par'"),
        ({"state": {}}, "no 'model_par'"),
        ({"model_par": {"wz.0.weight": 3}}, "'wz.0.weight' in model_par is not a plain tensor"),
        ({"model_par": {"wz.0.weight": torch.eye(3).to_sparse()}}, "not a plain tensor"),
        ({"model_par": {"wz.0.weight": torch.ones(3, 3, device="meta")}}, "not a plain tensor"),
        ({"model_par": {"wz.0.weight": torch.ones(3, 3, dtype=torch.complex64)}}, "not a plain tensor"),
        ({"model_par": {}}, "tensor wz.0.weight is missing"),
    ],
)
def test_files_of_other_content_are_refused(folder, capsys, content, said):
    torch.save(content, folder / FILES["architecture"])
    assert run_import(folder, "ligru") == 2
    assert said in one_line(capsys)


def test_a_missing_file_is_named(folder, capsys):
    assert run_import(folder, "ligru") == 2
    assert FILES["architecture"] in one_line(capsys)


@pytest.mark.parametrize("model", [*GATED, "sru"])
def test_every_missing_or_misshapen_tensor_is_named(model):
    """Each tensor in turn left out, cut by a column, given a dimension more, or made infinite."""
    torch.manual_seed(1)
    arrays = {
        name: value.numpy()
        for name, value in (sru(FEATURES, 8) if model == "sru" else state_of(gated(model))).items()
        if not name.startswith("ln.") and not name.endswith("num_batches_tracked")
    }
    output = {name: value.numpy() for name, value in state_of(output_layer()).items() if name.startswith("wx.")}
    fixed = lambda given, other: to_spec_and_weights(model, Tensors("a", "net", given), Tensors("b", "mlp", other))  # noqa: E731
    fixed(arrays, output)
    damage = {
        "missing": lambda whole, name: {n: a for n, a in whole.items() if n != name},
        "narrower": lambda whole, name: whole | {name: whole[name][..., :-1]},
        "deeper": lambda whole, name: whole | {name: whole[name][None]},
        "infinite": lambda whole, name: whole | {name: np.full_like(whole[name], np.inf)},
    }
    for harm in damage.values():
        for name in arrays:
            with pytest.raises(ValueError, match=r"^a: tensor \S+ .*") as caught:
                fixed(harm(arrays, name), output)
            assert "\n" not in str(caught.value)
        for name in output:
            with pytest.raises(ValueError, match=rf"^b: tensor {name} "):
                fixed(arrays, harm(output, name))


@pytest.mark.parametrize(
    ("model", "asked", "said"),
    [
        ("gru", "ligru", "tensor bn_wr.0.bias has no place in this tool's liGRU network"),
        ("ligru", "gru", "tensor wr.0.weight is missing; pytorch-kaldi's GRU network has it"),
        ("gru", "lstm", "tensor wfx.0.weight is missing"),
        ("lstm", "sru", "tensor sru.rnn_lst.0.bias is missing"),
        ("lstm", "rnn", "unknown model 'rnn'; there are lstm, gru, ligru, sru"),
    ],
)
def test_the_wrong_model_is_named(folder, capsys, model, asked, said):
    write(folder / FILES["architecture"], state_of(gated(model)))
    assert run_import(folder, asked) == 2
    assert said in one_line(capsys)


def test_swapped_files_are_named(folder, capsys):
    write(folder / FILES["architecture"], state_of(output_layer()))
    write(folder / FILES["output"], state_of(gated("ligru")))
    assert run_import(folder, "ligru") == 2
    assert "final_architecture1.pkl: tensor wz.0.weight is missing" in one_line(capsys)


@pytest.mark.parametrize("model", GATED)
def test_one_direction_is_refused(folder, capsys, model):
    write(folder / FILES["architecture"], state_of(gated(model, directions=1)))
    assert run_import(folder, model) == 2
    assert "tensor w" in (line := one_line(capsys)) and ".1.weight: a layer of one direction" in line


def test_one_direction_of_a_single_layer_is_refused(folder, capsys):
    one = {n: v for n, v in state_of(gated("ligru")).items() if ".0." in n}
    write(folder / FILES["architecture"], one)
    assert run_import(folder, "ligru") == 0
    capsys.readouterr()
    write(folder / FILES["output"], state_of(output_layer(HIDDEN)))
    assert run_import(folder, "ligru") == 2
    assert "tensor wx.0.weight: a layer of one direction" in one_line(capsys)


@pytest.mark.parametrize(
    ("file", "name", "value", "said"),
    [
        ("architecture", "ln.2.gamma", torch.full((HIDDEN,), 1.1), "tensor ln.2.gamma: layer normalisation"),
        ("architecture", "ln0.gamma", torch.ones(FEATURES), "tensor ln0.gamma has no place"),
        ("architecture", "bn0.weight", torch.ones(FEATURES), "tensor bn0.weight has no place"),
        ("architecture", "wz.1.bias", torch.ones(HIDDEN), "tensor wz.1.bias has no place"),
        ("architecture", "wz.4.weight", torch.ones(HIDDEN, 2 * HIDDEN), "tensor wz.4.weight has no place"),
        ("output", "bn.0.running_mean", torch.ones(OUTPUTS), "tensor bn.0.running_mean: batch normalisation"),
        ("output", "ln.0.beta", torch.ones(OUTPUTS), "tensor ln.0.beta: layer normalisation"),
        ("output", "wx.1.weight", torch.ones(3, OUTPUTS), "tensor wx.1.weight has no place"),
    ],
)
def test_what_the_models_do_not_do_is_named(folder, capsys, file, name, value, said):
    states = {"architecture": state_of(gated("ligru")), "output": state_of(output_layer())}
    states[file] = OrderedDict(states[file], **{name: value})
    for key, state in states.items():
        write(folder / FILES[key], state)
    assert run_import(folder, "ligru") == 2
    assert said in one_line(capsys)


def test_normalisation_beside_a_bias_is_refused(folder, capsys):
    state = state_of(gated("gru", batch_norm=False))
    state["bn_wr.1.running_var"] += 0.1
    write(folder / FILES["architecture"], state)
    assert run_import(folder, "gru") == 2
    assert "tensor bn_wr.1.running_var: batch normalisation beside a bias" in one_line(capsys)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("sru.rnn_lst.1.scale_x", torch.ones(1), "scale_x: a highway scale of 1.0000 in place of 1.3175"),
        ("sru.rnn_lst.0.bias", torch.ones(18), "a length of 18"),
        ("sru.rnn_lst.0.gain", torch.ones(48), "tensor sru.rnn_lst.0.gain has no place"),
        ("sru.rnn_lst.2.layer_norm.weight", torch.ones(12), "layer_norm.weight has no place"),
        ("sru.ln_lst.0.a", torch.ones(12), "tensor sru.ln_lst.0.a has no place"),
        # without skip term the first layer has three parts
        ("sru.rnn_lst.0.weight", torch.ones(5, 36), "weight is [5, 36], should be [5, 48]"),
    ],
)
def test_other_srus_are_refused(folder, capsys, name, value, said):
    write(folder / FILES["architecture"], OrderedDict(sru(FEATURES, 8), **{name: value}))
    assert run_import(folder, "sru") == 2
    assert said in one_line(capsys)


@pytest.mark.parametrize("dropout", ["1", "-0.1", "nan", "1.5"])
def test_dropout_out_of_range_is_refused(folder, capsys, dropout):
    write(folder / FILES["architecture"], state_of(gated("gru")))
    assert run_import(folder, "gru", f"--dropout={dropout}") == 2
    assert "dropout must be in [0, 1)" in one_line(capsys)


def test_srus_dropout_leaves_nothing_to_give(folder, capsys):
    write(folder / FILES["architecture"], sru(FEATURES, 8))
    assert run_import(folder, "sru", "--dropout=0.1") == 2
    assert "does not apply to sru" in one_line(capsys)


LIGRU_CFG = """[exp]
cmd =
[architecture1]
arch_name = liGRU_layers
arch_class = liGRU
ligru_lay = 6,6,6
ligru_drop = 0.35,0.35,0.35
ligru_use_laynorm = False,False,False
ligru_act = relu,relu,relu
[architecture2]
arch_class = MLP
[model]
model = out_dnn1=compute(liGRU_layers,fbank)
\tout_dnn2=compute(MLP_layers,out_dnn1)
"""


def test_the_cfg_gives_the_dropout(folder):
    write(folder / FILES["architecture"], state_of(gated("ligru")))
    (folder / "a.cfg").write_text(LIGRU_CFG)
    assert run_import(folder, "ligru", f"--cfg={folder / 'a.cfg'}") == 0
    spec, card = read_card(folder / FILES["out"])
    assert spec.candidate_scale == pytest.approx(0.65)
    assert card["imported"]["cfg_checked"] is True


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("relu,relu,relu", "relu,tanh,relu", "ligru_act is 'relu,tanh,relu', only relu"),
        ("False,False,False", "False,True,False", "ligru_use_laynorm is"),
        ("= liGRU\n", "= minimalGRU\n", "0 architectures of arch_class liGRU, should be 1; it has minimalGRU, MLP"),
        ("0.35,0.35,0.35", "0.35,0.2,0.35", "not one number for all layers"),
        ("0.35,0.35,0.35", "0.2*12|0.1*12", "not one number for all layers"),
        ("0.35,0.35,0.35", "1,1,1", "dropout must be in [0, 1)"),
        ("[exp]", "exp", "is not a pytorch-kaldi cfg"),
    ],
)
def test_a_cfg_of_another_network_is_refused(folder, capsys, old, new, said):
    write(folder / FILES["architecture"], state_of(gated("ligru")))
    (folder / "a.cfg").write_text(LIGRU_CFG.replace(old, new))
    assert run_import(folder, "ligru", f"--cfg={folder / 'a.cfg'}") == 2
    assert said in one_line(capsys)


@pytest.mark.parametrize("option", ["sru_bidirectional", "sru_use_tanh"])
def test_the_cfg_tells_what_an_srus_tensors_do_not(folder, capsys, option):
    write(folder / FILES["architecture"], sru(FEATURES, 8))
    options = {"sru_bidirectional": True, "sru_use_tanh": False, "sru_use_relu": False, "sru_use_selu": False}
    for expected in (0, 2):
        lines = [f"{name} = {value}" for name, value in options.items()]
        (folder / "a.cfg").write_text("\n".join(["[architecture1]", "arch_class = SRU", *lines]))
        assert run_import(folder, "sru", f"--cfg={folder / 'a.cfg'}") == expected
        options[option] = not options[option]
        if expected == 0:
            capsys.readouterr()
    assert option in one_line(capsys)


def test_help_loads_no_torch():
    code = (
        "import sys\nfrom dse.import_kaldi import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "assert not {'torch', 'numba'} & set(sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "--architecture" in shown and "normalised" in shown
