"""The compiled engines' integers in plain torch operations, so that a GPU can compute them: products, gates, batches.

Everything elementwise is carried as whole float32 codes, and each step is one float32 operation and its rounding in
kernels of their own, as in `models.fixed_point`. Nothing here may be fused (torch.compile, addcmul, lerp, baddbmm): a
fused multiply-add leaves out a rounding and changes bits. Powers of two are folded into constants and tables, which is
exact. Divisors are tensors on the device: CUDA kernels replace division by a host's number by a product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.engine import Bundle, Counter, Linear
from models.fixed_point import CODE_MAX, CODE_MIN, GATE_FRACTION_BITS, SIGMOID_REACH, sigmoid_table, to_grid
from models.quantizer import code_range
from models.workload import BASELINE_BITS, Configuration

# Utterances are run in batches of about this many frames, which the largest preset needs about 4 GB for.
FRAMES_PER_BATCH = 2**16
PRODUCT_FRAMES = 2**13  # products of a longer sequence are taken in parts: 16-bit operands need 48 bytes an output
# torch._int_mm on CUDA takes 17 rows or more and multiples of 8 columns; 16 bytes are what its fast kernels align to.
# Source: aten/src/ATen/native/cuda/Blas.cpp
LEAST_ROWS, ALIGNMENT = 32, 16

UnitSteps = Callable[[Bundle], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Batch:
    """Frames of some utterances packed by step: all first frames, all second ones, ...; longest utterance first.

    So the utterances that still run at a step are the first rows of the one before.
    """

    frames: NDArray[np.int64]  # [n] where each packed frame stands in the split
    sizes: list[int]  # frames of each step
    reverse: Tensor  # [n] the packed frame as far from its utterance's end as this one is from its start
    before: Tensor  # [n - sizes[0]] the packed frame one step before, of every frame after the first step

    @classmethod
    def of(cls, starts: NDArray[np.int64], lengths: NDArray[np.int64], device: torch.device) -> Batch:
        """Utterances by their first frame and their length, longest first."""
        runs = np.arange(lengths[0])[:, None] < lengths
        step, row = np.nonzero(runs)
        place = runs.cumsum().reshape(runs.shape) - 1
        sizes = runs.sum(axis=1).tolist()
        reverse, before = place[lengths[row] - 1 - step, row], place[step - 1, row][sizes[0] :]
        return cls(starts[row] + step, sizes, torch.from_numpy(reverse).to(device), torch.from_numpy(before).to(device))


def batches(offsets: NDArray[np.int64], device: torch.device) -> list[Batch]:
    """All utterances that `offsets` [U + 1] bounds, longest first, in batches of about FRAMES_PER_BATCH frames."""
    lengths = np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
    turns = np.flatnonzero(np.diff((lengths[order].cumsum() - 1) // FRAMES_PER_BATCH)) + 1
    return [Batch.of(offsets[part], lengths[part], device) for part in np.split(order, turns) if len(part)]


@lru_cache(maxsize=4)
def has_exact_int8(device: torch.device) -> bool:
    """Whether the device's int8 kernel accumulates without saturating in between (checked on extreme codes)."""
    worst = torch.full((LEAST_ROWS, 64), -128, dtype=torch.int8, device=device)
    mixed = torch.full((LEAST_ROWS, 64), -128, dtype=torch.int8, device=device)
    mixed[:, ::2] = 127
    try:
        product = torch._int_mm(worst, mixed.t())
    except (RuntimeError, AttributeError):
        return False
    return bool((product.double() == worst.double() @ mixed.t().double()).all())


class Matrix:
    """A prepared matrix on a device. One int8 product gives all combinations of the operands' bytes.

    A 16-bit activation is its two bytes side by side, the low one shifted into int8; weights stand in the rows of the
    byte that they multiply, with zeros in the other's. Exact sums of all combinations are added in float64, which holds
    them exactly, and become float32 once.
    """

    def __init__(self, bundle: Bundle, device: torch.device) -> None:
        parts = [part.numpy() for part in bundle.matrix.parts]
        (self.cols, self.rows), self.device = parts[0].shape, device
        wide = bundle.act_bits == BASELINE_BITS
        act_bytes, self.dtype = (2, torch.int16) if wide else (1, torch.int8)
        per_unit = ALIGNMENT // act_bytes
        self.room_cols = -(-self.cols // per_unit) * per_unit
        self.blocks = act_bytes * len(parts)
        outputs = -(-self.blocks * self.rows // ALIGNMENT) * ALIGNMENT
        codes = np.zeros((outputs, self.room_cols, act_bytes), np.int8)
        places: list[float] = []
        for byte in range(act_bytes):
            for k, part in enumerate(parts):
                codes[len(places) * self.rows :][: self.rows, : self.cols, byte] = part.T
                places.append(256.0 ** (byte + len(parts) - 1 - k))
        self.codes = torch.from_numpy(codes.reshape(outputs, -1)).to(device).t()
        self.places = torch.tensor(places, dtype=torch.float64, device=device)[:, None]
        self.start = torch.from_numpy(bundle.matrix.row_sums * (128.0 if wide else 0.0)).to(device)
        self._room = torch.zeros(0, self.room_cols, dtype=self.dtype, device=device)

    def __call__(self, codes: Tensor) -> Tensor:
        """Exact sums [n, rows] of codes float32 [n, cols]: int32, or float32 rounded once from the exact sum."""
        count = len(codes)
        if len(self._room) < count or not len(self._room):
            shape = (max(count, LEAST_ROWS), self.room_cols)
            self._room = torch.zeros(shape, dtype=self.dtype, device=self.device)
        self._room[:count, : self.cols].copy_(codes)  # rows below keep what was there, and nobody reads their sums
        room = self._room[: max(count, LEAST_ROWS)]
        if self.dtype == torch.int16:
            room = (room ^ 128).view(torch.int8)
        if has_exact_int8(self.device):
            sums = torch._int_mm(room, self.codes)
        else:
            sums = (room.double() @ self.codes.double()).to(torch.int32)
        sums = sums[:count, : self.blocks * self.rows]
        if self.blocks == 1:
            return sums
        return ((sums.unflatten(1, (self.blocks, self.rows)) * self.places).sum(dim=1) + self.start).float()


class TorchLinear:
    """`Linear` on a device: matrices laid out there once, elements counted there until `counter` reads them."""

    def __init__(self, linear: Linear, device: torch.device) -> None:
        self.linear, self.device = linear, device
        self._matrices: dict[tuple[tuple[str, ...], int, bool], Matrix] = {}
        self._sent: list[tuple[tuple[str, ...], int, Tensor]] = []

    def matrix(self, bundle: Bundle) -> Matrix:
        key = (bundle.names, bundle.matrix.bits, bundle.act_bits == BASELINE_BITS)
        if key not in self._matrices:
            self._matrices[key] = Matrix(bundle, self.device)
        return self._matrices[key]

    def tensor(self, values: NDArray[np.generic]) -> Tensor:
        """float32 on the device."""
        return torch.from_numpy(np.asarray(values, np.float32)).to(self.device)

    def add(self, names: tuple[str, ...], elements: int, sent: Tensor) -> None:
        self._sent.append((names, elements, sent))

    def counter(self) -> Counter:
        """What was counted since the last call."""
        counter, sums = Counter(), torch.stack([sent for _, _, sent in self._sent]).tolist()
        for (names, elements, _), sent in zip(self._sent, sums, strict=True):
            for name in names:
                counter.add(name, elements, sent)
        self._sent = []
        return counter


class Products:
    """The matvecs `names`, which read one vector: quantized, gated, multiplied and put on their grids, side by side.

    Sets of matvecs with equal settings are the first dimension of what is quantized and gated, B. `steps` gives the
    float32 [rows] that one unit of a set's sums is in steps of its grid, `bias` [all rows] codes to be added there.
    """

    def __init__(
        self,
        owner: TorchLinear,
        names: tuple[str, ...],
        fraction_bits: int,
        configuration: Configuration,
        steps: UnitSteps,
        bias: NDArray[np.float32] | None = None,
    ) -> None:
        self.owner, linear = owner, owner.linear
        self.bundles = linear.bundles(names, fraction_bits, configuration)
        self.matrices = [owner.matrix(bundle) for bundle in self.bundles]
        self.scales = [owner.tensor(steps(bundle)) for bundle in self.bundles]
        self.columns = [linear.columns(names, bundle).tolist() for bundle in self.bundles]
        self.outputs = sum(matrix.rows for matrix in self.matrices)
        self.bias = None if bias is None else owner.tensor(bias)

        def each(values: list[float]) -> Tensor:
            return owner.tensor(np.array(values, np.float32))[:, None, None]

        self.divisor = each([bundle.divisor for bundle in self.bundles])
        self.low, self.high = (each([code_range(b.act_bits)[k] for b in self.bundles]) for k in (0, 1))
        self.delta = each([bundle.delta for bundle in self.bundles])
        self.gated = any(bundle.delta for bundle in self.bundles)
        self.exact = all(bundle.act_bits == BASELINE_BITS for bundle in self.bundles)  # the grid's own codes
        self.held = self.moves = torch.zeros(0)
        self.elements = 0

    def sequence(self, x: Tensor, batch: Batch) -> Tensor:
        """Grid codes float32 [n, outputs] of a batch's packed codes x [n, cols], which are not changed."""
        codes = self._quantize(x)
        if self.gated:
            codes = codes.clone() if self.exact else codes
            held = torch.zeros_like(codes[:, : batch.sizes[0]])
            for step in codes.split(batch.sizes, dim=1):
                held = self._hold(step, held[:, : step.shape[1]], out=step)
        # What was sent is where the held codes changed; before the first step they were zero.
        first = codes[:, : batch.sizes[0]].count_nonzero(dim=(1, 2))
        later = (codes[:, batch.sizes[0] :] != codes[:, batch.before]).sum(dim=(1, 2))
        self._tell(x.numel(), first + later)
        parts = codes.split(PRODUCT_FRAMES, dim=1)
        return torch.cat([self._to_grid(part) for part in parts])

    def start(self, rows: int) -> Products:
        """Ready for `step`: nothing held yet."""
        shape = (len(self.bundles), rows, self.matrices[0].cols)
        self.held = torch.zeros(shape, device=self.owner.device)
        self.moves = torch.zeros(shape, dtype=torch.int32, device=self.owner.device)
        return self

    def step(self, x: Tensor) -> Tensor:
        """Grid codes float32 [n, outputs] of the first n rows' next codes x [n, cols]."""
        codes, held = self._quantize(x), self.held[:, : len(x)]
        if self.gated:
            codes = self._hold(codes, held)
        self.moves[:, : len(x)] += codes != held
        self.held, self.elements = codes, self.elements + x.numel()
        return self._to_grid(codes)

    def finish(self) -> None:
        """Tell what the steps have sent."""
        self._tell(self.elements, self.moves.sum(dim=(1, 2)))

    def _tell(self, elements: int, sent: Tensor) -> None:
        for bundle, count in zip(self.bundles, sent, strict=True):
            self.owner.add(bundle.names, elements, count)

    def _quantize(self, x: Tensor) -> Tensor:
        """Codes float32 [B, n, cols]."""
        if self.exact:
            return x.expand(len(self.bundles), *x.shape)
        return (x / self.divisor).clamp_(self.low, self.high).round_()

    def _hold(self, codes: Tensor, held: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.where((codes - held).abs_() <= self.delta, held, codes, out=out)

    def _to_grid(self, codes: Tensor) -> Tensor:
        result = torch.empty(codes.shape[1], self.outputs, device=codes.device)
        for part, matrix, scale, columns in zip(codes, self.matrices, self.scales, self.columns, strict=True):
            sums = matrix(part)
            for start, place, count in columns:
                block = slice(start, start + count)
                torch.mul(sums[:, block], scale[block], out=result[:, place : place + count])
        grid_(result)
        return result if self.bias is None else clip_(result.add_(self.bias))


def clip_(x: Tensor) -> Tensor:
    """Saturate to 16-bit codes, in place."""
    return x.clamp_(CODE_MIN, CODE_MAX)


def grid_(x: Tensor) -> Tensor:
    """Saturate to 16-bit codes and round, half to even, in place."""
    return clip_(x).round_()


def look_up(table: Tensor, preactivation: Tensor) -> Tensor:
    """Entries of a `gate_table` or `tanh_table` for whole preactivation codes, which are saturated in place."""
    return table[preactivation.clamp_(-SIGMOID_REACH, SIGMOID_REACH).long()]


def gate_table(device: torch.device) -> Tensor:
    """The shared sigmoid as numbers in [0, 1], by preactivation code: entry -1, the last, is that of code -1."""
    values = sigmoid_table().astype(np.float32) * np.float32(2.0**-GATE_FRACTION_BITS)
    return torch.from_numpy(np.roll(values, -SIGMOID_REACH)).to(device)


def tanh_table(scale: float = 1.0) -> NDArray[np.int16]:
    """[2 SIGMOID_REACH + 1] codes on the gate grid of tanh, times a candidate's scale; order as `gate_table`'s."""
    twice = np.clip(2 * np.arange(-SIGMOID_REACH, SIGMOID_REACH + 1), -SIGMOID_REACH, SIGMOID_REACH) + SIGMOID_REACH
    squashed = 2 * sigmoid_table()[twice].astype(np.int32) - 2**GATE_FRACTION_BITS
    return np.roll(to_grid(squashed.astype(np.float32) * np.float32(scale), 0), -SIGMOID_REACH)
