"""The 16-bit binary fixed-point grid of all elementwise operations, and their shared sigmoid.

A number on a grid with `fraction_bits` f is code * 2^-f with a 16-bit code. An elementwise step is one IEEE float32
operation on two such numbers, then rounding to a grid (half to even) and saturation. Codes are carried as integers or
as whole float32 values; scaling by a power of two is exact, so both give the same result.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.workload import InputError

CODE_MIN, CODE_MAX = -(2**15), 2**15 - 1
LOW, HIGH = np.float32(CODE_MIN), np.float32(CODE_MAX)
# Adding 1.5 * 2^23 leaves a float32 no fraction bits, so the addition itself rounds, half to even; taking it off again
# is exact. Good for magnitudes below 2^22 (saturate first); unlike a call of rint it vectorises in compiled loops.
ROUNDER = np.float32(1.5 * 2**23)
MAX_FRACTION_BITS = 15
GATE_FRACTION_BITS = 14  # sigmoid and tanh outputs, in [-1, 1]
PREACTIVATION_FRACTION_BITS = 10  # what a gate's sigmoid reads: +-32 in steps of 2^-10
# Sigmoid: knots at multiples of 1/8, straight lines between; from 8 on it is 1.
KNOT_SHIFT = PREACTIVATION_FRACTION_BITS - 3  # a preactivation code holds the knot's number above these bits
KNOTS = 65
SIGMOID_REACH = (KNOTS - 1) << KNOT_SHIFT  # the first code at which it is 1


def fraction_bits(peak: float) -> int:
    """Fraction bits of the finest 16-bit grid that holds +-`peak`. Raises InputError unless it is finite and >= 0."""
    if not np.isfinite(peak) or peak < 0:
        raise InputError(f"a fixed-point range needs a finite peak of at least 0, not {peak}")
    bits = MAX_FRACTION_BITS
    while bits > -MAX_FRACTION_BITS and peak * 2.0**bits > CODE_MAX:
        bits -= 1
    return bits


def to_grid(values: NDArray[np.floating], bits: int) -> NDArray[np.int16]:
    """Codes of `values` (any shape) on the grid with `bits` fraction bits: half to even, saturating."""
    scaled = values.astype(np.float32) * np.float32(2.0**bits)
    return np.clip(np.rint(scaled), CODE_MIN, CODE_MAX).astype(np.int16)


def to_float(codes: NDArray[np.generic], bits: int) -> NDArray[np.float32]:
    """Values of codes (any shape) on the grid with `bits` fraction bits; exact."""
    values: NDArray[np.float32] = np.multiply(codes, np.float32(2.0**-bits), dtype=np.float32)  # in one pass
    return values


def sigmoid_knots() -> NDArray[np.int16]:
    """Knots [KNOTS] of the sigmoid at 0, 1/8, ... 8 on the gate grid: 2^13 ... 2^14.

    None but the last, which is 1, is within 1e-3 of a rounding tie (tested): every machine's exp gives the same ones.
    """
    x = np.arange(KNOTS) * 2.0 ** (KNOT_SHIFT - PREACTIVATION_FRACTION_BITS)
    knots = np.rint(2.0**GATE_FRACTION_BITS / (1.0 + np.exp(-x))).astype(np.int16)
    knots[-1] = 2**GATE_FRACTION_BITS
    return knots


def sigmoid(knots: NDArray[np.int16], codes: NDArray[np.integer]) -> NDArray[np.int32]:
    """Gate-grid codes, 0..2^14, of preactivation codes (any shape), in integers.

    A straight line between two knots is rounded half to even; sigmoid(-x) = 1 - sigmoid(x). tanh is the same function:
    tanh(x) = 2 sigmoid(2 x) - 1. It is within 6 steps of the gate grid, 3.4e-4, of the real one (tested).
    """
    size = np.minimum(np.abs(codes.astype(np.int32)), SIGMOID_REACH)
    number = np.minimum(size >> KNOT_SHIFT, KNOTS - 2)
    along = size - (number << KNOT_SHIFT)
    wide = knots.astype(np.int32)
    rise = (wide[number + 1] - wide[number]) * along
    half, odd = 1 << (KNOT_SHIFT - 1), (rise >> KNOT_SHIFT) & 1
    value = wide[number] + ((rise + half - 1 + odd) >> KNOT_SHIFT)
    return np.where(codes < 0, 2**GATE_FRACTION_BITS - value, value)


@lru_cache(maxsize=1)
def _table_of(knots: bytes) -> NDArray[np.float32]:
    codes = np.arange(-SIGMOID_REACH, SIGMOID_REACH + 1)
    return sigmoid(np.frombuffer(knots, np.int16), codes).astype(np.float32)


def sigmoid_table(knots: NDArray[np.int16]) -> NDArray[np.float32]:
    """`sigmoid` of every code from -SIGMOID_REACH to SIGMOID_REACH, for fast look-up."""
    return _table_of(knots.tobytes())
