"""Networks in pytorch-kaldi's files, and plain loops over its equations that run them."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dse.import_kaldi import main

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


def run_gated(
    model: str, net: nn.Module, x: torch.Tensor, batch_norm: bool, keep: float, directions: int = 2
) -> torch.Tensor:
    """One utterance [T, features]. The reversed sequence is a second row of the batch; both rows share weights."""
    for layer in range(LAYERS):
        rows = torch.stack([x, x.flip(0)][:directions], dim=1)  # [T, directions, inputs]
        pre, back = {}, {}
        for gate, (w, u) in NAMES[model].items():
            pre[gate] = net.get_submodule(w)[layer](rows)
            if batch_norm:
                norm = net.get_submodule(f"bn_{w}")[layer]
                scaled = (pre[gate] - norm.running_mean) / (norm.running_var + 1e-5).sqrt()
                pre[gate] = scaled * norm.weight + norm.bias
            back[gate] = net.get_submodule(u)[layer]
        h = c = torch.zeros(directions, HIDDEN, dtype=torch.float64)
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
        x = torch.cat([both[:, 0], both[:, 1].flip(0)], dim=1) if directions == 2 else both[:, 0]
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


def one_line(capsys) -> str:
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: ") and captured.err.count("\n") == 1
    return captured.err.strip()
