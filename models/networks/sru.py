"""SRU with low-rank (projected) inputs: sizes and workload. Loads no torch.

Per direction and layer, with x the layer's input, q = P x (or x itself where the projection would not shrink it):
    u = W q, split into u0 (candidate), u1 (forget), u2 (reset) and, where input and output sizes differ, u3 (highway)
    f_t = sigmoid(u1_t + v_f c_{t-1} + b_f)        r_t = sigmoid(u2_t + v_r c_{t-1} + b_r)
    c_t = u0_t + f_t (c_{t-1} - u0_t)              h_t = x'_t + r_t (c_t - x'_t)
with x' = u3, or `highway_scale` x where the sizes agree. One matrix W holds all parts of u, each with both directions'
units side by side (`separate`) or those of the only one (`forward`), so every matvec runs once a frame.
Source: Lei et al., "Simple Recurrent Units for Highly Parallelizable Recurrence" (EMNLP 2018); library sru 2.5.1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from models.networks.directions import FORWARD, SEPARATE, as_before, count, require_directions
from models.workload import InputError, MatVec, Workload

HIGHWAY_BIAS = -1.0  # initial b_r; Source: library sru 2.5.1 as used by Rezk et al.
ALPHA = float(np.sqrt(1.0 + 2.0 * np.exp(HIGHWAY_BIAS)))  # scale of the highway input there, 1.3175; Source: same
MOST_SCALE = 100.0  # of the highway input; that of a highway bias of 8.5
GATE_OPS = 8  # two gates of: v * c, + u, + b, sigmoid
STATE_OPS = 6  # c: subtract, multiply, add; h: the same


@dataclass(frozen=True)
class Sru:
    """Sizes of an SRU phone recogniser; `hidden` counts one direction. Directions share no matrices."""

    features: int = 23
    layers: int = 4
    hidden: int = 128
    projection: int = 96
    outputs: int = 144
    directions: Literal["separate", "forward"] = SEPARATE
    highway_scale: float = ALPHA  # 1 where the library does not rescale

    name = "sru"

    def __post_init__(self) -> None:
        for field in ("features", "layers", "hidden", "projection", "outputs"):
            if getattr(self, field) < 1:
                raise InputError(f"sru: {field} must be at least 1, not {getattr(self, field)}")
        require_directions("sru", self.directions, (SEPARATE, FORWARD))
        if not 0 < self.highway_scale <= MOST_SCALE:
            raise InputError(f"sru: highway_scale must be in (0, {MOST_SCALE:g}], not {self.highway_scale}")

    @property
    def width(self) -> int:
        """Size of a layer's output: all directions together."""
        return count(self.directions) * self.hidden

    def inputs(self, layer: int) -> int:
        return self.features if layer == 0 else self.width

    def projected(self, layer: int) -> bool:
        return self.projection < self.inputs(layer)

    def parts(self, layer: int) -> int:
        """Number of sub-matrices of W: candidate, forget, reset, and highway where input and output sizes differ."""
        return 3 if self.inputs(layer) == self.width else 4

    def workload(self) -> Workload:
        matvecs = []
        elementwise = 0
        for layer in range(self.layers):
            cols = self.inputs(layer)
            if self.projected(layer):
                matvecs.append(MatVec(f"l{layer}.projection", self.projection, cols, "projection"))
                cols = self.projection
            matvecs.append(MatVec(f"l{layer}.input", self.parts(layer) * self.width, cols, "input"))
            highway_ops = 1 if self.parts(layer) == 3 else 0
            elementwise += self.width * (GATE_OPS + STATE_OPS + highway_ops)
        matvecs.append(MatVec("output", self.outputs, self.width, "output"))
        vectors = self.layers * 4 * self.width + self.outputs  # v_f, v_r, b_f, b_r; output bias
        return Workload(self.name, tuple(matvecs), vectors, elementwise + self.outputs)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the network's parameters and buffers, by name."""
        shapes: dict[str, tuple[int, ...]] = {"input_mean": (self.features,), "input_std": (self.features,)}
        for layer in range(self.layers):
            cols = self.inputs(layer)
            if self.projected(layer):
                shapes[f"projections.l{layer}"], cols = (self.projection, cols), self.projection
            shapes[f"weights.l{layer}"] = (self.parts(layer) * self.width, cols)
            shapes |= dict.fromkeys((f"v.l{layer}", f"b.l{layer}"), (2, self.width))
        return shapes | {"output": (self.outputs, self.width), "output_bias": (self.outputs,)}

    def to_json(self) -> dict[str, Any]:
        return as_before(asdict(self), directions=SEPARATE, highway_scale=ALPHA)


PRESETS = {
    "edge": Sru(),
    "stream": Sru(hidden=256, directions=FORWARD),
    # The network of Rezk et al.: 4 x 550 units a direction, projections of 256, 1936 context-dependent targets.
    "paper": Sru(features=23, layers=4, hidden=550, projection=256, outputs=1936),
}
