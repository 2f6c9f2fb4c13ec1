"""What compiled loops share: elementary fixed-point steps, on codes carried as float32 or on `Lanes`."""

from __future__ import annotations

import numpy as np
from numba import njit

from models.fixed_point import HIGH, LOW, ROUNDER


@njit(inline="always")
def clip(x):  # type: ignore[no-untyped-def]
    """Saturate to a 16-bit code."""
    return min(max(x, LOW), HIGH)


@njit(inline="always")
def grid(x):  # type: ignore[no-untyped-def]
    """Saturate to a 16-bit code and round, half to even."""
    return (clip(x) + ROUNDER) - ROUNDER


@njit(nogil=True, cache=True)
def look_up(table, index, gate):  # type: ignore[no-untyped-def]
    """gate [n] = table at index [n]. Alone in its loop, so that the arithmetic around it vectorises."""
    for i in range(len(index)):
        gate[i] = table[np.uint32(index[i])]
