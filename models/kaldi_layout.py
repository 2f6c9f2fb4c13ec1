"""Parameters of pytorch-kaldi, renamed and reordered as this tool's. Loads no torch.

LSTM, GRU, liGRU, per layer l: `w*.l.weight` [hidden, inputs] and `u*.l.weight` [hidden, hidden] for each gate, used by
both directions, where there are two; `bn_w*.l` of each gate, or `w*.l.bias` where batch normalisation is off. `ln.l`
and `bn_w*.l` are in the file whether used or not: a module that was not used still has its initial values.
SRU, under `sru.rnn_lst`: library sru's, see `models.sru_layout`.
Output layer: `wx.0.weight` [outputs, 2 hidden], or [outputs, hidden] of one direction, `wx.0.bias` [outputs].
Source: pytorch-kaldi, neural_networks.py at 9773257.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.named_tensors import Tensors
from models.networks.directions import FORWARD, SEPARATE, SHARED, Directions, count
from models.registry import Spec, spec_from_json
from models.sru_layout import sru_sizes_and_weights
from models.workload import InputError

Weights = dict[str, NDArray[np.float32]]

# model: {gate of ours, in the order they are stacked: (pytorch-kaldi's input matrix, its recurrent matrix)}
GATES = {
    "lstm": {"f": ("wfx", "ufh"), "i": ("wix", "uih"), "o": ("wox", "uoh"), "g": ("wcx", "uch")},
    "gru": {"z": ("wz", "uz"), "r": ("wr", "ur"), "h": ("wh", "uh")},
    "ligru": {"z": ("wz", "uz"), "h": ("wh", "uh")},
}

# Initial values, which an unused module keeps
LAYER_NORM = {"gamma": 1.0, "beta": 0.0}
BATCH_NORM = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0, "num_batches_tracked": 0.0}


def to_spec_and_weights(
    model: str, network: Tensors, output: Tensors, candidate_scale: float = 1.0
) -> tuple[Spec, Weights]:
    """Convert tensors to sizes and parameters. Features are not standardised: input mean 0, deviation 1.

    Sizes are read off the tensors' shapes. Raises InputError, in one line, for a model other than lstm, gru, ligru and
    sru, and for tensors that are missing, of other shapes, or belong to something the model does not do.
    """
    if model != "sru" and model not in GATES:
        raise InputError(f"unknown model '{model}'; there are {', '.join([*GATES, 'sru'])}")
    sizes, weights = _sru(network) if model == "sru" else _gated(model, network, output)
    outputs, _ = output.shape("wx.0.weight", 2)
    weights["output"] = output.take("wx.0.weight", outputs, count(sizes["directions"]) * sizes["hidden"])
    weights["output_bias"] = output.take("wx.0.bias", outputs)
    output.check_unused("ln.0", LAYER_NORM, "layer normalisation")
    output.check_unused("bn.0", BATCH_NORM, "batch normalisation of the outputs")
    weights["input_mean"] = np.zeros(sizes["features"], np.float32)
    weights["input_std"] = np.ones(sizes["features"], np.float32)
    network.finish()
    output.finish()
    if model != "sru":
        sizes["candidate_scale"] = candidate_scale
    return spec_from_json(model, {**sizes, "outputs": outputs}), weights


def _gated(model: str, tensors: Tensors, output: Tensors) -> tuple[dict[str, Any], Weights]:
    gates = GATES[model].values()
    first = next(iter(gates))[0]
    hidden, features = tensors.shape(f"{first}.0.weight", 2)
    directions: Directions = FORWARD if output.shape("wx.0.weight", 2)[1] == hidden else SHARED
    batch_norm = f"{first}.0.bias" not in tensors
    layers = tensors.count(f"{first}.{{}}.weight")
    weights: Weights = {}
    for layer in range(layers):
        cols = count(directions) * hidden if layer else features
        name = f"l{layer}"
        weights[f"input.{name}"] = np.concatenate([tensors.take(f"{w}.{layer}.weight", hidden, cols) for w, _ in gates])
        weights[f"recurrent.{name}"] = np.concatenate(
            [tensors.take(f"{u}.{layer}.weight", hidden, hidden) for _, u in gates]
        )
        bias = "bn_{}.{}.bias" if batch_norm else "{}.{}.bias"
        weights[f"bias.{name}"] = np.concatenate([tensors.take(bias.format(w, layer), hidden) for w, _ in gates])
        if batch_norm:
            for ours, theirs in (("scale", "weight"), ("mean", "running_mean"), ("var", "running_var")):
                weights[f"norm_{ours}.{name}"] = np.concatenate(
                    [tensors.take(f"bn_{w}.{layer}.{theirs}", hidden) for w, _ in gates]
                )
        for w, _ in gates:
            if batch_norm:
                tensors.ignore(f"bn_{w}.{layer}.num_batches_tracked")
            else:
                tensors.check_unused(f"bn_{w}.{layer}", BATCH_NORM, "batch normalisation beside a bias")
        tensors.check_unused(f"ln.{layer}", LAYER_NORM, "layer normalisation")
    sizes = {"features": features, "layers": layers, "hidden": hidden, "batch_norm": batch_norm}
    return sizes | {"directions": directions}, weights


def _sru(tensors: Tensors) -> tuple[dict[str, Any], Weights]:
    layers = tensors.count("sru.rnn_lst.{}.weight")
    return sru_sizes_and_weights(tensors, [f"sru.rnn_lst.{layer}" for layer in range(max(layers, 1))], SEPARATE)
