"""The quantized, delta-gated LSTM, GRU and LiGRU: integer products step by step, all utterances in one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.calibration import Calibration
from models.engine import Bundle, Codes, Counter, Linear, PrefixCache, groups, rescale
from models.fixed_point import HIGH, LOW, PREACTIVATION_FRACTION_BITS, ROUNDER, to_float, to_grid
from models.matmul import product
from models.quantizer import code_range
from models.recurrent import NORM_EPSILON
from models.workload import BASELINE_BITS, Configuration, is_float

if TYPE_CHECKING:
    from models.recurrent import Recurrent

PRE_BITS = PREACTIVATION_FRACTION_BITS


class RecurrentEngine:
    """run(features, offsets, configuration) -> logits and computed fractions, in the integers that are deployed.

    Batch normalisation is folded into the input matrices and biases before they are quantized.
    """

    def __init__(self, spec: Recurrent, weights: dict[str, NDArray[np.float32]], calibration: Calibration) -> None:
        self.spec, self.weights, self.calibration = spec, weights, calibration
        matrices = {"output": weights["output"]}
        self.bias = {}
        for layer in range(spec.layers):
            matrix, self.bias[layer] = fold_batch_norm(spec, weights, layer)
            recurrent = weights[f"recurrent.l{layer}"]
            for k, (inward, back) in enumerate(zip(spec.input_names(layer), spec.recurrent_names(layer), strict=True)):
                rows = slice(k * spec.hidden, (k + 1) * spec.hidden)
                matrices[inward], matrices[back] = matrix[rows], recurrent[rows]
        self.linear = Linear(spec.workload(), matrices, calibration)
        self.cache = PrefixCache(self.linear.workload)

    def run(
        self, features: NDArray[np.float32], offsets: NDArray[np.int64], configuration: Configuration
    ) -> tuple[NDArray[np.float32], dict[str, float]]:
        """Logits float32 [N, outputs] and each matvec's computed fraction.

        features float32 [N, features], utterances one after another, bounded by offsets int64 [U + 1].
        """
        if is_float(configuration):
            return self._run_float(features, offsets), dict.fromkeys(self.linear.workload.names, 1.0)
        prefix = self.cache.deepest(features, offsets, configuration, self.spec.layers)
        counter = prefix.counter
        if prefix.output is None:
            bits = self.calibration.fraction_bits("features")
            x = to_grid((features - self.weights["input_mean"]) / self.weights["input_std"], bits)
        else:
            bits = self.calibration.fraction_bits(f"l{prefix.layers - 1}.state")
            x = prefix.output
        for layer in range(prefix.layers, self.spec.layers):
            pre = self._sequence(
                self.spec.input_names(layer), x, bits, PRE_BITS, self.bias[layer], offsets, configuration, counter
            )
            x, bits = self._recur(layer, pre, offsets, configuration, counter)
            if layer == prefix.layers:
                self.cache.keep(configuration, layer + 1, x, counter)
        out_bits = self.calibration.fraction_bits("logits")
        bias = self.weights["output_bias"]
        codes = self._sequence(("output",), x, bits, out_bits, bias, offsets, configuration, counter)
        return to_float(codes, out_bits), counter.computed

    def _sequence(
        self,
        names: tuple[str, ...],
        x: NDArray[np.int16],
        bits: int,
        out_bits: int,
        bias: NDArray[np.float32],
        offsets: NDArray[np.int64],
        configuration: Configuration,
        counter: Counter,
    ) -> NDArray[np.int16]:
        """Products of a whole sequence plus bias, int16 [N, rows] on a grid with `out_bits`."""
        out = np.empty((len(x), len(bias)), np.int16)
        codes = to_grid(bias, out_bits)
        for first, last in groups(offsets):
            part = slice(offsets[first], offsets[last])
            bounds = offsets[first : last + 1] - offsets[first]
            products = self.linear.to_grid(names, x[part], bits, out_bits, bounds, configuration, counter)
            add_bias(products, codes, out[part])
        return out

    def _recur(
        self,
        layer: int,
        pre: NDArray[np.int16],
        offsets: NDArray[np.int64],
        configuration: Configuration,
        counter: Counter,
    ) -> tuple[NDArray[np.int16], int]:
        """The layer's output codes int16 [N, 2 H] and their fraction bits.

        Rows are (utterance, direction), longest utterance first, so that the rows that still run come first.
        """
        lengths = np.diff(offsets)
        order = np.argsort(-lengths, kind="stable")
        active = np.searchsorted(-lengths[order], -np.arange(lengths.max(initial=0)), side="left")
        cell = self.spec.cell()(self.spec, layer, 2 * len(lengths), self.calibration, self.weights)
        products = StepProducts(self.linear, cell.h_bits, 2 * len(lengths), configuration, counter)
        out = np.empty((len(pre), 2, self.spec.hidden), np.int16)
        for t, count in enumerate(active):
            frames = np.empty(2 * count, np.int64)
            frames[0::2] = offsets[order[:count]] + t
            frames[1::2] = offsets[order[:count] + 1] - 1 - t
            h = cell.step(pre, frames, products)
            out[frames, np.arange(2 * count) % 2] = h
        return out.reshape(len(pre), self.spec.width), cell.h_bits

    def _run_float(self, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
        import torch

        network = self.spec.network().eval()
        network.load_state_dict({name: torch.from_numpy(array) for name, array in self.weights.items()})
        with torch.no_grad():
            logits: NDArray[np.float32] = network(torch.tensor(features), torch.tensor(offsets)).numpy()
        return logits


class StepProducts:
    """Recurrent products one step at a time: `(names, vectors)` -> U times vectors on the preactivation grid.

    Each set of matvecs with equal settings has its own delta gate, whose held codes last from step to step.
    """

    def __init__(self, linear: Linear, bits: int, rows: int, configuration: Configuration, counter: Counter) -> None:
        self.linear, self.bits, self.rows = linear, bits, rows
        self.configuration, self.counter = configuration, counter
        self._gates: dict[tuple[str, ...], list[tuple[Bundle, Codes, NDArray[np.float32]]]] = {}

    def __call__(self, names: tuple[str, ...], vectors: NDArray[np.int16]) -> NDArray[np.int16]:
        """int16 [rows, outputs] of vectors int16 [rows, H], the first rows of the batch."""
        if names not in self._gates:
            self._gates[names] = []
            for bundle in self.linear.bundles(names, self.bits, self.configuration):
                held: Codes = np.zeros((self.rows, vectors.shape[1]), np.int8)
                if bundle.act_bits == BASELINE_BITS:
                    held = held.astype(np.int16)
                self._gates[names].append((bundle, held, bundle.unit * np.float32(2.0**PRE_BITS)))
        parts = []
        for bundle, held, scale in self._gates[names]:
            running = held[: len(vectors)]
            low, high = code_range(bundle.act_bits)
            sent = gate_step(vectors, np.float32(bundle.divisor), low, high, bundle.delta, running)
            for name in bundle.names:
                self.counter.add(name, vectors.size, sent)
            parts.append(rescale(product(running, bundle.matrix), scale))
        return self.linear.in_order(names, [bundle for bundle, _, _ in self._gates[names]], parts)


@njit(cache=True, nogil=True)
def gate_step(vectors, divisor, low, high, threshold, held):  # type: ignore[no-untyped-def]
    """Quantize vectors int16 [rows, D] and update the held codes in place where they moved; returns how many did."""
    sent = 0
    low, high = np.float32(low), np.float32(high)
    for row in range(len(vectors)):
        values, codes = vectors[row], held[row]
        count = 0
        for d in range(len(values)):
            code = np.int32((min(max(np.float32(values[d]) / divisor, low), high) + ROUNDER) - ROUNDER)
            move = abs(code - np.int32(codes[d])) > threshold
            codes[d] = code if move else codes[d]
            count += move
        sent += count
    return sent


@njit(cache=True, nogil=True)
def add_bias(products, bias, out):  # type: ignore[no-untyped-def]
    """out int16 [n, rows] = products + bias [rows], saturating."""
    for n in range(len(products)):
        row, to = products[n], out[n]
        for m in range(len(row)):
            to[m] = np.int16(min(max(np.float32(row[m]) + np.float32(bias[m]), LOW), HIGH))


def fold_batch_norm(
    spec: Recurrent, weights: dict[str, NDArray[np.float32]], layer: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Input matrix [gates H, inputs] and bias [gates H] that give the normalised product as it is."""
    matrix, bias = weights[f"input.l{layer}"], weights[f"bias.l{layer}"]
    if not spec.batch_norm:
        return matrix, bias
    scale = weights[f"norm_scale.l{layer}"] / np.sqrt(weights[f"norm_var.l{layer}"] + np.float32(NORM_EPSILON))
    return matrix * scale[:, None], bias - weights[f"norm_mean.l{layer}"] * scale
