"""Elementary fixed-point steps of the compiled loops, on codes carried as float32 or on `Lanes`."""

from __future__ import annotations

import numpy as np
from numba import njit

from models.quantization.compiling import compiled
from models.quantization.fixed_point import GATE_FRACTION_BITS, HIGH, LOW, ROUNDER, SIGMOID_REACH

GATE_STEP = np.float32(2.0**-GATE_FRACTION_BITS)
REACH = np.float32(SIGMOID_REACH)


@njit(inline="always")
def clip(x):  # type: ignore[no-untyped-def]
    """Saturate to a 16-bit code."""
    return min(max(x, LOW), HIGH)


@njit(inline="always")
def grid(x):  # type: ignore[no-untyped-def]
    """Saturate to a 16-bit code and round, half to even."""
    return (clip(x) + ROUNDER) - ROUNDER


@njit(inline="always")
def blend(gate, candidate, state):  # type: ignore[no-untyped-def]
    """Compute gate * state + (1 - gate) * candidate, both on one grid, with one product and one rounding."""
    return clip(candidate + grid(gate * clip(state - candidate) * GATE_STEP))


@njit(inline="always")
def place_in_table(x):  # type: ignore[no-untyped-def]
    """Index in the sigmoid table of a preactivation code, which is saturated to the table's range."""
    return min(max(x, -REACH), REACH) + REACH


@compiled
def look_up(table, index, gate):  # type: ignore[no-untyped-def]
    """Set gate [n] to table at index [n]. A loop of its own, so that the arithmetic around it vectorises."""
    for i in range(len(index)):
        gate[i] = table[np.uint32(index[i])]
