"""What a retraining starts from: batch normalisation folded, weights as near to the float ones as their codes let."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.engines.gated_integers import fold_batch_norm
from models.engines.integer_network import IntegerNetwork
from models.networks.recurrent import Recurrent
from models.workload import INTEGER_BITS

Floats = NDArray[np.float32]
INSIDE = 0.49  # of a step around a code, so that the nearest code of what lies there is that code


def folded(spec: Any, weights: Mapping[str, Floats]) -> tuple[Any, dict[str, Floats]]:
    """Sizes and weights of the same network without batch normalisation."""
    if not isinstance(spec, Recurrent) or not spec.batch_norm:
        return spec, dict(weights)
    found = {name: array for name, array in weights.items() if not name.startswith("norm_")}
    for layer in range(spec.layers):
        found[f"input.l{layer}"], found[f"bias.l{layer}"] = fold_batch_norm(spec, weights, layer)
    return replace(spec, batch_norm=False), found


def places(spec: Any) -> dict[str, tuple[str, int]]:
    """Where each matvec's matrix stands: the name of a parameter, and the first of its rows."""
    found: dict[str, tuple[str, int]] = {"output": ("output", 0)}
    for layer in range(spec.layers):
        if isinstance(spec, Recurrent):
            for kind, names in (("input", spec.input_names(layer)), ("recurrent", spec.recurrent_names(layer))):
                found |= {name: (f"{kind}.l{layer}", k * spec.hidden) for k, name in enumerate(names)}
        else:
            found[f"l{layer}.projection"] = f"projections.l{layer}", 0
            found[f"l{layer}.input"] = f"weights.l{layer}", 0
    return found


def within_codes(spec: Any, weights: Mapping[str, Floats], network: IntegerNetwork) -> dict[str, Floats]:
    """The weights nearest to these of which every integer matrix's codes are the nearest ones."""
    found = {name: array.copy() for name, array in weights.items()}
    for matvec in network.matvecs:
        matrix = matvec.matrix
        if matrix.bits in INTEGER_BITS:
            name, first = places(spec)[matvec.name]
            rows, scale = slice(first, first + matvec.rows), matrix.scale[:, None]
            codes = matrix.codes.astype(np.float32)
            ratio = np.clip(found[name][rows] / scale, codes - np.float32(INSIDE), codes + np.float32(INSIDE))
            found[name][rows] = scale * ratio
    return found
