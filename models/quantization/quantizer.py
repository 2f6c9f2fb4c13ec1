"""Symmetric integer quantization with minimum-mean-square-error clipping, and 16-bit fixed point for the baseline.

Scales are kept: a value is code * scale with codes in [-2^(b-1), 2^(b-1) - 1]. The clip threshold alpha is the one
of 100 candidates (0.01 .. 1.00 of the largest magnitude) with the least mean square error, counted with the clamp as
it is: the negative side reaches one code further than the positive one.
Source: the method is Rezk et al., Information 13(4):176 (2022); theirs drops the scales, searches a 201-bin histogram
without the candidate 1.00 and charges clipping symmetrically.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.quantization.fixed_point import fraction_bits
from models.workload import BASELINE_BITS, INTEGER_BITS, InputError

BINS = 4096  # 16 bins a step at 8 bits without clipping
CANDIDATES = 100
# 16-bit weight codes stay where high and low byte both fit int8: code = 256 * high + low, low in [-128, 127].
WEIGHT_CODE_MAX = 127 * 256 + 127


def code_range(bits: int) -> tuple[int, int]:
    """Smallest and largest signed code of `bits` bits."""
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


@dataclass(frozen=True, eq=False)
class Histogram:
    """Histogram of values in BINS equal bins over [-peak, peak]; counts float64 [BINS]."""

    peak: float
    counts: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.floating], peak: float | None = None) -> Histogram:
        """Histogram of values (any shape); `peak` is their largest magnitude. Raises InputError if it is not finite."""
        largest = float(np.abs(values).max(initial=0.0)) if peak is None else peak
        if not np.isfinite(largest):
            raise InputError("values to quantize are not finite")
        counts, _ = np.histogram(values, bins=BINS, range=(-largest, largest) if largest > 0 else (-1.0, 1.0))
        return cls(largest, counts.astype(np.float64))

    @property
    def centres(self) -> NDArray[np.float64]:
        peak = self.peak or 1.0
        return (np.arange(BINS, dtype=np.float64) + 0.5) * (2.0 * peak / BINS) - peak

    def scale(self, bits: int) -> float:
        """Step of the `bits`-bit symmetric quantizer with the least mean square error, as a float32 value.

        It is alpha / (2^(bits-1) - 1), or 1 if all values are 0. Raises InputError for bits outside INTEGER_BITS.
        """
        if bits not in INTEGER_BITS:
            raise InputError(f"{bits} bits is not an integer quantizer; there are {', '.join(map(str, INTEGER_BITS))}")
        if self.peak == 0.0:
            return 1.0
        low, high = code_range(bits)
        used = self.counts > 0
        centres, counts = self.centres[used], self.counts[used]
        scales = self.peak * np.arange(1, CANDIDATES + 1)[:, None] / CANDIDATES / high
        error = np.clip(np.rint(centres / scales), low, high) * scales - centres
        return float(np.float32(scales[np.argmin((error**2) @ counts), 0]))


@dataclass(frozen=True, eq=False)
class QuantizedMatrix:
    """Codes int16 [rows, cols] of a weight matrix and the float32 step of each row [rows]."""

    codes: NDArray[np.int16]
    scale: NDArray[np.float32]
    bits: int

    @property
    def values(self) -> NDArray[np.float32]:
        """Values of the codes, float32 [rows, cols]."""
        return self.codes.astype(np.float32) * self.scale[:, None]


def quantize_matrix(weights: NDArray[np.floating], bits: int) -> QuantizedMatrix:
    """Quantize a matrix `weights` [rows, cols] with one scale; 16 bits give binary fixed point (a power-of-two scale).

    Raises InputError if a weight is not finite.
    """
    if not np.isfinite(weights).all():
        raise InputError("weights to quantize are not finite")
    if bits == BASELINE_BITS:
        peak = float(np.abs(weights).max(initial=0.0))
        scale = 2.0 ** -fraction_bits(peak * (2**15 - 1) / WEIGHT_CODE_MAX)
        low, high = -WEIGHT_CODE_MAX, WEIGHT_CODE_MAX
    else:
        scale = Histogram.of(weights).scale(bits)
        low, high = code_range(bits)
    codes = np.clip(np.rint(weights.astype(np.float32) / np.float32(scale)), low, high).astype(np.int16)
    return QuantizedMatrix(codes, np.full(len(weights), scale, np.float32), bits)


def weight_bytes(codes: NDArray[np.int32], bits: int) -> list[NDArray[np.int32]]:
    """Split weight codes into the signed bytes that are multiplied: high and low at 16 bits, else one."""
    high = (codes + 128) >> 8
    return [high, codes - 256 * high] if bits == BASELINE_BITS else [codes]
