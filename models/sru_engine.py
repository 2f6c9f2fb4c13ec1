"""The quantized, delta-gated SRU: integer products, fixed-point recurrence, operations counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.engine import Counter, Linear, groups
from models.fixed_point import HIGH, LOW, PREACTIVATION_FRACTION_BITS, fraction_bits, sigmoid_table, to_float, to_grid
from models.sru_scan import scan_fixed, scan_float
from models.workload import Configuration, is_float

if TYPE_CHECKING:
    from models.sru import Sru

ALPHA_FRACTION_BITS = 14


class SruEngine:
    """run(features, offsets, configuration) -> logits and computed fractions, in the integers that are deployed."""

    def __init__(self, spec: Sru, weights: dict[str, NDArray[np.float32]], calibration: Calibration) -> None:
        matrices = {"output": weights["output"]}
        for layer in range(spec.layers):
            matrices[f"l{layer}.input"] = weights[f"weights.l{layer}"]
            if spec.projected(layer):
                matrices[f"l{layer}.projection"] = weights[f"projections.l{layer}"]
        self.spec, self.weights, self.calibration = spec, weights, calibration
        self.linear = Linear(spec.workload(), matrices, calibration)

    def run(
        self, features: NDArray[np.float32], offsets: NDArray[np.int64], configuration: Configuration
    ) -> tuple[NDArray[np.float32], dict[str, float]]:
        """Logits float32 [N, outputs] and each matvec's computed fraction.

        features float32 [N, features], utterances one after another, bounded by offsets int64 [U + 1].
        """
        if is_float(configuration):
            return self._run_float(features, offsets), dict.fromkeys(self.linear.workload.names, 1.0)
        counter = Counter()
        logits = np.empty((len(features), self.spec.outputs), np.float32)
        mean, std = self.weights["input_mean"], self.weights["input_std"]
        bits = self.calibration.fraction_bits("features")
        for first, last in groups(offsets):
            start, end = offsets[first], offsets[last]
            bounds = offsets[first : last + 1] - start
            x = to_grid((features[start:end] - mean) / std, bits)
            logits[start:end] = self._group(x, bits, bounds, configuration, counter)
        return logits, counter.computed

    def _group(
        self,
        x: NDArray[np.int16],
        x_bits: int,
        offsets: NDArray[np.int64],
        configuration: Configuration,
        counter: Counter,
    ) -> NDArray[np.float32]:
        for layer in range(self.spec.layers):
            q, q_bits = x, x_bits
            if self.spec.projected(layer):
                q_bits = self.calibration.fraction_bits(f"l{layer}.projected")
                name = f"l{layer}.projection"
                q = self.linear.to_grid((name,), x, x_bits, q_bits, offsets, configuration, counter)
            (bundle,) = self.linear.bundles((f"l{layer}.input",), q_bits, configuration)
            sums = self.linear(bundle, q, offsets, counter)
            x, x_bits = self._recur(layer, sums, bundle.unit, x, x_bits, offsets)
        bits = self.calibration.fraction_bits("logits")
        products = self.linear.to_grid(("output",), x, x_bits, bits, offsets, configuration, counter)
        bias = to_grid(self.weights["output_bias"], bits).astype(np.float32)
        return to_float(np.clip(products.astype(np.float32) + bias, LOW, HIGH), bits)

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

    def _recur(
        self,
        layer: int,
        sums: NDArray[np.int32 | np.float32],
        step: NDArray[np.float32],
        x: NDArray[np.int16],
        x_bits: int,
        offsets: NDArray[np.int64],
    ) -> tuple[NDArray[np.int16], int]:
        """The layer's output codes [n, 2 H] and their fraction bits."""
        width = self.spec.width
        bits = self.calibration.fraction_bits(f"l{layer}.state")
        v = self.weights[f"v.l{layer}"]
        v_bits = fraction_bits(float(np.abs(v).max()))
        to_steps = np.full(len(step), 2.0**bits, np.float32)
        to_steps[width : 3 * width] = 2.0**PREACTIVATION_FRACTION_BITS
        from models.sru import ALPHA

        alpha = float(to_grid(np.array(ALPHA), ALPHA_FRACTION_BITS)) * 2.0**-ALPHA_FRACTION_BITS
        out = np.empty((len(x), width), np.int16)
        scan_fixed(
            sums,
            step * to_steps,
            x,
            np.full(x.shape[1], alpha * 2.0 ** (bits - x_bits), np.float32),
            to_grid(v, v_bits).astype(np.float32),
            np.float32(2.0 ** (PREACTIVATION_FRACTION_BITS - v_bits - bits)),
            to_grid(self.weights[f"b.l{layer}"], PREACTIVATION_FRACTION_BITS).astype(np.float32),
            sigmoid_table(),
            offsets,
            out,
        )
        return out, bits
