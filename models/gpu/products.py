"""Exact integer matrix products on any device of torch, by one int8 kernel for all operand widths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.engines.integer_network import IntegerMatVec
from models.quantization.quantizer import weight_bytes
from models.workload import BASELINE_BITS

# torch._int_mm on CUDA takes 17 rows or more and multiples of 8 columns; its fast kernels align to 16 bytes, and every
# generation of GPUs has kernels for right operands stored column by column.
# Source: aten/src/ATen/native/cuda/Blas.cpp; cuBLAS documentation, cublasLtMatmul
LEAST_ROWS, ALIGNMENT = 32, 16


@lru_cache(maxsize=4)
def has_exact_int8(device: str | torch.device = "cpu") -> bool:
    """Return whether the device's int8 kernel accumulates without saturating in between (checked on extreme codes)."""
    worst = torch.full((32, 64), -128, dtype=torch.int8, device=device)
    mixed = torch.full((32, 64), -128, dtype=torch.int8, device=device)
    mixed[:, ::2] = 127
    try:
        product = torch._int_mm(worst, mixed.t())
    except (RuntimeError, AttributeError):
        return False
    return bool((product.double() == worst.double() @ mixed.t().double()).all())


@dataclass(frozen=True, eq=False)
class Merged:
    """Matvecs that read one vector with the same settings: one delta gate, one product, stacked by rows.

    places int64 [rows]: column of each result when all matvecs of the vector stand side by side.
    """

    matvecs: tuple[IntegerMatVec, ...]
    places: NDArray[np.int64]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(matvec.name for matvec in self.matvecs)

    @property
    def first(self) -> IntegerMatVec:
        """First of them: all have its widths, quantizer and delta."""
        return self.matvecs[0]


def merged(matvecs: Sequence[IntegerMatVec]) -> list[Merged]:
    """Merge matvecs that read one vector: one `Merged` for each group with equal settings."""
    ends = np.cumsum([matvec.rows for matvec in matvecs])
    places = np.split(np.arange(ends[-1]), ends[:-1])
    alike: dict[tuple[int, int, int], list[int]] = {}
    for number, matvec in enumerate(matvecs):
        alike.setdefault((matvec.matrix.bits, matvec.act_bits, matvec.delta), []).append(number)
    return [
        Merged(tuple(matvecs[k] for k in numbers), np.concatenate([places[k] for k in numbers]))
        for numbers in alike.values()
    ]


class Matrix:
    """Matrix of merged matvecs on a device. One int8 product gives all combinations of the operands' bytes.

    A 16-bit activation is its two bytes side by side, the low one shifted into int8; weights stand in the rows of the
    byte that they multiply, with zeros in the other's. The exact sums of all combinations are added in float64, which
    holds them exactly, and rounded to float32 once.
    """

    def __init__(self, merged: Merged, device: torch.device) -> None:
        weights = np.concatenate([matvec.matrix.codes for matvec in merged.matvecs]).astype(np.int32)
        parts = weight_bytes(weights, merged.first.matrix.bits)
        self.rows, self.cols = weights.shape
        wide = merged.first.act_bits == BASELINE_BITS
        act_bytes, self.dtype = (2, torch.int16) if wide else (1, torch.int8)
        self.scratch_cols = _aligned(self.cols * act_bytes) // act_bytes
        self.blocks = act_bytes * len(parts)
        codes = np.zeros((_aligned(self.blocks * self.rows), self.scratch_cols, act_bytes), np.int8)
        places: list[float] = []
        for byte in range(act_bytes):  # the low one first, as in memory
            for k, part in enumerate(parts):
                codes[len(places) * self.rows :][: self.rows, : self.cols, byte] = part
                places.append(256.0 ** (byte + len(parts) - 1 - k))
        self.codes = torch.from_numpy(codes.reshape(len(codes), -1)).to(device).t()
        self.places = torch.tensor(places, dtype=torch.float64, device=device)[:, None]
        # the low byte's shift is undone by the row sums
        self.row_sums = torch.from_numpy(weights.sum(axis=1, dtype=np.int32)).to(device)
        self.start = self.row_sums * (128 if wide else 0)

    @property
    def size_bytes(self) -> int:
        return self.codes.numel()

    def scratch(self, rows: int) -> Tensor:
        """Allocate scratch for `product` of up to `rows` rows of codes, its padding zero."""
        return torch.zeros((max(rows, LEAST_ROWS), self.scratch_cols), dtype=self.dtype, device=self.codes.device)

    def product(self, codes: Tensor, scratch: Tensor, start: Tensor | None) -> Tensor:
        """Exact sums [n, rows] of codes float32 [n, cols] and `start` [rows]: int32, or rounded once to float32."""
        count = len(codes)
        scratch[:count, : self.cols].copy_(codes)
        left = scratch[: max(count, LEAST_ROWS)]  # rows past `count` are padding, and their sums are not read
        if self.dtype == torch.int16:
            left = (left ^ 128).view(torch.int8)
        if has_exact_int8(left.device):
            sums = torch._int_mm(left, self.codes)
        else:  # float64 holds every int32 sum exactly, in any order of summation
            sums = (left.double() @ self.codes.double()).to(torch.int32)
        sums = sums[:count, : self.blocks * self.rows]
        if self.blocks == 1:
            return sums if start is None else sums + start
        start = self.start if start is None else self.start + start
        return ((sums.unflatten(1, (self.blocks, self.rows)) * self.places).sum(dim=1) + start).float()


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // ALIGNMENT) * ALIGNMENT
