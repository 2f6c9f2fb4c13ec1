"""The 16-bit binary fixed-point grid of all elementwise operations, and their shared sigmoid table.

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
SIGMOID_REACH = 2**14  # preactivations beyond +-16 give the same sigmoid as +-16: exactly 0 or 1 on the gate grid


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
    values: NDArray[np.float32] = codes.astype(np.float32) * np.float32(2.0**-bits)
    return values


@lru_cache(maxsize=1)
def sigmoid_table() -> NDArray[np.float32]:
    """Sigmoid table [2^15 + 1]: entry i is the gate-grid code (0..2^14) of preactivation code i - 2^14.

    tanh uses the same table: tanh(x) = 2 sigmoid(2x) - 1. No entry is within 1e-7 of a rounding tie (tested), so every
    machine's exp gives the same integers.
    """
    x = np.arange(-SIGMOID_REACH, SIGMOID_REACH + 1) / 2.0**PREACTIVATION_FRACTION_BITS
    return np.rint(2.0**GATE_FRACTION_BITS / (1.0 + np.exp(-x))).astype(np.float32)
