"""What every quantized network shares: matrices quantized once, inputs quantized, gated and multiplied exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.calibration import Calibration
from models.delta import delta_gate
from models.fixed_point import HIGH, LOW, ROUNDER
from models.matmul import PreparedMatrix, prepare, product
from models.quantizer import code_range, quantize_matrix
from models.workload import BASELINE_BITS, Configuration, Workload

# Utterances are run in groups of about this many frames, so that a group's sums stay in the cache.
GROUP_FRAMES = 2048


@dataclass(eq=False)
class Counter:
    """Elements of each matvec's input that were there, and that its delta gate sent."""

    elements: dict[str, int] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)

    def add(self, matvec: str, elements: int, sent: int) -> None:
        self.elements[matvec] = self.elements.get(matvec, 0) + elements
        self.sent[matvec] = self.sent.get(matvec, 0) + sent

    @property
    def computed(self) -> dict[str, float]:
        """Computed fraction per matvec."""
        return {name: self.sent[name] / elements for name, elements in self.elements.items()}


class Linear:
    """The matvecs of one network: float matrices and calibration in, exact quantized products out."""

    def __init__(
        self, workload: Workload, matrices: Mapping[str, NDArray[np.float32]], calibration: Calibration
    ) -> None:
        self.workload, self.matrices, self.calibration = workload, matrices, calibration
        self._prepared: dict[tuple[str, int], PreparedMatrix] = {}

    def matrix(self, name: str, bits: int) -> PreparedMatrix:
        """Quantized once per (matvec, bits), then kept."""
        if (name, bits) not in self._prepared:
            self._prepared[name, bits] = prepare([quantize_matrix(self.matrices[name], bits)])
        return self._prepared[name, bits]

    def __call__(
        self,
        name: str,
        x: NDArray[np.int16],
        fraction_bits: int,
        offsets: NDArray[np.int64],
        configuration: Configuration,
        counter: Counter,
    ) -> tuple[NDArray[np.int32 | np.float32], NDArray[np.float32]]:
        """Exact sums [n, rows] and the float32 value [rows] that one unit of a sum stands for.

        x: codes [n, cols] on a grid with `fraction_bits`; they are not changed.
        """
        setting = configuration[name]
        weight_bits, act_bits = setting.operand_bits
        matrix = self.matrix(name, weight_bits)
        codes, step = self.quantize_input(name, x, fraction_bits, act_bits)
        counter.add(name, codes.size, delta_gate(codes, offsets, setting.delta))
        return product(codes, matrix), matrix.scale * np.float32(step)

    def quantize_input(
        self, name: str, x: NDArray[np.int16], fraction_bits: int, act_bits: int
    ) -> tuple[NDArray[np.int8] | NDArray[np.int16], float]:
        """Codes and the value of one step; at 16 bits the grid's own codes."""
        if act_bits == BASELINE_BITS:
            return x.copy(), 2.0**-fraction_bits
        step = self.calibration.scale(name, act_bits)
        low, high = code_range(act_bits)
        return quantize_codes(x, np.float32(step * 2.0**fraction_bits), low, high), step


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
def rescale(sums, scale):  # type: ignore[no-untyped-def]
    """Grid codes int16 [n, rows] of exact sums: one float32 product with `scale` [rows], half to even, saturating."""
    out = np.empty(sums.shape, np.int16)
    for n in range(sums.shape[0]):
        row, codes = sums[n], out[n]
        for m in range(len(codes)):
            codes[m] = np.int16((min(max(np.float32(row[m]) * scale[m], LOW), HIGH) + ROUNDER) - ROUNDER)
    return out


def groups(offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of utterances whose frames together reach GROUP_FRAMES."""
    ranges, first = [], 0
    for u in range(1, len(offsets)):
        if offsets[u] - offsets[first] >= GROUP_FRAMES or u == len(offsets) - 1:
            ranges.append((first, u))
            first = u
    return ranges
