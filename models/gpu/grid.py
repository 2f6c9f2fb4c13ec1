"""Fixed-point steps and tables of `models.quantization.fixed_point` in torch operations, on codes in float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.quantization.fixed_point import (
    CODE_MAX,
    CODE_MIN,
    GATE_FRACTION_BITS,
    SIGMOID_REACH,
    sigmoid_table,
    to_grid,
)


def clip_(x: Tensor) -> Tensor:
    """Saturate to 16-bit codes, in place."""
    return x.clamp_(CODE_MIN, CODE_MAX)


def grid_(x: Tensor) -> Tensor:
    """Saturate to 16-bit codes and round, half to even, in place."""
    return clip_(x).round_()


def look_up(table: Tensor, preactivation: Tensor) -> Tensor:
    """Entries of a `gate_table` or `tanh_table` for whole preactivation codes, which are saturated in place."""
    return table[preactivation.clamp_(-SIGMOID_REACH, SIGMOID_REACH).long()]


def gate_table(knots: NDArray[np.int16]) -> NDArray[np.float32]:
    """Table of the sigmoid as numbers in [0, 1], by preactivation code: entry -1, the last, is that of code -1."""
    return np.roll(sigmoid_table(knots) * np.float32(2.0**-GATE_FRACTION_BITS), -SIGMOID_REACH)


def tanh_table(knots: NDArray[np.int16], scale: float = 1.0) -> NDArray[np.int16]:
    """Table [2 SIGMOID_REACH + 1] of tanh times a candidate's scale, gate-grid codes, ordered as `gate_table`."""
    twice = np.clip(2 * np.arange(-SIGMOID_REACH, SIGMOID_REACH + 1), -SIGMOID_REACH, SIGMOID_REACH) + SIGMOID_REACH
    squashed = 2 * sigmoid_table(knots)[twice].astype(np.int32) - 2**GATE_FRACTION_BITS
    return np.roll(to_grid(squashed.astype(np.float32) * np.float32(scale), 0), -SIGMOID_REACH)
