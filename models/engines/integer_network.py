"""Integers of a quantized network with delta gates as deployed, in plain arrays. Loads no framework.

The compiled engine, the GPU engine and every exporter are built from an `IntegerNetwork` and from nothing else. It
defines these computations (sums are exact; every other step is one float32 operation, then rounded half to even to a
16-bit grid and saturated, which is `grid` below):
    features   x = grid((features - mean) / std) on 2^-input_bits, 0 where that is no number
    matvec     see `IntegerMatVec`
    layers     see `SruLayer` and `GatedLayer`; a layer reads the state codes of the one before, all directions
    logits     the output matvec's result on 2^-logit_bits
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.networks.directions import WAYS, Directions, count
from models.quantization.fixed_point import sigmoid_knots, to_grid
from models.quantization.quantizer import QuantizedMatrix, code_range

Floats = NDArray[np.float32]
Codes = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class IntegerMatVec:
    """One matvec as deployed. Its steps for a vector x of 16-bit codes on 2^-input_bits:

    v = x / divisor - shift, clipped to act_bits signed bits plus zero, then rounded half to even (x itself at 16 bits)
    held = v where |v - held| > delta, else as it was; zeros before the first step
    result = grid(grid(float32(matrix.codes . held + start) * scale) + bias) on 2^-result_bits
    The zero point is zero + shift: x is about divisor * (v + shift), and v = 0 where x is 0. A product may take the
    signed codes q = v - zero: matrix.codes . v = matrix.codes . q + zero * row sums.
    """

    name: str
    matrix: QuantizedMatrix  # codes int16 [rows, cols]
    act_bits: int
    zero: int  # the zero point, rounded half to even: the code of 0 is -zero
    shift: np.float32  # the rest of it, in quarters
    delta: int  # threshold of the delta gate in steps of v
    input_bits: int
    divisor: np.float32  # a step of v in steps of the input's grid
    scale: Floats  # [rows] a unit of the sum in steps of the result's grid
    result_bits: NDArray[np.int8]  # [rows]
    bias: Codes  # [rows]

    @property
    def rows(self) -> int:
        return len(self.scale)

    @property
    def start(self) -> NDArray[np.int32]:
        """What the sums [rows] start from: shift times the row sums of the codes, rounded half to even."""
        return np.rint(self.matrix.row_sums * float(self.shift)).astype(np.int32)

    @property
    def value_range(self) -> tuple[int, int]:
        """Smallest and largest v."""
        low, high = code_range(self.act_bits)
        return low + self.zero, high + self.zero

    @property
    def cols(self) -> int:
        return int(self.matrix.codes.shape[1])


@dataclass(frozen=True, eq=False)
class SruLayer:
    """Layer of an SRU in integers.

        u = input(projection(x)) in blocks candidate, forget, reset (, highway), each all directions side by side
        f, r = sigmoid(grid(u_gate + grid(v_gate c 2^(10 - v_bits - state_bits))))
        c = u0 blended with c by f, h = highway blended with c by r, see `models.kernels.elementwise.blend`
    The highway is u3, or where there is none grid(x alpha 2^(state_bits - input_bits - alpha_bits)).
    """

    projection: IntegerMatVec | None
    input: IntegerMatVec
    v: Codes  # [2, width] forget, reset
    v_bits: int
    alpha: int  # code of the highway's scale
    alpha_bits: int
    input_bits: int  # of x
    state_bits: int  # of c, h, u0 and u3

    @property
    def has_highway(self) -> bool:
        """Whether the input matvec computes the highway, u3."""
        return self.input.rows == 4 * self.v.shape[1]

    @property
    def matvecs(self) -> tuple[IntegerMatVec, ...]:
        return (self.input,) if self.projection is None else (self.projection, self.input)


@dataclass(frozen=True, eq=False)
class GatedLayer:
    """Layer of an LSTM, GRU or LiGRU in integers, with a set of matrices for each of the network's `ways`.

    `recurrent` are each set's recurrent matvecs by the vector they read, in the order they run. All read h, except for
    a GRU: its gates read h and then its candidate reads r h, or h again with `reset_after`. See
    `models.kernels.recurrent_layers`.
    """

    # set by set, in each gate by gate, the candidate last; results with bias are the preactivations
    inputs: tuple[IntegerMatVec, ...]
    recurrent: tuple[tuple[tuple[IntegerMatVec, ...], ...], ...]
    state_bits: int  # of h
    cell_bits: int  # of an LSTM's c; else unused
    candidate_scale: np.float32
    reset_after: bool

    @property
    def gates(self) -> int:
        """Number of gates, the candidate included: input matvecs of a set."""
        return len(self.inputs) // len(self.recurrent)

    @property
    def candidate_bits(self) -> int:
        """Fraction bits of the candidate's preactivation."""
        return int(self.inputs[-1].result_bits[0])

    @property
    def matvecs(self) -> tuple[IntegerMatVec, ...]:
        return (*self.inputs, *(matvec for own in self.recurrent for reads in own for matvec in reads))


Layer = SruLayer | GatedLayer


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """Integers of one network at one configuration; matvecs run in the workload's order."""

    model: str
    hidden: int  # of one direction
    directions: Directions
    input_mean: Floats  # [features]
    input_std: Floats  # [features]
    input_bits: int
    layers: tuple[Layer, ...]  # all of one kind
    output: IntegerMatVec
    sigmoid_knots: Codes = field(default_factory=sigmoid_knots)  # see `fixed_point.sigmoid`, for tanh too

    @property
    def ways(self) -> tuple[tuple[int, ...], ...]:
        """For each set of matrices the directions that run through it: 0 is forward in time, 1 backward."""
        return WAYS[self.directions]

    @property
    def width(self) -> int:
        """Codes of a frame of a layer's output: all directions side by side."""
        return count(self.directions) * self.hidden

    @property
    def logit_bits(self) -> int:
        return int(self.output.result_bits[0])

    @property
    def matvecs(self) -> tuple[IntegerMatVec, ...]:
        return (*(matvec for layer in self.layers for matvec in layer.matvecs), self.output)

    def input_codes(self, features: Floats) -> Codes:
        """Quantize features float32 [N, features] to the input grid: codes int16 [N, features].

        What is beyond the grid saturates, infinity too; what is no number is 0.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            normal = (features - self.input_mean) / self.input_std
            return to_grid(np.where(np.isnan(normal), np.float32(0), normal), self.input_bits)
