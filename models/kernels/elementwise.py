"""Elementary fixed-point steps of the compiled loops: of codes carried as float32 or `Lanes`, and of `Codes`."""

from __future__ import annotations

import numpy as np
from numba import njit

from models.kernels.codes import CODES, gated, load_codes, store_codes
from models.quantization.compiling import compiled
from models.quantization.fixed_point import HIGH, LOW, ROUNDER


@njit(inline="always")
def clip(x):  # type: ignore[no-untyped-def]
    """Saturate a float32 number to a 16-bit code."""
    return min(max(x, LOW), HIGH)


@njit(inline="always")
def grid(x):  # type: ignore[no-untyped-def]
    """Saturate a float32 number to a 16-bit code and round, half to even."""
    return (clip(x) + ROUNDER) - ROUNDER


@njit(inline="always")
def blend(gate, candidate, state):  # type: ignore[no-untyped-def]
    """Compute gate * state + (1 - gate) * candidate of codes, both on one grid, with one product and one rounding."""
    return candidate + gated(gate, state - candidate)


@compiled
def copy_codes(source, at, to, place, count):  # type: ignore[no-untyped-def]
    """Copy `count` codes int16 from source at `at` to `place`, and not one more."""
    whole = count - count % CODES
    for i in range(0, whole, CODES):
        store_codes(to, place + i, load_codes(source, at + i))
    for i in range(whole, count):
        to[np.uint64(place + i)] = source[np.uint64(at + i)]
