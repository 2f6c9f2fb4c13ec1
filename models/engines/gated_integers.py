"""LSTM, GRU and LiGRU in integers: batch normalisation folded into input matrices, grids of gates and states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from models.engines.float_matvec import FloatMatVec
from models.engines.integer_network import Floats, GatedLayer, IntegerMatVec
from models.networks.recurrent import NORM_EPSILON, Recurrent
from models.quantization.calibration import Calibration
from models.quantization.fixed_point import PREACTIVATION_FRACTION_BITS, to_grid


def float_matvecs(spec: Recurrent, weights: Mapping[str, Floats], calibration: Calibration) -> Iterator[FloatMatVec]:
    """Sites of every layer's matvecs: the input matvecs gate by gate, then the recurrent ones."""
    reset_after = getattr(spec, "reset_after", False)
    bits = calibration.fraction_bits("features")
    for layer in range(spec.layers):
        state = calibration.fraction_bits(f"l{layer}.state")
        candidate_bits = PREACTIVATION_FRACTION_BITS
        if spec.rectified:  # its preactivations are unbounded: the gates' grid, or a coarser one if they reach further
            candidate_bits = min(candidate_bits, calibration.fraction_bits(f"l{layer}.rectified"))
        grids = ([PREACTIVATION_FRACTION_BITS] * (len(spec.gates) - 1) + [candidate_bits]) * spec.sets
        matrix, bias = fold_batch_norm(spec, weights, layer)
        back_bias = np.zeros_like(bias)
        if reset_after:
            by_gate = back_bias.reshape(spec.sets, len(spec.gates), spec.hidden)
            by_gate[:, -1] = weights[f"recurrent_bias.l{layer}"].reshape(spec.sets, spec.hidden)
        for names, stacked, reads, added in (
            (spec.input_names(layer), matrix, bits, bias),
            (spec.recurrent_names(layer), weights[f"recurrent.l{layer}"], state, back_bias),
        ):
            blocks = zip(names, np.split(stacked, len(names)), np.split(added, len(names)), grids, strict=True)
            for name, block, part, grid in blocks:
                yield FloatMatVec(name, block, reads, np.full(spec.hidden, grid, np.int8), to_grid(part, grid))
        bits = state


def layer(
    spec: Recurrent,
    weights: Mapping[str, Floats],
    calibration: Calibration,
    number: int,
    matvec: Callable[[str], IntegerMatVec],
) -> GatedLayer:
    """Layer `number` in integers; `matvec(name)` quantizes its matvecs."""
    every = tuple(matvec(name) for name in spec.recurrent_names(number))
    return GatedLayer(
        inputs=tuple(matvec(name) for name in spec.input_names(number)),
        recurrent=by_vector(spec, every),
        state_bits=calibration.fraction_bits(f"l{number}.state"),
        cell_bits=calibration.fraction_bits(f"l{number}.cell") if f"l{number}.cell" in calibration.peaks else 0,
        candidate_scale=np.float32(spec.candidate_scale),
        reset_after=getattr(spec, "reset_after", False),
    )


def by_vector(
    spec: Recurrent, recurrent: tuple[IntegerMatVec, ...]
) -> tuple[tuple[tuple[IntegerMatVec, ...], ...], ...]:
    """A layer's recurrent matvecs, set by set, by the vector that they read."""
    gates = len(spec.gates)
    sets = (recurrent[k : k + gates] for k in range(0, len(recurrent), gates))
    return tuple((own[:-1], own[-1:]) if spec.candidate_reads_apart else (own,) for own in sets)


def fold_batch_norm(spec: Recurrent, weights: Mapping[str, Floats], layer: int) -> tuple[Floats, Floats]:
    """Fold batch normalisation into the input matrix [rows, inputs] and the bias [rows]."""
    matrix, bias = weights[f"input.l{layer}"], weights[f"bias.l{layer}"]
    if not spec.batch_norm:
        return matrix, bias
    scale = weights[f"norm_scale.l{layer}"] / np.sqrt(weights[f"norm_var.l{layer}"] + np.float32(NORM_EPSILON))
    return matrix * scale[:, None], bias - weights[f"norm_mean.l{layer}"] * scale
