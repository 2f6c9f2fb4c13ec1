"""Integer quantizers with minimum-mean-square-error clipping, quantized matrices, 16-bit fixed point for the baseline.

A value is (code + zero) * step with codes in [-2^(b-1), 2^(b-1) - 1]; only activations have a zero point. The clip
threshold is the one of 100 candidates (0.01 .. 1.00 of the largest magnitude, or with a zero point of the range) with
the least mean square error, counted with the clamp as it is: the negative side reaches one code further.
Source: the method is Rezk et al., Information 13(4):176 (2022); theirs drops the scales, searches a 201-bin histogram
without the candidate 1.00 and charges clipping symmetrically.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.quantization.fixed_point import CODE_MIN, fraction_bits
from models.workload import BASELINE_BITS, INTEGER_BITS, InputError

BINS = 4096  # 16 bins a step at 8 bits without clipping
SHARES = np.arange(1, 101) / 100  # of the largest step, which are tried
ZERO_QUARTERS, QUARTERS_UP_TO_BITS = 4, 4  # an 8-bit zero point is in quarters for codes of up to 4 bits, else whole
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
        require_integer(bits)
        if self.peak == 0.0:
            return 1.0
        low, high = code_range(bits)
        used = self.counts > 0
        centres, counts = self.centres[used], self.counts[used]
        scales = self.peak / high * SHARES
        return float(np.float32(scales[np.argmin(_square_errors(centres, counts, scales, low, high))]))


@dataclass(frozen=True, eq=False)
class QuantizedMatrix:
    """Codes int16 [rows, cols] of a weight matrix; a row's scale is a whole multiple of the matrix's step.

    Multiples are -127 to 127 and not 0; with one scale a matrix all are 1.
    """

    codes: NDArray[np.int16]
    step: np.float32
    multiples: NDArray[np.int8]  # [rows]
    bits: int

    @property
    def scale(self) -> NDArray[np.float32]:
        """Scale of each row [rows]."""
        return self.multiples.astype(np.float32) * self.step

    @cached_property
    def row_sums(self) -> NDArray[np.int64]:
        """Sum of each row's codes [rows]."""
        sums: NDArray[np.int64] = self.codes.sum(axis=1, dtype=np.int64)
        return sums

    @property
    def values(self) -> NDArray[np.float32]:
        """Values of the codes, float32 [rows, cols]."""
        return self.codes.astype(np.float32) * self.scale[:, None]


def fixed_point_matrix(weights: NDArray[np.floating]) -> QuantizedMatrix:
    """Round a matrix [rows, cols] to 16-bit binary fixed point: its step is a power of two.

    Raises InputError if a weight is not finite.
    """
    peak = float(np.abs(weights).max(initial=0.0))
    step = np.float32(2.0 ** -fraction_bits(peak * (2**15 - 1) / WEIGHT_CODE_MAX))
    codes = np.clip(np.rint(weights.astype(np.float32) / step), -WEIGHT_CODE_MAX, WEIGHT_CODE_MAX)
    return QuantizedMatrix(codes.astype(np.int16), step, np.ones(len(weights), np.int8), BASELINE_BITS)


@dataclass(frozen=True)
class ActivationQuantizer:
    """Quantizer of a vector: values (code + zero) * step. `zero` is a multiple of 1/4."""

    step: np.float32
    zero: float = 0.0


def activation_quantizer(counts: NDArray[np.int64], bits: int, zero_points: bool) -> ActivationQuantizer:
    """Quantizer of grid codes with the least square error, its step in steps of their grid.

    counts int64 [2^16], how often each code from CODE_MIN on occurs. Without occurrences, or where all are 0, the step
    is 1. Raises InputError for bits outside INTEGER_BITS.
    """
    require_integer(bits)
    codes = np.flatnonzero(counts) + CODE_MIN
    if not len(codes) or not codes.any():
        return ActivationQuantizer(np.float32(1.0))
    width = max(1, int(np.abs(codes).max()) * 2 // BINS)  # of a bin, in codes
    bins, place = np.unique(codes // width, return_inverse=True)
    weight = np.bincount(place, counts[codes - CODE_MIN]).astype(np.float64)
    centres = bins.astype(np.float64) * width + (width - 1) / 2.0
    low, high = code_range(bits)
    if not zero_points:
        steps = int(np.abs(codes).max()) / high * SHARES
        errors = _square_errors(centres, weight, steps, low, high)
        return ActivationQuantizer(np.float32(steps[np.argmin(errors)]))
    steps = (max(int(codes[-1]), 0) - min(int(codes[0]), 0)) / (high - low) * SHARES
    least, found = np.inf, ActivationQuantizer(np.float32(1.0))
    for zero in _zeros(bits):
        errors = _square_errors(centres, weight, steps, low, high, zero)
        best = int(np.argmin(errors))
        if errors[best] < least:
            least, found = errors[best], ActivationQuantizer(np.float32(steps[best]), zero)
    return found


def _zeros(bits: int) -> NDArray[np.float64]:
    """Zero points that are tried: in quarters at up to 4 bits, else whole ones, in 32nds of the range from 6 bits on.

    0 lies within their ranges. Where steps are wide, that a value lies between them can be worth more than an exact 0.
    """
    low, high = code_range(bits)
    apart = 1 / ZERO_QUARTERS if bits <= QUARTERS_UP_TO_BITS else max(1, 2**bits // 32)
    return np.arange(-low, -high - min(apart, 1) / 2, -apart)


def _square_errors(
    values: NDArray[np.float64],
    counts: NDArray[np.float64],
    steps: NDArray[np.float64],
    low: int,
    high: int,
    zero: float = 0.0,
) -> NDArray[np.float64]:
    """Sum of square errors of each step; numpy adds up in an order of its own, the same on every machine."""
    code = np.clip(np.rint(values / steps[:, None] - zero), low, high)
    error = (code + zero) * steps[:, None] - values
    found: NDArray[np.float64] = (error**2 * counts).sum(axis=1)
    return found


def require_integer(bits: int) -> None:
    """Raises InputError for bits outside INTEGER_BITS."""
    if bits not in INTEGER_BITS:
        raise InputError(f"{bits} bits is not an integer quantizer; there are {', '.join(map(str, INTEGER_BITS))}")


def weight_bytes(codes: NDArray[np.int32], bits: int) -> list[NDArray[np.int32]]:
    """Split weight codes into the signed bytes that are multiplied: high and low at 16 bits, else one."""
    high = (codes + 128) >> 8
    return [high, codes - 256 * high] if bits == BASELINE_BITS else [codes]
