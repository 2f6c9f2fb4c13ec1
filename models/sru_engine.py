"""The quantized, delta-gated SRU: integer products, fixed-point recurrence, operations counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.engine import Engine, FixedRun, Readers, Reading, padded_rows
from models.fixed_point import PREACTIVATION_FRACTION_BITS, fraction_bits, sigmoid_table, to_float, to_grid
from models.lanes import LANES
from models.matmul import padded
from models.shared_layers import Beginning
from models.sru_scan import scan_fixed, scan_float
from models.workload import Configuration

if TYPE_CHECKING:
    from models.sru import Sru

ALPHA_FRACTION_BITS = 14
GROUP_FRAMES = 512  # utterances run in groups of about this many frames, which stay in the nearest caches
Floats = NDArray[np.float32]


class SruEngine(Engine):
    """`run(features, offsets, configuration)` gives logits and computed fractions."""

    def __init__(self, spec: Sru, weights: dict[str, NDArray[np.float32]], calibration: Calibration) -> None:
        matrices = {"output": weights["output"]}
        for layer in range(spec.layers):
            matrices[f"l{layer}.input"] = weights[f"weights.l{layer}"]
            if spec.projected(layer):
                matrices[f"l{layer}.projection"] = weights[f"projections.l{layer}"]
        super().__init__(spec.workload(), weights, matrices, calibration)
        self.spec = spec
        # Fraction bits of what each layer, and then the output, reads.
        states = [calibration.fraction_bits(f"l{layer}.state") for layer in range(spec.layers)]
        self.x_bits = [calibration.fraction_bits("features"), *states]
        self.constants = [
            ScanConstants.of(spec, k, self.x_bits[k], self.x_bits[k + 1], weights[f"v.l{k}"], weights[f"b.l{k}"])
            for k in range(spec.layers)
        ]

    def _run_fixed(
        self, inputs: NDArray[np.int16], offsets: NDArray[np.int64], configuration: Configuration, begin: Beginning
    ) -> FixedRun:
        spec = self.spec
        layers = [self._open(layer, configuration) for layer in range(begin.layers, spec.layers)]
        last = self.linear.readers(*self.output_reading, configuration)
        codes = np.empty((len(inputs), last.width), np.int16)
        width = padded(spec.width)
        kept = {layer: self.shared.room((len(inputs), width)) for layer in begin.kept}
        first = padded_rows(inputs) if begin.codes is None else begin.codes
        for a, b in groups(offsets):
            part = slice(offsets[a], offsets[b])
            bounds = offsets[a : b + 1] - part.start
            at, lengths, frames = bounds[:-1], np.diff(bounds), int(bounds[-1])
            x = first[part]
            for layer, (projection, inward) in enumerate(layers, begin.layers):
                q = x if projection is None else projection.run(x, at, lengths, room(frames, projection.width))
                u = inward.run(q, at, lengths, room(frames + 1, inward.width))
                out = kept[layer][part] if layer in kept else room(frames, width)
                c = self.constants[layer]
                highway = spec.parts(layer) == 4
                scan_fixed(u, x, c.x_scale, c.v, c.v_scale, sigmoid_table(), bounds, out, spec.hidden, highway)
                x = out
            last.run(x, at, lengths, codes[part])
        for projection, inward in layers:
            for readers in (projection, inward):
                if readers is not None:
                    readers.tell(begin.counter, len(inputs))
        last.tell(begin.counter, len(inputs))
        return to_float(codes[:, : spec.outputs], self.calibration.fraction_bits("logits")), begin.counter, kept

    def _open(self, layer: int, configuration: Configuration) -> tuple[Readers | None, Readers]:
        projection, inward = self.readings(layer)
        opened = None if projection is None else self.linear.readers(*projection, configuration)
        return opened, self.linear.readers(*inward, configuration)

    def readings(self, layer: int) -> tuple[Reading | None, Reading]:
        """The layer's projection, where it has one, and its input matvec."""
        c, projection, bits = self.constants[layer], None, self.x_bits[layer]
        if self.spec.projected(layer):
            q_bits = self.calibration.fraction_bits(f"l{layer}.projected")
            steps = np.full(self.spec.projection, 2.0**q_bits, np.float32)
            projection, bits = ((f"l{layer}.projection",), bits, steps, None), q_bits
        return projection, ((f"l{layer}.input",), bits, c.to_steps, c.bias)

    def _run_float(self, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
        from models.sru import ALPHA

        weights, width = self.weights, self.spec.width
        x = (features - weights["input_mean"]) / weights["input_std"]
        for layer in range(self.spec.layers):
            q = x @ weights[f"projections.l{layer}"].T if self.spec.projected(layer) else x
            u = q @ weights[f"weights.l{layer}"].T
            highway = u[:, 3 * width :] if self.spec.parts(layer) == 4 else np.float32(ALPHA) * x
            x = scan_float(u, np.ascontiguousarray(highway), weights[f"v.l{layer}"], weights[f"b.l{layer}"], offsets)[0]
        return np.asarray(x @ weights["output"].T + weights["output_bias"], np.float32)


@dataclass(frozen=True, eq=False)
class ScanConstants:
    """What one layer's input matvec and `scan_fixed` read besides codes; see there."""

    to_steps: NDArray[np.float32]  # [k D] steps in 1 of a product's grid
    bias: NDArray[np.float32]  # [k D] b in the blocks of u1 and u2
    x_scale: np.float32
    v: NDArray[np.float32]
    v_scale: np.float32

    @classmethod
    def of(cls, spec: Sru, layer: int, x_bits: int, bits: int, v: Floats, b: Floats) -> ScanConstants:
        """`x_bits` and `bits` are the fraction bits of the layer's input and state; v and b [2, D] in float."""
        from models.sru import ALPHA

        v_bits = fraction_bits(float(np.abs(v).max()))
        gates = slice(spec.width, 3 * spec.width)
        to_steps = np.full(spec.parts(layer) * spec.width, 2.0**bits, np.float32)
        to_steps[gates] = 2.0**PREACTIVATION_FRACTION_BITS
        bias = np.zeros_like(to_steps)
        bias[gates] = to_grid(b, PREACTIVATION_FRACTION_BITS).ravel()
        alpha = float(to_grid(np.array(ALPHA), ALPHA_FRACTION_BITS)) * 2.0**-ALPHA_FRACTION_BITS
        return cls(
            to_steps=to_steps,
            bias=bias,
            x_scale=np.float32(alpha * 2.0 ** (bits - x_bits)),
            v=np.pad(to_grid(v, v_bits).astype(np.float32), ((0, 0), (0, LANES))),
            v_scale=np.float32(2.0 ** (PREACTIVATION_FRACTION_BITS - v_bits - bits)),
        )


def groups(offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of utterances whose frames together reach GROUP_FRAMES."""
    ranges, first = [], 0
    for u in range(1, len(offsets)):
        if offsets[u] - offsets[first] >= GROUP_FRAMES or u == len(offsets) - 1:
            ranges.append((first, u))
            first = u
    return ranges


def room(rows: int, width: int) -> NDArray[np.int16]:
    return np.empty((rows, width), np.int16)
