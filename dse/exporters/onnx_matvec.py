"""Matvecs as ONNX: packed weights, quantizer, delta gate and exact integer product.

MatMulInteger multiplies unsigned by unsigned bytes here: on x86 without VNNI ONNX Runtime's product of unsigned and
signed bytes saturates the sum of two products to 16 bits (vpmaddubsw), while that of unsigned bytes multiplies words
(vpmaddwd), and is exact. See `dse.exporters.onnx` for how that was checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.exporters.onnx_graph import Graph, Tensor
from dse.exporters.weights import pack
from models.engines.integer_network import IntegerMatVec
from models.quantization.quantizer import weight_bytes
from models.workload import BASELINE_BITS, InputError

BYTE = 256
# A product of bytes and what kernels add to it for zero points stay below 4 * 255 * 128 in magnitude for each column,
# so that sums of this many fit int32, also while they are under way.
MOST_COLS = 2**14
FRAME_AXES = 2  # time and batch come first


@dataclass(frozen=True)
class Stack:
    """Matvecs that read one vector by the same quantizer and delta gate, at one weight width: one product."""

    matvecs: tuple[IntegerMatVec, ...]

    @property
    def first(self) -> IntegerMatVec:
        return self.matvecs[0]

    @property
    def name(self) -> str:
        return "+".join(matvec.name for matvec in self.matvecs)

    @property
    def weight_bits(self) -> int:
        return self.first.matrix.bits

    @property
    def has_wide_sums(self) -> bool:
        """Whether sums need int64: those of any 16-bit operand."""
        return BASELINE_BITS in (self.weight_bits, self.first.act_bits)

    @property
    def codes(self) -> NDArray[np.int16]:
        """Weight codes [rows, cols]."""
        return np.concatenate([matvec.matrix.codes for matvec in self.matvecs])


def stacks(matvecs: Iterable[IntegerMatVec]) -> list[Stack]:
    """Stacks of matvecs that read one vector, by the order of their first."""
    found: dict[tuple[float, ...], list[IntegerMatVec]] = {}
    for m in matvecs:
        if m.cols > MOST_COLS:
            raise InputError(f"the ONNX graph's sums are int32: {m.name} has {m.cols} columns, of at most {MOST_COLS}")
        key = (m.matrix.bits, m.act_bits, m.zero, float(m.shift), m.delta, float(m.divisor))
        found.setdefault(key, []).append(m)
    return [Stack(tuple(same)) for same in found.values()]


def packed(codes: NDArray[np.int16], bits: int) -> NDArray[np.uint8]:
    """Codes plus 2^(bits - 1), one after the other at their width, low bits first: 8 codes a row [n / 8, bits]."""
    unsigned = codes.ravel() + 2 ** (bits - 1)
    return pack(np.pad(unsigned, (0, -len(unsigned) % 8)), bits).reshape(-1, bits)


def weights(g: Graph, stack: Stack) -> Tensor:
    """Operand of the product, uint8 [cols, rows], unpacked in the graph, which ONNX Runtime does once, at its start.

    Its zero point is `weight_zero`. At 16 bits it is high and then low bytes [cols, 2 rows].
    """
    codes, bits = stack.codes, stack.weight_bits
    if bits == BASELINE_BITS:
        both = np.concatenate(weight_bytes(codes.astype(np.int32), bits)) + BYTE // 2
        return g("Transpose", g.constant(both.astype(np.uint8), f"{stack.name}.weights"))
    stored = packed(codes, bits)
    start = np.arange(8) * bits
    place, shift = start // 8, (start % 8).astype(np.uint8)
    tensor = g.constant(stored, f"{stack.name}.weights")
    found = g("BitShift", g("Gather", tensor, place, axis=1), shift, direction="RIGHT")
    if (shift > 8 - bits).any():  # some codes reach into the next byte
        rest = g("Gather", tensor, np.minimum(place + 1, bits - 1), axis=1)
        found = g("BitwiseOr", found, g("BitShift", rest, (8 - shift).astype(np.uint8), direction="LEFT"))
    found = g("BitwiseAnd", found, np.uint8(2**bits - 1)) if bits < 8 else found
    flat = g("Reshape", found, np.array([-1]))
    flat = g.part(flat, 0, codes.size) if codes.size % 8 else flat
    return g("Transpose", g("Reshape", flat, np.array(codes.shape)))


def weight_zero(bits: int) -> np.uint8:
    """What is added to weight codes to make them unsigned."""
    return np.uint8(BYTE // 2 if bits == BASELINE_BITS else 2 ** (bits - 1))


def quantize(g: Graph, matvec: IntegerMatVec, x: Tensor) -> Tensor:
    """Compute v, whole float32 numbers, of codes x."""
    if matvec.act_bits == BASELINE_BITS:
        return x
    low, high = matvec.value_range
    steps = g("Div", x, matvec.divisor)
    steps = g("Sub", steps, matvec.shift) if matvec.shift else steps
    return g("Round", g("Clip", steps, np.float32(low), np.float32(high)))


def gate(g: Graph, matvec: IntegerMatVec, v: Tensor, held: Tensor) -> Tensor:
    """Delta gate: v where it moved from what is held by more than the threshold, else as it was."""
    moves = g("Greater", g("Abs", g("Sub", v, held)), np.float32(matvec.delta))
    return g("Where", moves, v, held)


def sums(g: Graph, stack: Stack, operand: Tensor, held: Tensor) -> Tensor:
    """Compute codes . held, [..., rows] in int32 or int64, of held values [..., cols]; `operand` is from `weights`."""
    m, zero = stack.first, weight_zero(stack.weight_bits)
    if m.act_bits == BASELINE_BITS:
        high = g("Floor", g("Mul", held, np.float32(1 / BYTE)))
        low = g("Sub", held, g("Mul", high, np.float32(BYTE)))
        byte = g("Add", high, np.float32(BYTE // 2))
        pair = [
            g("MatMulInteger", g("Cast", part, to=g.onnx.TensorProto.UINT8), operand, offset, zero)
            for part, offset in ((byte, np.uint8(BYTE // 2)), (low, np.uint8(0)))
        ]
        total = _weighted(g, *(g("Cast", part, to=g.onnx.TensorProto.INT64) for part in pair))
    else:
        lowest = m.value_range[0]
        byte = g("Sub", held, np.float32(lowest)) if lowest else held
        byte = g("Cast", byte, to=g.onnx.TensorProto.UINT8)
        total = g("MatMulInteger", byte, operand, np.uint8(-lowest), zero)
        total = g("Cast", total, to=g.onnx.TensorProto.INT64) if stack.has_wide_sums else total
    if stack.weight_bits == BASELINE_BITS:
        total = _weighted(g, *g.several("Split", 2, total, axis=-1, num_outputs=2))
    return total


def product(g: Graph, stack: Stack, operand: Tensor, held: Tensor) -> Tensor:
    """Compute result codes [..., rows] of held values [..., cols]; `operand` is what `weights` gave."""
    total = sums(g, stack, operand, held)
    start = np.concatenate([matvec.start for matvec in stack.matvecs])
    if start.any():
        total = g("Add", total, start.astype(np.int64) if stack.has_wide_sums else start)
    scale, bias = (np.concatenate([getattr(m, name) for m in stack.matvecs]) for name in ("scale", "bias"))
    result = g.grid(g("Mul", g("Cast", total, to=g.onnx.TensorProto.FLOAT), scale))
    return g.clip(g("Add", result, bias.astype(np.float32))) if bias.any() else result


def _weighted(g: Graph, high: Tensor, low: Tensor) -> Tensor:
    """Compute 256 * high + low in int64."""
    return g("Add", g("Mul", high, np.int64(BYTE)), low)


def in_order(g: Graph, parts: Sequence[tuple[Stack, Tensor]], matvecs: Sequence[IntegerMatVec]) -> Tensor:
    """Stacks' results [..., rows] side by side in the order of the matvecs."""
    if len(parts) == 1:
        return parts[0][1]
    found: dict[str, Tensor] = {}
    for stack, result in parts:
        rows = np.array([matvec.rows for matvec in stack.matvecs])
        several = len(rows) > 1
        each = g.several("Split", len(rows), result, rows, axis=-1) if several else (result,)
        found |= zip((matvec.name for matvec in stack.matvecs), each, strict=True)
    return g("Concat", *(found[matvec.name] for matvec in matvecs), axis=-1)


@dataclass(frozen=True)
class Counts:
    """Counts of sent elements, int64 [batch], by matvec. `valid` bool [time, batch] are the frames that count."""

    valid: Tensor
    of: dict[str, Tensor]

    def add(self, g: Graph, stack: Stack, held: Tensor, axes: int = FRAME_AXES + 1) -> None:
        """Count for each matvec how often held values [time, batch, ..., cols] of that many axes changed."""
        moves = g("Cast", g("Not", g("Equal", held, g.before(held))), to=g.onnx.TensorProto.INT32)
        frames = g("ReduceSum", moves, np.arange(FRAME_AXES, axes), keepdims=0)
        counted = g("Cast", g("Where", self.valid, frames, np.int32(0)), to=g.onnx.TensorProto.INT64)
        found = g("ReduceSum", counted, np.array([0]), keepdims=0)
        self.of.update({matvec.name: found for matvec in stack.matvecs})


def over_frames(g: Graph, matvecs: Sequence[IntegerMatVec], x: Tensor, counts: Counts) -> Tensor:
    """Results of matvecs that read x [time, batch, cols] forward in time: [time, batch, all rows]."""
    results = []
    for stack in stacks(matvecs):
        v = quantize(g, stack.first, x)
        held = _held(g, stack.first, v) if stack.first.delta else v
        counts.add(g, stack, held)
        results.append((stack, product(g, stack, weights(g, stack), held)))
    return in_order(g, results, matvecs)


def _held(g: Graph, matvec: IntegerMatVec, v: Tensor) -> Tensor:
    """Held values of all frames: an elementwise loop, so that one product does all of them."""
    start = zeros(g, v, matvec.cols)

    def body(inner: Graph, states: Sequence[Tensor], rows: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        held = gate(inner, matvec, rows[0], states[0])
        return [held], [held]

    return g.scan([start], [v], body, 1)[0]


def zeros(g: Graph, frames: Tensor, *sizes: int) -> Tensor:
    """Zeros float32 [batch, *sizes] for frames [time, batch, ...]."""
    batch = g("Shape", frames, start=1, end=2)
    shape = g("Concat", batch, np.array(sizes), axis=0)
    return g("ConstantOfShape", shape, value=g.onnx.numpy_helper.from_array(np.zeros(1, np.float32)))
