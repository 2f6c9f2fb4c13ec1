"""Parameters of library sru, renamed and reordered as this tool's. Loads no torch.

Per layer `weight_proj` [inputs, projection] where there is one; `weight` [inputs or projection, width k], column
(direction * hidden + unit) * k + part, the parts being candidate, forget, reset and, where the layer's input and output
sizes differ, highway (k 4 in place of 3); `weight_c` and `bias` [2 width], all forget, then all reset; `scale_x` [1],
which multiplies the highway input where k is 3. Shapes do not tell two directions from one of twice the units.
Source: sru/modules.py and sru/csrc/sru_cpu_impl.cpp of library sru 2.5.1 (927f39d), the same in 2.1.7 and 2.6.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.named_tensors import Tensors
from models.networks.directions import Directions, count
from models.networks.sru import ALPHA


def sru_sizes_and_weights(
    tensors: Tensors, names: Sequence[str], directions: Directions
) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    """Sizes but for the outputs, and weights, of the layers `names`, the first one first.

    Raises InputError, in one line, for tensors that are missing, of other shapes, or belong to something that this
    tool's SRU does not do.
    """
    (rows,) = tensors.shape(f"{names[0]}.bias", 1)
    width, ways = rows // 2, count(directions)
    if rows % (2 * ways):
        tensors.refuse(
            f"{names[0]}.bias", f"a length of {rows}, which is not {2 * ways} times the units of a direction,"
        )
    projected = [name for name in names if f"{name}.weight_proj" in tensors]
    first = f"{names[0]}.weight_proj" if names[0] in projected else f"{names[0]}.weight"
    features = tensors.shape(first, 2)[0]
    projection = max(features, width)  # projects nothing
    if projected:
        projection = tensors.shape(f"{projected[0]}.weight_proj", 2)[1]
    weights: dict[str, NDArray[np.float32]] = {}
    scales = set()
    for layer, name in enumerate(names):
        ours, cols = f"l{layer}", width if layer else features
        parts = 3 if cols == width else 4
        if projection < cols:
            weights[f"projections.{ours}"] = tensors.take(f"{name}.weight_proj", cols, projection).T
            cols = projection
        if tensors.shape(f"{name}.weight", 2) == (cols, 3 * width) and parts == 4:
            tensors.refuse(f"{name}.weight", "a layer without highway (has_skip_term=False)")
        weight = tensors.take(f"{name}.weight", cols, width * parts).reshape(cols, width, parts)
        weights[f"weights.{ours}"] = weight.transpose(2, 1, 0).reshape(parts * width, cols)
        weights[f"v.{ours}"] = tensors.take(f"{name}.weight_c", 2 * width).reshape(2, width)
        weights[f"b.{ours}"] = tensors.take(f"{name}.bias", 2 * width).reshape(2, width)
        (scale,) = tensors.take(f"{name}.scale_x", 1)
        if parts == 3:
            scales.add(ALPHA if abs(scale - ALPHA) <= 1e-6 else float(scale))
        if len(scales) > 1:
            tensors.refuse(f"{name}.scale_x", f"a highway scale of {scale:.4f} beside {min(scales - {scale}):.4f}")
    sizes = {"features": features, "layers": len(names), "hidden": width // ways, "projection": projection}
    return sizes | {"directions": directions, "highway_scale": scales.pop() if scales else ALPHA}, weights
