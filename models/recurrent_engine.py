"""The quantized, delta-gated LSTM, GRU and LiGRU: integer products step by step, all utterances in one batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.calibration import Calibration
from models.counter import Counter
from models.engine import Bundle, Codes, Engine, FixedRun, Linear, groups, rescale
from models.fixed_point import PREACTIVATION_FRACTION_BITS, ROUNDER, to_float, to_grid
from models.matmul import product
from models.quantizer import code_range
from models.recurrent import NORM_EPSILON, rectified_bits
from models.shared_layers import Beginning
from models.workload import BASELINE_BITS, Configuration

if TYPE_CHECKING:
    from models.recurrent import Recurrent
    from models.recurrent_network import RecurrentNetwork

PRE_BITS = PREACTIVATION_FRACTION_BITS


class RecurrentEngine(Engine):
    """`run(features, offsets, configuration)` gives logits and computed fractions.

    Batch normalisation is folded into the input matrices and biases before they are quantized.
    """

    def __init__(self, spec: Recurrent, weights: dict[str, NDArray[np.float32]], calibration: Calibration) -> None:
        matrices = {"output": weights["output"]}
        self.spec, self.bias = spec, {}
        self._scratch: dict[str, NDArray[np.int16]] = {}
        for layer in range(spec.layers):
            matrix, self.bias[layer] = fold_batch_norm(spec, weights, layer)
            recurrent = weights[f"recurrent.l{layer}"]
            for k, (inward, back) in enumerate(zip(spec.input_names(layer), spec.recurrent_names(layer), strict=True)):
                rows = slice(k * spec.hidden, (k + 1) * spec.hidden)
                matrices[inward], matrices[back] = matrix[rows], recurrent[rows]
        super().__init__(spec.workload(), weights, matrices, calibration)
        if spec.rectified:
            for layer in range(spec.layers):
                bits = rectified_bits(calibration, layer)
                self.linear.own_bits |= {spec.input_names(layer)[-1]: bits, spec.recurrent_names(layer)[-1]: bits}

    def _run_fixed(
        self, inputs: NDArray[np.int16], offsets: NDArray[np.int64], configuration: Configuration, begin: Beginning
    ) -> FixedRun:
        counter, outputs = begin.counter, {}
        x, bits = inputs, self.calibration.fraction_bits("features")
        if begin.codes is not None:
            x, bits = begin.codes, self.calibration.fraction_bits(f"l{begin.layers - 1}.state")
        for layer in range(begin.layers, self.spec.layers):
            names, bias = self.spec.input_names(layer), self.bias[layer]
            pre = self._room("preactivations", (len(x), len(bias)))
            self._sequence(names, x, bits, PRE_BITS, bias, offsets, configuration, counter, pre)
            shape = (len(x), self.spec.width)
            if layer in begin.kept:
                out = outputs[layer] = self.shared.room(shape)
            else:
                out = self._room(f"output {layer % 2}", shape)  # the layer before is read meanwhile
            x, bits = out, self._recur(layer, pre, offsets, configuration, counter, out)
        out_bits = self.calibration.fraction_bits("logits")
        bias = self.weights["output_bias"]
        codes = np.empty((len(x), len(bias)), np.int16)
        self._sequence(("output",), x, bits, out_bits, bias, offsets, configuration, counter, codes)
        return to_float(codes, out_bits), counter, outputs

    def _room(self, name: str, shape: tuple[int, int]) -> NDArray[np.int16]:
        """An array that lasts from run to run: new pages of memory cost more time than filling them."""
        size = shape[0] * shape[1]
        if name not in self._scratch or self._scratch[name].size < size:
            self._scratch[name] = np.empty(size, np.int16)
        return self._scratch[name][:size].reshape(shape)

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
        out: NDArray[np.int16],
    ) -> None:
        """Products of a whole sequence plus bias into `out` [N, rows], on a grid with `out_bits`."""
        codes = self.bias_codes(names, bias, out_bits)
        for first, last in groups(offsets):
            part = slice(offsets[first], offsets[last])
            bounds = offsets[first : last + 1] - offsets[first]
            self.linear.to_grid(names, x[part], bits, out_bits, bounds, configuration, counter, codes, out[part])

    def bias_codes(self, names: tuple[str, ...], bias: NDArray[np.float32], out_bits: int) -> NDArray[np.float32]:
        """Whole codes [rows] of a bias in float, on the grid with `out_bits` or a matvec's own."""
        own = [self.linear.own_bits.get(name, out_bits) for name in names]
        parts = zip(np.split(bias, len(names)), own, strict=True)
        return np.concatenate([to_grid(part, bits) for part, bits in parts]).astype(np.float32)

    def _recur(
        self,
        layer: int,
        pre: NDArray[np.int16],
        offsets: NDArray[np.int64],
        configuration: Configuration,
        counter: Counter,
        out: NDArray[np.int16],
    ) -> int:
        """The layer's output codes into `out` [N, 2 H]; returns their fraction bits."""
        steps = step_frames(offsets.tobytes())
        rows = len(steps[0]) if steps else 0
        cell = self.spec.cell()(self.spec, layer, rows, self.calibration, self.weights)
        products = StepProducts(self.linear, cell.h_bits, rows, configuration, counter)
        by_direction = out.reshape(len(out), 2, self.spec.hidden)
        for frames in steps:
            scatter(cell.step(pre, frames, products), frames, by_direction)
        products.count()
        return cell.h_bits

    def _run_float(self, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
        import torch

        with torch.no_grad():
            logits: NDArray[np.float32] = self._network(torch.tensor(features), torch.tensor(offsets)).numpy()
        return logits

    @cached_property
    def _network(self) -> RecurrentNetwork:
        import torch

        network = self.spec.network().eval()
        network.load_state_dict({name: torch.from_numpy(array) for name, array in self.weights.items()})
        return network


@dataclass(eq=False)
class Gate:
    """One bundle's delta gate over a batch of rows: the codes it holds, what it was shown and what it sent."""

    bundle: Bundle
    held: Codes  # [rows, cols]
    scale: NDArray[np.float32]  # preactivation steps in one unit of a sum
    columns: NDArray[np.int64]
    elements: int = 0
    sent: int = 0

    def __call__(self, vectors: NDArray[np.int16], bias: NDArray[np.float32], out: NDArray[np.int16]) -> None:
        running = self.held[: len(vectors)]
        low, high = code_range(self.bundle.act_bits)
        divisor = np.float32(self.bundle.divisor)
        self.sent += gate_step(vectors, divisor, low, high, self.bundle.delta, running)
        self.elements += vectors.size
        rescale(product(running, self.bundle.matrix), self.scale, bias, self.columns, out)


class StepProducts:
    """Recurrent products one step at a time: `(names, vectors)` -> U times vectors on the preactivation grid.

    Each set of matvecs with equal settings has its own delta gate, whose held codes last from step to step.
    """

    def __init__(self, linear: Linear, bits: int, rows: int, configuration: Configuration, counter: Counter) -> None:
        self.linear, self.bits, self.rows = linear, bits, rows
        self.configuration, self.counter = configuration, counter
        self._gates: dict[tuple[str, ...], tuple[list[Gate], NDArray[np.float32], NDArray[np.int16]]] = {}

    def __call__(self, names: tuple[str, ...], vectors: NDArray[np.int16]) -> NDArray[np.int16]:
        """int16 [rows, outputs] of vectors int16 [rows, H], the first rows of the batch; good until the next call."""
        if names not in self._gates:
            self._gates[names] = self._open(names, vectors.shape[1])
        gates, bias, out = self._gates[names]
        for gate in gates:
            gate(vectors, bias, out)
        return out[: len(vectors)]

    def count(self) -> None:
        """Tell the counter, once all steps are run."""
        for gates, _, _ in self._gates.values():
            for gate in gates:
                for name in gate.bundle.names:
                    self.counter.add(name, gate.elements, gate.sent)

    def _open(self, names: tuple[str, ...], cols: int) -> tuple[list[Gate], NDArray[np.float32], NDArray[np.int16]]:
        gates = []
        for bundle in self.linear.bundles(names, self.bits, self.configuration):
            held: Codes = np.zeros((self.rows, cols), np.int8)
            if bundle.act_bits == BASELINE_BITS:
                held = held.astype(np.int16)
            scale = self.linear.steps(bundle, PRE_BITS)
            gates.append(Gate(bundle, held, scale, self.linear.columns(names, bundle)))
        outputs = sum(len(self.linear.matrices[name]) for name in names)
        return gates, np.zeros(outputs, np.float32), np.empty((self.rows, outputs), np.int16)


@lru_cache(maxsize=4)
def step_frames(offsets: bytes) -> list[NDArray[np.int64]]:
    """Frames [rows] of every step; `offsets` are those of `run`, as bytes.

    Rows are (utterance, direction), longest utterance first, so that the rows that still run come first.
    """
    bounds = np.frombuffer(offsets, np.int64)
    lengths = np.diff(bounds)
    order = np.argsort(-lengths, kind="stable")
    active = np.searchsorted(-lengths[order], -np.arange(lengths.max(initial=0)), side="left")
    starts, ends = bounds[order], bounds[order + 1] - 1
    return [np.stack([starts[:k] + t, ends[:k] - t], axis=1).ravel() for t, k in enumerate(active)]


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
def scatter(h, frames, out):  # type: ignore[no-untyped-def]
    """Rows of h [rows, H] to their frames of `out` [N, 2, H]; rows are forward and backward in turn."""
    for row in range(len(h)):
        values, to = h[row], out[frames[row], row % 2]
        for i in range(len(values)):
            to[i] = values[i]


def fold_batch_norm(
    spec: Recurrent, weights: dict[str, NDArray[np.float32]], layer: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Input matrix [gates H, inputs] and bias [gates H] that give the normalised product as it is."""
    matrix, bias = weights[f"input.l{layer}"], weights[f"bias.l{layer}"]
    if not spec.batch_norm:
        return matrix, bias
    scale = weights[f"norm_scale.l{layer}"] / np.sqrt(weights[f"norm_var.l{layer}"] + np.float32(NORM_EPSILON))
    return matrix * scale[:, None], bias - weights[f"norm_mean.l{layer}"] * scale
