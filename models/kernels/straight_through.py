"""Quantized and held vectors of a whole sequence, with the slopes that training under quantization takes."""

from __future__ import annotations

import numpy as np

from models.quantization.compiling import compiled


@compiled
def read_vectors(x, unit, step, shift, low, high, threshold, before):  # type: ignore[no-untyped-def]
    """Quantize and hold x float32 [n, cols]; returns values, slopes and passes, float32 [n, cols] each.

    x are codes of a grid times its `unit`, a power of two; a quantizer's step is `step` codes, its shifted codes are
    low to high; a step of 0 keeps the grid's own codes. before int64 [n] is the row one step before each row, which is
    less than its own, or -1 where there is none and 0 is held. Values are those of the held codes; slopes their
    derivatives by the logarithm of the step; passes are 1 where x is within the range, else 0.
    """
    n, cols = x.shape
    held = np.empty((n, cols), np.float32)
    values, slopes, passes = np.empty_like(held), np.zeros((n, cols), np.float32), np.ones((n, cols), np.float32)
    zero, one, to_code, scale = np.float32(0), np.float32(1), one_over(unit), step * unit
    nothing = np.zeros(cols, np.float32)
    for row in range(n):
        last = held[before[row]] if before[row] >= 0 else nothing
        for i in range(cols):
            ratio = x[row, i] * to_code
            if step > zero:
                ratio = ratio / step - shift
            code = np.rint(min(max(ratio, low), high))
            if abs(code - last[i]) <= threshold:
                code = last[i]
            held[row, i] = code
            if step > zero:
                inside = ratio >= low and ratio <= high
                values[row, i] = (code + shift) * scale
                slopes[row, i] = (code - ratio if inside else code + shift) * scale
                passes[row, i] = one if inside else zero
            else:
                values[row, i] = code * unit
    return values, slopes, passes


@compiled
def one_over(power):  # type: ignore[no-untyped-def]
    """1 over a power of two, float32 and exact."""
    return np.float32(np.float32(1) / power)
