"""What every quantized network shares: matrices quantized once, inputs quantized, gated and multiplied exactly."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.calibration import Calibration
from models.counter import Counter
from models.delta import delta_gate
from models.fixed_point import HIGH, LOW, ROUNDER, to_grid
from models.matmul import PreparedMatrix, prepare, product
from models.quantizer import QuantizedMatrix, code_range, quantize_matrix
from models.shared_layers import Beginning, SharedLayers
from models.workload import BASELINE_BITS, Configuration, Workload, is_float

# Utterances are run in groups of about this many frames, so that a group's sums stay in the processor's cache.
GROUP_FRAMES = 512

Codes = NDArray[np.int8] | NDArray[np.int16]
# Logits, what was counted, and outputs of the layers that are to be kept.
FixedRun = tuple[NDArray[np.float32], Counter, dict[int, NDArray[np.int16]]]


@dataclass(frozen=True, eq=False)
class Bundle:
    """Matvecs that read the same vector with the same settings: one gate, one product, stacked by rows."""

    names: tuple[str, ...]
    matrix: PreparedMatrix
    act_bits: int
    delta: int
    divisor: float  # the activation quantizer's step, in steps of the input's grid; 1 at 16 bits
    unit: NDArray[np.float32]  # [rows] value of one unit of a sum

    def quantize(self, x: NDArray[np.int16]) -> Codes:
        """Codes [n, cols] of grid codes `x`; at 16 bits the grid's own. Always a new array."""
        if self.act_bits == BASELINE_BITS:
            return x.copy()
        codes: NDArray[np.int8] = quantize_codes(x, np.float32(self.divisor), *code_range(self.act_bits))
        return codes


class Linear:
    """The matvecs of one network: float matrices and calibration in, exact quantized products out."""

    def __init__(
        self, workload: Workload, matrices: Mapping[str, NDArray[np.float32]], calibration: Calibration
    ) -> None:
        self.workload, self.matrices, self.calibration = workload, matrices, calibration
        self.own_bits: dict[str, int] = {}  # fraction bits of matvecs whose products go to a grid of their own
        self._quantized: dict[tuple[str, int], QuantizedMatrix] = {}
        self._prepared: dict[tuple[tuple[str, ...], int], PreparedMatrix] = {}

    def matrix(self, names: tuple[str, ...], bits: int) -> PreparedMatrix:
        """Each matvec quantized once per bits, stacked once per set of names, then kept."""
        for name in names:
            if (name, bits) not in self._quantized:
                self._quantized[name, bits] = quantize_matrix(self.matrices[name], bits)
        if (names, bits) not in self._prepared:
            self._prepared[names, bits] = prepare([self._quantized[name, bits] for name in names])
        return self._prepared[names, bits]

    def bundles(self, names: tuple[str, ...], fraction_bits: int, configuration: Configuration) -> list[Bundle]:
        """The matvecs `names`, which read one vector on a grid with `fraction_bits`, by equal settings."""
        alike: dict[tuple[int, int, int], list[str]] = {}
        for name in names:
            alike.setdefault(configuration[name].effect, []).append(name)
        result = []
        for (weight_bits, act_bits, delta), members in alike.items():
            matrix = self.matrix(tuple(members), weight_bits)
            step = 2.0**-fraction_bits
            if act_bits != BASELINE_BITS:
                step = self.calibration.scale(members[0], act_bits)
            divisor = step * 2.0**fraction_bits
            unit = matrix.scale * np.float32(step)
            result.append(Bundle(tuple(members), matrix, act_bits, delta, divisor, unit))
        return result

    def __call__(
        self,
        bundle: Bundle,
        x: NDArray[np.int16],
        offsets: NDArray[np.int64],
        counter: Counter,
    ) -> NDArray[np.int32 | np.float32]:
        """Exact sums [n, rows] of a sequence's codes [n, cols], which are not changed; gated utterance by utterance."""
        codes = bundle.quantize(x)
        sent = delta_gate(codes, offsets, bundle.delta)
        for name in bundle.names:
            counter.add(name, codes.size, sent)
        return product(codes, bundle.matrix)

    def to_grid(
        self,
        names: tuple[str, ...],
        x: NDArray[np.int16],
        fraction_bits: int,
        out_bits: int,
        offsets: NDArray[np.int64],
        configuration: Configuration,
        counter: Counter,
        bias: NDArray[np.float32] | None = None,
        out: NDArray[np.int16] | None = None,
    ) -> NDArray[np.int16]:
        """The products of all `names` with the sequence x, side by side [n, rows], on a grid with `out_bits`.

        `bias` [rows], codes of that grid, is added to the rounded products; `out` is where the result goes.
        """
        bundles = self.bundles(names, fraction_bits, configuration)
        rows = sum(len(self.matrices[name]) for name in names)
        bias = np.zeros(rows, np.float32) if bias is None else bias
        out = np.empty((len(x), rows), np.int16) if out is None else out
        for bundle in bundles:
            sums = self(bundle, x, offsets, counter)
            rescale(sums, self.steps(bundle, out_bits), bias, self.columns(names, bundle), out)
        return out

    def steps(self, bundle: Bundle, out_bits: int) -> NDArray[np.float32]:
        """[rows] what one unit of a sum is in steps of its matvec's grid: one with `out_bits`, or its own."""
        powers = [
            np.full(len(self.matrices[n]), 2.0 ** self.own_bits.get(n, out_bits), np.float32) for n in bundle.names
        ]
        return bundle.unit * np.concatenate(powers)

    def columns(self, names: tuple[str, ...], bundle: Bundle) -> NDArray[np.int64]:
        """Where blocks of a bundle's columns go when `names` stand side by side: rows of (from, to, count)."""
        start, places = 0, {}
        for name in names:
            places[name] = start
            start += len(self.matrices[name])
        blocks: list[list[int]] = []
        start = 0
        for name in bundle.names:
            count = len(self.matrices[name])
            if blocks and blocks[-1][1] + blocks[-1][2] == places[name]:
                blocks[-1][2] += count
            else:
                blocks.append([start, places[name], count])
            start += count
        return np.array(blocks)


class Engine:
    """A network in the integers that are deployed; each architecture gives what `run` calls."""

    def __init__(
        self,
        workload: Workload,
        weights: dict[str, NDArray[np.float32]],
        matrices: Mapping[str, NDArray[np.float32]],
        calibration: Calibration,
    ) -> None:
        self.weights, self.calibration = weights, calibration
        self.linear = Linear(workload, matrices, calibration)
        self.shared = SharedLayers(workload)

    def run(
        self,
        features: NDArray[np.float32],
        offsets: NDArray[np.int64],
        configuration: Configuration,
        part: Hashable = None,
    ) -> tuple[NDArray[np.float32], dict[str, float]]:
        """Logits float32 [N, outputs] and each matvec's computed fraction.

        features float32 [N, features], utterances one after another, bounded by offsets int64 [U + 1]. `part` is a name
        for them: runs over the same part share the first layers in which their configurations agree, see `shared`.
        """
        if is_float(configuration):
            return self._run_float(features, offsets), dict.fromkeys(self.linear.workload.names, 1.0)
        bits = self.calibration.fraction_bits("features")
        inputs = to_grid((features - self.weights["input_mean"]) / self.weights["input_std"], bits)
        begin = Beginning() if part is None else self.shared.begin(part, configuration)
        logits, counter, outputs = self._run_fixed(inputs, offsets, configuration, begin)
        for layer, codes in outputs.items():
            self.shared.keep(begin.kept[layer], layer, codes, counter)
        return logits, counter.computed

    def _run_fixed(
        self, inputs: NDArray[np.int16], offsets: NDArray[np.int64], configuration: Configuration, begin: Beginning
    ) -> FixedRun:
        """`run` on codes int16 [N, features] of the features' grid, from where `begin` says."""
        raise NotImplementedError

    def _run_float(self, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits of the network before quantization."""
        raise NotImplementedError


@njit(cache=True, nogil=True)
def quantize_codes(x, divisor, low, high):  # type: ignore[no-untyped-def]
    """Signed codes int8 [n, D] of grid codes `x` int16: one float32 division by the step, half to even, saturating.

    `divisor` float32 is the quantizer's step in steps of x's grid.
    """
    out = np.empty(x.shape, np.int8)
    low, high = np.float32(low), np.float32(high)
    for n in range(x.shape[0]):
        row, codes = x[n], out[n]
        for d in range(len(codes)):
            codes[d] = np.int8((min(max(np.float32(row[d]) / divisor, low), high) + ROUNDER) - ROUNDER)
    return out


@njit(cache=True, nogil=True)
def rescale(sums, scale, bias, columns, out):  # type: ignore[no-untyped-def]
    """Exact sums [n, rows] as grid codes into `out` int16 [n, all rows]: blocks of columns, see `Linear.columns`.

    One float32 product with `scale` [rows], half to even, saturating; then plus `bias` [all rows], saturating.
    """
    for k in range(len(columns)):
        start, place, count = columns[k]
        block_scale, block_bias = scale[start : start + count], bias[place : place + count]
        for n in range(len(sums)):
            row, codes = sums[n, start : start + count], out[n, place : place + count]
            for m in range(len(codes)):
                code = (min(max(np.float32(row[m]) * block_scale[m], LOW), HIGH) + ROUNDER) - ROUNDER
                codes[m] = np.int16(min(max(code + block_bias[m], LOW), HIGH))


def groups(offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of utterances whose frames together reach GROUP_FRAMES."""
    ranges, first = [], 0
    for u in range(1, len(offsets)):
        if offsets[u] - offsets[first] >= GROUP_FRAMES or u == len(offsets) - 1:
            ranges.append((first, u))
            first = u
    return ranges
