"""Parameters of pytorch-kaldi, renamed and reordered as this tool's. Loads no torch.

LSTM, GRU, liGRU, per layer l: `w*.l.weight` [hidden, inputs] and `u*.l.weight` [hidden, hidden] for each gate, used by
both directions; `bn_w*.l` of each gate, or `w*.l.bias` where batch normalisation is off. `ln.l` and `bn_w*.l` are in
the file whether used or not: a module that was not used still has its initial values.
SRU, per layer l, under `sru.rnn_lst.l`: `weight_proj` [inputs, projection] where there is one; `weight`
[inputs or projection, 2 hidden k], column (direction * hidden + unit) * k + part, the parts being candidate, forget,
reset and, where the layer's input and output sizes differ, highway (k 4 in place of 3); `weight_c` and `bias`
[2 * 2 hidden], all forget, then all reset; `scale_x` [1], which multiplies the highway input where k is 3.
Output layer: `wx.0.weight` [outputs, 2 hidden], `wx.0.bias` [outputs].
Source: pytorch-kaldi, neural_networks.py at 9773257; sru/modules.py and sru/csrc/sru_cpu_impl.cpp of library sru 2.5.1
(927f39d). The layout is the same in 2.1.7, the last version that takes the options pytorch-kaldi passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.networks.sru import ALPHA
from models.registry import Spec, spec_from_json
from models.workload import InputError

Weights = dict[str, NDArray[np.float32]]

# model: {gate of ours, in the order they are stacked: (pytorch-kaldi's input matrix, its recurrent matrix)}
GATES = {
    "lstm": {"f": ("wfx", "ufh"), "i": ("wix", "uih"), "o": ("wox", "uoh"), "g": ("wcx", "uch")},
    "gru": {"z": ("wz", "uz"), "r": ("wr", "ur"), "h": ("wh", "uh")},
    "ligru": {"z": ("wz", "uz"), "h": ("wh", "uh")},
}


class Tensors:
    """Tensors of one file, taken by name and shape; `finish` rejects a file with tensors that were never taken.

    Methods that reject something raise InputError with one line that names the file and the tensor.
    """

    def __init__(self, source: str, kind: str, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        self.source, self.kind = source, kind
        self._arrays, self._left = arrays, set(arrays)

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def shape(self, name: str, dimensions: int) -> tuple[int, ...]:
        """Shape of a tensor, which must have so many dimensions, none of them 0."""
        if name not in self._arrays:
            raise InputError(f"{self.source}: tensor {name} is missing; pytorch-kaldi's {self.kind} has it")
        shape = self._arrays[name].shape
        if len(shape) != dimensions or not all(shape):
            raise InputError(f"{self.source}: tensor {name} is {list(shape)}, should have {dimensions} dimensions")
        return shape

    def take(self, name: str, *shape: int) -> NDArray[np.float32]:
        """Take a tensor, which must have that shape and finite values."""
        found = self.shape(name, len(shape))
        if found != shape:
            raise InputError(f"{self.source}: tensor {name} is {list(found)}, should be {list(shape)}")
        if not np.isfinite(self._arrays[name]).all():
            raise InputError(f"{self.source}: tensor {name} holds values that are not finite")
        self._left.discard(name)
        return self._arrays[name]

    def count(self, name: str) -> int:
        """Count the tensors name.format(0), name.format(1), ... up to the first that is missing."""
        layers = 0
        while name.format(layers) in self._arrays:
            layers += 1
        return layers

    def refuse(self, name: str, why: str) -> None:
        """Raise InputError: `why`, found in the tensor, is not supported."""
        raise InputError(f"{self.source}: tensor {name}: {why} is not supported")

    def check_unused(self, module: str, initial: Mapping[str, float], what: str) -> None:
        """Accept the parameters of the unused `module` if they have their `initial` values; else refuse `what`."""
        for parameter, value in initial.items():
            name = f"{module}.{parameter}"
            if name in self and (self._arrays[name] != value).any():
                self.refuse(name, what)
            self._left.discard(name)

    def ignore(self, name: str) -> None:
        """Accept a tensor, if there is one, without using it."""
        self._left.discard(name)

    def check_bidirectional(self, name: str, below: int) -> None:
        """Refuse the matrix `name` if the layer below, of `below` units a direction, has one direction only."""
        if self.shape(name, 2)[1] == below:
            self.refuse(name, f"a layer of one direction below (one column for each of its {below} units)")

    def finish(self) -> None:
        """Check that all tensors were taken or accepted."""
        if self._left:
            raise InputError(f"{self.source}: tensor {min(self._left)} has no place in this tool's {self.kind}")


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
    sizes, weights = _sru(network) if model == "sru" else _gated(model, network)
    outputs, _ = output.shape("wx.0.weight", 2)
    if model != "sru":
        output.check_bidirectional("wx.0.weight", sizes["hidden"])
    weights["output"] = output.take("wx.0.weight", outputs, 2 * sizes["hidden"])
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


def _gated(model: str, tensors: Tensors) -> tuple[dict[str, Any], Weights]:
    gates = GATES[model].values()
    first = next(iter(gates))[0]
    hidden, features = tensors.shape(f"{first}.0.weight", 2)
    batch_norm = f"{first}.0.bias" not in tensors
    layers = tensors.count(f"{first}.{{}}.weight")
    weights: Weights = {}
    for layer in range(layers):
        if layer:
            tensors.check_bidirectional(f"{first}.{layer}.weight", hidden)
        cols = 2 * hidden if layer else features
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
    return {"features": features, "layers": layers, "hidden": hidden, "batch_norm": batch_norm}, weights


def _sru(tensors: Tensors) -> tuple[dict[str, Any], Weights]:
    prefix = "sru.rnn_lst"
    (rows,) = tensors.shape(f"{prefix}.0.bias", 1)
    width = rows // 2  # both directions
    if rows % 4:
        tensors.refuse(f"{prefix}.0.bias", f"a length of {rows}, which is not 4 times the units of a direction,")
    layers = tensors.count(f"{prefix}.{{}}.weight")
    projected = [k for k in range(layers) if f"{prefix}.{k}.weight_proj" in tensors]
    features = tensors.shape(f"{prefix}.0.weight_proj" if 0 in projected else f"{prefix}.0.weight", 2)[0]
    projection = max(features, width)  # projects nothing
    if projected:
        projection = tensors.shape(f"{prefix}.{projected[0]}.weight_proj", 2)[1]
    weights: Weights = {}
    for layer in range(layers):
        name, ours = f"{prefix}.{layer}", f"l{layer}"
        cols = width if layer else features
        parts = 3 if cols == width else 4
        if projection < cols:
            weights[f"projections.{ours}"] = tensors.take(f"{name}.weight_proj", cols, projection).T
            cols = projection
        weight = tensors.take(f"{name}.weight", cols, width * parts).reshape(cols, width, parts)
        weights[f"weights.{ours}"] = weight.transpose(2, 1, 0).reshape(parts * width, cols)
        weights[f"v.{ours}"] = tensors.take(f"{name}.weight_c", 2 * width).reshape(2, width)
        weights[f"b.{ours}"] = tensors.take(f"{name}.bias", 2 * width).reshape(2, width)
        (scale,) = tensors.take(f"{name}.scale_x", 1)
        if parts == 3 and abs(scale - ALPHA) > 1e-6:
            tensors.refuse(f"{name}.scale_x", f"a highway scale of {scale:.4f} in place of {ALPHA:.4f}")
    return {"features": features, "layers": layers, "hidden": width // 2, "projection": projection}, weights
