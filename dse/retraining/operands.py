"""Straight-through operands: in the forward pass the deployed values, in the backward pass those before rounding.

A quantized value is scale * (code + zero), with code = round(value / scale - zero) clipped to its range. Its gradient
passes to the value where that is within the range; that to the scale is code + zero - value / scale there, and the
bound beyond it. What a delta gate holds passes its gradient to the value of its own step.
Source: Esser et al., "Learned Step Size Quantization" (ICLR 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.engines.integer_network import IntegerMatVec
from models.kernels.straight_through import read_vectors
from models.quantization.fixed_point import CODE_MAX, CODE_MIN
from models.quantization.quantizer import QuantizedMatrix, code_range
from models.workload import BASELINE_BITS


class _Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, deployed: Tensor) -> Tensor:
        return deployed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def straight(value: Tensor, deployed: Tensor) -> Tensor:
    """`deployed`, with the gradient of `value`; both of one shape."""
    out: Tensor = _Straight.apply(value, deployed)
    return out


def weight(weights: Tensor, matrix: QuantizedMatrix, share: Tensor | None) -> Tensor:
    """Values [rows, cols] of a matrix's codes; `share` [rows] or [1] is the logarithm of what its scales grew by."""
    if share is None:
        return straight(weights, torch.from_numpy(matrix.values))
    scale = torch.from_numpy(matrix.scale)[:, None] * (1.0 + share - share.detach())[:, None]
    ratio = (weights / scale).clamp(*code_range(matrix.bits))
    return scale * straight(ratio, torch.from_numpy(matrix.codes.astype(np.float32)))


class _Read(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, share: Tensor | None, values: Tensor, slopes: Tensor, passes: Tensor) -> Tensor:
        ctx.save_for_backward(slopes, passes)
        ctx.learns = share is not None
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        slopes, passes = ctx.saved_tensors
        (gradient,) = gradients
        by_share = (gradient.reshape(-1) @ slopes.reshape(-1)).reshape(1) if ctx.learns else None
        return gradient * passes if ctx.needs_input_grad[0] else None, by_share, None, None, None


@dataclass(frozen=True, eq=False)
class Read:
    """What matvecs with one quantizer and delta gate read: values [n, cols], and where these pass their gradient on."""

    values: Tensor
    passes: Tensor  # 1 within the quantizer's range, 0 beyond


def read(x: Tensor, matvec: IntegerMatVec, share: Tensor | None, before: NDArray[np.int64]) -> Read:
    """Quantize and hold x [n, cols], values on the vector's grid, as a matvec reads it.

    `before` int64 [n] are the rows one step before, see `read_vectors`; `share` [1] is the logarithm of what the step
    grew by, None at 16 bits.
    """
    wide = matvec.act_bits == BASELINE_BITS
    low, high = (CODE_MIN, CODE_MAX) if wide else matvec.value_range
    constants = (2.0**-matvec.input_bits, 0.0 if wide else matvec.divisor, matvec.shift, low, high, matvec.delta)
    found = read_vectors(x.detach().contiguous().numpy(), *map(np.float32, constants), before)
    values, slopes, passes = map(torch.from_numpy, found)
    return Read(_Read.apply(x, share, values, slopes, passes), passes)
