"""Steps that the cells of all models share, on `Codes`."""

from __future__ import annotations

import numpy as np
from numba import njit

from models.kernels.codes import gated, load_codes, store_codes
from models.kernels.words import CODES
from models.quantization.compiling import compiled_uncounted


@njit(inline="always")
def blend(gate, candidate, state):  # type: ignore[no-untyped-def]
    """Compute gate * state + (1 - gate) * candidate of codes, both on one grid, with one product and one rounding."""
    return candidate + gated(gate, state - candidate)


@compiled_uncounted
def copy_codes(source, at, to, place, count):  # type: ignore[no-untyped-def]
    """Copy `count` codes of flat int16 arrays, from source at `at` to `place`, and not one more.

    A row of an array would do as well, but to make one and to count who holds it takes 70 ns.
    """
    whole = count - count % CODES
    for i in range(0, whole, CODES):
        store_codes(to, place + i, load_codes(source, at + i))
    for i in range(whole, count):
        to[np.uint64(place + i)] = source[np.uint64(at + i)]
