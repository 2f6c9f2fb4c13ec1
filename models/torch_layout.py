"""Parameters of torch.nn, library sru and SpeechBrain, renamed and reordered as this tool's. Loads no torch.

torch.nn, per layer l, with `_reverse` at the end for the backward direction: `weight_ih_l` [gates hidden, inputs],
`weight_hh_l` [gates hidden, hidden], `bias_ih_l` and `bias_hh_l` [gates hidden], which bias=False leaves out; gates
stacked i, f, g, o (LSTM) and r, z, n (GRU). Only the candidate of the GRU reads its two biases apart.
Library sru: see `models.sru_layout`.
SpeechBrain's LiGRU, per layer: `w.weight` [2 hidden, inputs] and `u.weight` [2 hidden, hidden], candidate over update
gate, for both directions where there are two; `norm`, batch normalisation of w's product; buffers of dropout.
A linear layer makes the outputs: `weight` [outputs, width], `bias` [outputs] or none.
Source: torch 2.13, torch/nn/modules/rnn.py; speechbrain 1.1.2, nnet/RNN.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.named_tensors import Tensors
from models.networks.directions import FORWARD, SEPARATE, SHARED, Directions, count
from models.registry import Spec, spec_from_json
from models.sru_layout import sru_sizes_and_weights
from models.torch_modules import LIGRU, NO_NAME, SRU, TORCH, chosen, modules_in
from models.workload import InputError

Floats = NDArray[np.float32]
Weights = dict[str, Floats]
# gates: (model, the place of each of our gates among torch's)
TORCH_GATES = {4: ("lstm", (1, 0, 3, 2)), 3: ("gru", (1, 0, 2))}
LIGRU_GATES = (1, 0)
SUPPORTED = "taken are one recurrent network and the linear output layer after it"


@dataclass(frozen=True)
class Found:
    """A network in a state dict: sizes, weights, and what it was found as, a line each."""

    spec: Spec
    weights: Weights
    told: tuple[str, ...]


def find_network(
    tensors: Tensors, network: Sequence[str] = (), output: str | None = None, directions: int | None = None
) -> Found:
    """Find the recurrent network and its output layer; every tensor must have a place in them.

    `network` names its modules, one after another, and `output` its linear layer, where they are not clear. The number
    of directions is needed where tensors do not tell it. Features are not standardised: input mean 0, deviation 1.
    Raises InputError, in one line naming the tensor or module.
    """
    _refuse_parametrized(tensors)
    modules = chosen(modules_in(tensors.left), network, tensors.source)
    if not modules:
        raise InputError(
            f"{tensors.source} holds no torch.nn.LSTM or GRU, sru.SRU or LiGRU of SpeechBrain: {_seen(tensors)}"
        )
    layers = [layer for module in modules for layer in module.layers]
    if modules[0].family == TORCH:
        model, kind, sizes, weights = _torch(tensors, layers)
    elif modules[0].family == SRU:
        model, kind = "sru", SRU
        for layer in layers:
            _refuse_custom(tensors, layer)
        sizes, weights = sru_sizes_and_weights(
            tensors, [layer[:-2] for layer in layers], _sru_directions(tensors, directions)
        )
    else:
        model, kind = "ligru", LIGRU
        sizes, weights = _ligru(tensors, [layer[:-1] for layer in layers], directions, output)
    ways = count(sizes["directions"])
    if directions not in (None, ways):
        raise InputError(f"{tensors.source} has a network of {ways} direction{'s' * (ways > 1)}, not {directions}")
    width = ways * sizes["hidden"]
    name = _output_layer(tensors, [width], output)
    weights["output"] = tensors.take(f"{name}weight", tensors.shape(f"{name}weight", 2)[0], width)
    sizes["outputs"] = outputs = len(weights["output"])
    weights["output_bias"] = (tensors.take if f"{name}bias" in tensors else _zeros)(f"{name}bias", outputs)
    weights["input_mean"] = np.zeros(sizes["features"], np.float32)
    weights["input_std"] = np.ones(sizes["features"], np.float32)
    _refuse_left(tensors)
    named = ", ".join(module.name or NO_NAME for module in modules)
    told = f"{named}: {kind}, {len(layers)} layer{'s' * (len(layers) > 1)} of {sizes['hidden']} units, {WORDS[ways]}"
    linear = f"{name.removesuffix('.') or NO_NAME}: linear layer of {outputs} outputs"
    return Found(spec_from_json(model, sizes), weights, (told, linear))


WORDS = {1: "forward in time", 2: "both directions"}


def _torch(tensors: Tensors, layers: Sequence[str]) -> tuple[str, str, dict[str, Any], Weights]:
    """Model, torch's name of it, sizes but for the outputs and weights of layers 'PREFIX*_lK'."""
    if (projection := layers[0].replace("*", "weight_hr")) in tensors:
        tensors.refuse(projection, "proj_size of torch.nn.LSTM")
    first = layers[0].replace("*", "weight_hh")
    rows, hidden = tensors.shape(first, 2)
    if rows not in (3 * hidden, 4 * hidden):
        kind = "torch.nn.RNN" if rows == hidden else "a module that is neither a torch.nn.LSTM nor a GRU"
        tensors.refuse(first, f"{kind} ({rows} rows for {hidden} units)")
    model, order = TORCH_GATES[rows // hidden]
    directions: Directions = SEPARATE if f"{first}_reverse" in tensors else FORWARD
    features = tensors.shape(layers[0].replace("*", "weight_ih"), 2)[1]
    endings = ("", "_reverse")[: count(directions)]
    weights: Weights = {}
    for number, layer in enumerate(layers):
        if (other := tensors.shape(layer.replace("*", "weight_hh"), 2)) != (rows, hidden):
            why = f"a layer of {list(other)} after one of {[rows, hidden]}: other units, or another kind,"
            tensors.refuse(layer.replace("*", "weight_hh"), why)
        cols = count(directions) * hidden if number else features
        each = [(layer.replace("*", "{}") + ending).format for ending in endings]
        inputs = [_reordered(tensors.take(name("weight_ih"), rows, cols), order) for name in each]
        recurrent = [_reordered(tensors.take(name("weight_hh"), rows, hidden), order) for name in each]
        names = [(name("bias_ih"), name("bias_hh")) for name in each]
        has_bias = any(name in tensors for pair in names for name in pair)  # all of them, or none
        take = tensors.take if has_bias else _zeros
        biases = [[_reordered(take(name, rows), order) for name in pair] for pair in names]
        weights[f"input.l{number}"] = np.concatenate(inputs)
        weights[f"recurrent.l{number}"] = np.concatenate(recurrent)
        if model == "gru":  # the reset gate multiplies the candidate's recurrent bias
            weights[f"recurrent_bias.l{number}"] = np.concatenate([apart[2 * hidden :] for _, apart in biases])
            for _, apart in biases:
                apart[2 * hidden :] = 0.0
        weights[f"bias.l{number}"] = np.concatenate([first + second for first, second in biases])
    sizes: dict[str, Any] = {"features": features, "layers": len(layers), "hidden": hidden, "batch_norm": False}
    sizes |= {"directions": directions} | ({"reset_after": True} if model == "gru" else {})
    return model, f"torch.nn.{model.upper()}", sizes, weights


def _sru_directions(tensors: Tensors, directions: int | None) -> Directions:
    if directions is None:
        raise InputError(
            f"{tensors.source}: tensors of an SRU do not tell whether it is bidirectional; give --directions 1, the "
            "library's default, or 2"
        )
    return FORWARD if directions == 1 else SEPARATE


def _refuse_custom(tensors: Tensors, layer: str) -> None:
    own = layer.removesuffix("*")
    for name in tensors.left:
        if name.startswith((f"{own}custom_m.", f"{own}transform_module.")):
            tensors.refuse(name, "a custom module, such as the attention of SRU++,")
        if name.startswith(f"{own}layer_norm."):
            tensors.refuse(name, "layer normalisation")


def _ligru(
    tensors: Tensors, layers: Sequence[str], directions: int | None, output: str | None
) -> tuple[dict[str, Any], Weights]:
    """Sizes but for the outputs and weights of layers 'PREFIXK.'."""
    _, hidden = tensors.shape(f"{layers[0]}u.weight", 2)
    features = tensors.shape(f"{layers[0]}w.weight", 2)[1]
    if len(layers) > 1:
        width = tensors.shape(f"{layers[1]}w.weight", 2)[1]
    else:
        above = _output_layer(tensors, [(directions or 1) * hidden, (directions or 2) * hidden], output, layers)
        width = tensors.shape(f"{above}weight", 2)[1]
    ways: Directions = FORWARD if width == hidden else SHARED
    weights: Weights = {}
    for number, layer in enumerate(layers):
        cols = count(ways) * hidden if number else features
        taken = {
            "input": tensors.take(f"{layer}w.weight", 2 * hidden, cols),
            "recurrent": tensors.take(f"{layer}u.weight", 2 * hidden, hidden),
        }
        if f"{layer}norm.weight" in tensors and f"{layer}norm.running_mean" not in tensors:
            tensors.refuse(f"{layer}norm.weight", "layer normalisation (any but normalization='batchnorm')")
        names = ("bias", "bias"), ("norm_scale", "weight"), ("norm_mean", "running_mean"), ("norm_var", "running_var")
        taken |= {ours: tensors.take(f"{layer}norm.{theirs}", 2 * hidden) for ours, theirs in names}
        weights |= {f"{name}.l{number}": _reordered(array, LIGRU_GATES) for name, array in taken.items()}
        tensors.check_unused(
            layer.removesuffix("."), {"h_init": 0.0, "drop_mask_te": 1.0}, "an initial state or dropout"
        )
        for unused in ("norm.num_batches_tracked", "drop_masks"):
            tensors.ignore(f"{layer}{unused}")
    return {"features": features, "layers": len(layers), "hidden": hidden, "directions": ways}, weights


def _reordered(array: Floats, order: Sequence[int]) -> Floats:
    blocks = np.split(array, len(order))
    return np.concatenate([blocks[place] for place in order])


def _zeros(name: str, *shape: int) -> Floats:
    """A bias that is not there."""
    return np.zeros(shape, np.float32)


def _output_layer(tensors: Tensors, widths: Sequence[int], wanted: str | None, below: Sequence[str] = ()) -> str:
    """Prefix of the linear layer that reads one of these widths, not among the layers `below`."""
    if wanted is not None:
        name = wanted.removesuffix("weight").removesuffix(".")
        return f"{name}." if name else ""
    weights = [name for name in tensors.left if name.rpartition(".")[2] == "weight" and len(tensors.size(name)) == 2]
    weights = [name for name in weights if not name.startswith(tuple(below))]
    fitting = [name for name in weights if tensors.shape(name, 2)[1] in widths]
    if len(fitting) == 1:
        return fitting[0].removesuffix("weight")
    columns = " or ".join(str(width) for width in sorted(set(widths)))
    if not fitting:
        raise InputError(f"{tensors.source} holds no linear output layer of {columns} columns: {_seen(tensors)}")
    names = ", ".join(name.removesuffix("weight").removesuffix(".") for name in fitting)
    raise InputError(
        f"{tensors.source} holds {len(fitting)} linear layers of {columns} columns: {names}; "
        "--map output=NAME takes one"
    )


def _seen(tensors: Tensors, most: int = 5) -> str:
    """What is left, for a message."""
    names = [f"{name} {list(tensors.size(name))}" for name in tensors.left]
    return ", ".join([*names[:most], *(["..."] if len(names) > most else [])]) or "nothing else is in it"


def _refuse_parametrized(tensors: Tensors) -> None:
    """Refuse weights that are made of others at each call."""
    for name in tensors.left:
        if ".parametrizations." in f".{name}" or name.endswith(("weight_g", "weight_v", "weight_orig")):
            why = "a weight made of others (weight or spectral normalisation)"
            tensors.refuse(name, f"{why}, which torch.nn.utils removes before saving,")


def _refuse_left(tensors: Tensors) -> None:
    """Refuse what found no place, by what it seems to be."""
    if not tensors.left:
        return
    name = tensors.left[0]
    module = name.rpartition(".")[0]
    weight = f"{module}.weight" if f"{module}.weight" in tensors else name
    dimensions = len(tensors.size(weight))
    if f"{module}.running_mean" in tensors:
        what = "batch normalisation"
    elif dimensions == 1 and weight != name:
        what = "layer normalisation"
    else:
        what = {2: "another matrix", 3: "a convolution", 4: "a convolution"}.get(dimensions, "a parameter of its own")
    raise InputError(
        f"{tensors.source}: tensor {name}: {what} is not supported; {SUPPORTED}. --ignore {module or name} leaves out "
        "what inference does not use"
    )
