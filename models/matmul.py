"""Exact integer matrix products: int8 kernels for every operand width, 16-bit operands as two int8 halves.

Every product of codes is exact: 8-bit operands accumulate in int32, a 16-bit operand is 256 * high + low and its parts
are combined in int64. The sum becomes float32 once, rounded to nearest even; the caller multiplies by the scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from models.quantizer import QuantizedMatrix
from models.workload import BASELINE_BITS


@lru_cache(maxsize=4)
def has_exact_int8(device: str | torch.device = "cpu") -> bool:
    """Whether the device's int8 kernel accumulates without saturating in between (checked on extreme codes)."""
    worst = torch.full((32, 64), -128, dtype=torch.int8, device=device)
    mixed = torch.full((32, 64), -128, dtype=torch.int8, device=device)
    mixed[:, ::2] = 127
    try:
        product = torch._int_mm(worst, mixed.t())
    except (RuntimeError, AttributeError):
        return False
    return bool((product.double() == worst.double() @ mixed.t().double()).all())


@dataclass(frozen=True, eq=False)
class PreparedMatrix:
    """A quantized matrix laid out for products: int8 parts [cols, rows], most significant first, and its row sums."""

    parts: tuple[torch.Tensor, ...]
    row_sums: NDArray[np.int64]
    scale: NDArray[np.float32]
    bits: int


def prepare(matrices: list[QuantizedMatrix]) -> PreparedMatrix:
    """Stack matrices of equal columns and bits by rows into one product."""
    codes = np.concatenate([matrix.codes for matrix in matrices]).astype(np.int32)
    bits = matrices[0].bits
    high = (codes + 128) >> 8
    halves = [high, codes - 256 * high] if bits == BASELINE_BITS else [codes]
    parts = tuple(torch.from_numpy(half.astype(np.int8)).t().contiguous() for half in halves)
    scale = np.concatenate([matrix.scale for matrix in matrices])
    return PreparedMatrix(parts, codes.sum(axis=1, dtype=np.int64), scale, bits)


def product(codes: NDArray[np.int8] | NDArray[np.int16], matrix: PreparedMatrix) -> NDArray[np.float32 | np.int32]:
    """Exact sums [n, rows] of `codes` [n, cols] times the matrix: int32, or float32 rounded once from the exact sum."""
    if codes.dtype == np.int8:
        halves, offset = [torch.from_numpy(codes)], 0
    else:
        halves = [torch.from_numpy(half) for half in _halves(codes)]
        offset = 128
    if len(halves) == len(matrix.parts) == 1:
        return int8_product(halves[0], matrix.parts[0]).numpy()
    products = [[int8_product(a, w).numpy() for w in matrix.parts] for a in halves]
    start = matrix.row_sums * offset
    if len(halves) == 2 and len(matrix.parts) == 2:
        (hh, hl), (lh, ll) = products
        return _combine4(hh, hl, lh, ll, start)
    (first,), (second,) = products if len(halves) == 2 else [[p] for p in products[0]]
    return _combine2(first, second, start)


def int8_product(a: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """int32 [n, rows] = int8 [n, cols] @ int8 [cols, rows]."""
    if has_exact_int8() and a.shape[1] > 1:  # torch 2.13 reads past the end of matrices with a single column
        return torch._int_mm(a, w)
    # float64 holds every int32 sum exactly, in any order of summation
    return (a.double() @ w.double()).to(torch.int32)


@njit(cache=True, nogil=True)
def _halves(codes):  # type: ignore[no-untyped-def]
    """int8 high bytes and low bytes of int16 [n, cols]; 128 less than the low byte, which row sums pay back."""
    high = np.empty(codes.shape, np.int8)
    low = np.empty(codes.shape, np.int8)
    for n in range(codes.shape[0]):
        row, above, below = codes[n], high[n], low[n]
        for m in range(len(row)):
            above[m] = np.int8(row[m] >> 8)
            below[m] = np.int8((row[m] & 255) - 128)
    return high, low


@njit(cache=True, nogil=True)
def _combine2(high, low, start):  # type: ignore[no-untyped-def]
    out = np.empty(high.shape, np.float32)
    for n in range(high.shape[0]):
        for m in range(high.shape[1]):
            out[n, m] = np.float32(np.int64(high[n, m]) * 256 + low[n, m] + start[m])
    return out


@njit(cache=True, nogil=True)
def _combine4(hh, hl, lh, ll, start):  # type: ignore[no-untyped-def]
    out = np.empty(hh.shape, np.float32)
    for n in range(hh.shape[0]):
        for m in range(hh.shape[1]):
            middle = np.int64(hl[n, m]) + lh[n, m]
            out[n, m] = np.float32(np.int64(hh[n, m]) * 65536 + middle * 256 + ll[n, m] + start[m])
    return out
