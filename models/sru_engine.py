"""The quantized, delta-gated SRU: integer products, fixed-point recurrence, operations counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.counter import Counter
from models.engine import Engine, FixedRun, groups
from models.fixed_point import PREACTIVATION_FRACTION_BITS, fraction_bits, sigmoid_table, to_float, to_grid
from models.shared_layers import Beginning
from models.sru_scan import scan_fixed, scan_float
from models.workload import Configuration

if TYPE_CHECKING:
    from models.sru import Sru

ALPHA_FRACTION_BITS = 14
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
        output_bits = calibration.fraction_bits("logits")
        self.output_bias = to_grid(weights["output_bias"], output_bits).astype(np.float32)

    def _run_fixed(
        self, inputs: NDArray[np.int16], offsets: NDArray[np.int64], configuration: Configuration, begin: Beginning
    ) -> FixedRun:
        spec = self.spec
        counter = begin.counter
        outputs = {layer: self.shared.room((len(inputs), spec.width)) for layer in sorted(begin.kept)}
        logits = np.empty((len(inputs), spec.outputs), np.float32)
        for first, last in groups(offsets):
            part = slice(offsets[first], offsets[last])
            bounds = offsets[first : last + 1] - part.start
            x = inputs[part] if begin.codes is None else begin.codes[part]
            for layer in range(begin.layers, spec.layers):
                x = self._layer(layer, x, bounds, configuration, counter)
                if layer in outputs:
                    outputs[layer][part] = x
            logits[part] = self._output(x, bounds, configuration, counter)
        return logits, counter, outputs

    def _layer(
        self,
        layer: int,
        x: NDArray[np.int16],
        offsets: NDArray[np.int64],
        configuration: Configuration,
        counter: Counter,
    ) -> NDArray[np.int16]:
        """The layer's output codes int16 [n, 2 H]."""
        c = self.constants[layer]
        q, q_bits = x, c.x_bits
        if self.spec.projected(layer):
            q_bits = self.calibration.fraction_bits(f"l{layer}.projected")
            name = f"l{layer}.projection"
            q = self.linear.to_grid((name,), x, c.x_bits, q_bits, offsets, configuration, counter)
        (bundle,) = self.linear.bundles((f"l{layer}.input",), q_bits, configuration)
        sums = self.linear(bundle, q, offsets, counter)
        out = np.empty((len(x), self.spec.width), np.int16)
        scan_fixed(sums, bundle.unit * c.to_steps, x, c.x_scale, c.v, c.v_scale, c.b, sigmoid_table(), offsets, out)
        return out

    def _output(
        self, x: NDArray[np.int16], offsets: NDArray[np.int64], configuration: Configuration, counter: Counter
    ) -> NDArray[np.float32]:
        bits = self.calibration.fraction_bits("logits")
        codes = self.linear.to_grid(
            ("output",), x, self.x_bits[-1], bits, offsets, configuration, counter, self.output_bias
        )
        return to_float(codes, bits)

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
    """What `scan_fixed` reads of one layer besides the products; see there."""

    x_bits: int  # fraction bits of the layer's input
    to_steps: NDArray[np.float32]  # [k D] steps in one unit of a product's grid
    x_scale: NDArray[np.float32]
    v: NDArray[np.float32]
    v_scale: np.float32
    b: NDArray[np.float32]

    @classmethod
    def of(cls, spec: Sru, layer: int, x_bits: int, bits: int, v: Floats, b: Floats) -> ScanConstants:
        """`x_bits` and `bits` are the fraction bits of the layer's input and state; v and b [2, D] in float."""
        from models.sru import ALPHA

        v_bits = fraction_bits(float(np.abs(v).max()))
        to_steps = np.full(spec.parts(layer) * spec.width, 2.0**bits, np.float32)
        to_steps[spec.width : 3 * spec.width] = 2.0**PREACTIVATION_FRACTION_BITS
        alpha = float(to_grid(np.array(ALPHA), ALPHA_FRACTION_BITS)) * 2.0**-ALPHA_FRACTION_BITS
        return cls(
            x_bits=x_bits,
            to_steps=to_steps,
            x_scale=np.full(spec.inputs(layer), alpha * 2.0 ** (bits - x_bits), np.float32),
            v=to_grid(v, v_bits).astype(np.float32),
            v_scale=np.float32(2.0 ** (PREACTIVATION_FRACTION_BITS - v_bits - bits)),
            b=to_grid(b, PREACTIVATION_FRACTION_BITS).astype(np.float32),
        )
