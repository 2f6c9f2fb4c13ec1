"""The sigmoid of `models.quantization.fixed_point` on 32 codes at a time, its knots in registers.

With AVX-512 the 64 knots and slopes of its lines are two registers each, whose words a permutation picks by the codes'
upper bits. Elsewhere they are gathered from 256 bytes, the nearest cache, a knot and its slope at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from models.kernels.codes import CODES, WORDS, call, codes_type, constant, packed, upper_words
from models.kernels.lanes import FEATURES, INT32, LANES, in_line, pointer
from models.quantization.fixed_point import GATE_FRACTION_BITS, KNOT_SHIFT, KNOTS, SIGMOID_REACH

LINES = KNOTS - 1
# A slope is stored so high, and the way along its line taken so high, that the upper word of their product is the rise,
# rounded down, and the lower word what that left out, in steps of 2^-16.
SLOPE_SHIFT = 6
ALONG_SHIFT = 16 - KNOT_SHIFT - SLOPE_SHIFT
PERMUTES = "+avx512bw" in FEATURES
GATHERS = "+avx2" in FEATURES
GATHERED = 8  # codes of one instruction


def sigmoid_lines(knots: NDArray[np.int16]) -> NDArray[np.int16]:
    """The lines between knots [KNOTS] as `sigmoid` reads them, [4, LINES]: knots, slopes; knot and slope in turn."""
    wide, first = knots.astype(np.int32), knots[:-1]
    slopes = ((wide[1:] - wide[:-1]) << SLOPE_SHIFT).astype(np.uint16).view(np.int16)
    return np.stack([first, slopes, *np.stack([first, slopes], axis=1).reshape(2, -1)])


@in_line
def sigmoid(typing_context, lines, codes):  # type: ignore[no-untyped-def]
    """Gate-grid codes, 0 to 2^14, of preactivation codes; lines int16 are flat."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lines_, codes_ = arguments
        below = builder.icmp_signed("<", codes_, constant(0))
        size = builder.select(below, builder.neg(codes_), codes_)  # 2^15 is one of unsigned codes
        size = _least(builder, size, SIGMOID_REACH)
        number = _least(builder, builder.lshr(size, constant(KNOT_SHIFT)), LINES - 1)
        along = builder.sub(size, builder.shl(number, constant(KNOT_SHIFT)))
        find = _permuted if PERMUTES else _gathered
        knot, slope = find(builder, lambda at, kind: pointer(context, builder, lines, lines_, at, kind), number)
        along = builder.shl(along, constant(ALONG_SHIFT))
        rise, rest = upper_words(builder, builder.zext, slope, along), builder.mul(slope, along)
        # Half to even: more than half is left out, or half and the rise is odd; the rest's lowest bit is free for that.
        rest = builder.or_(rest, builder.and_(rise, constant(1)))
        more = builder.sext(builder.icmp_unsigned(">", rest, constant(1 << 15)), WORDS)
        value = builder.sub(builder.add(knot, rise), more)
        return builder.select(below, builder.sub(constant(1 << GATE_FRACTION_BITS), value), value)

    return codes_type(lines, codes_type), codegen


def _least(builder: Any, codes: Any, most: int) -> Any:
    return builder.select(builder.icmp_unsigned("<", codes, constant(most)), codes, constant(most))


def _permuted(builder: Any, at: Any, number: Any) -> list[Any]:
    """Knots and slopes of lines by number, from registers."""
    found = []
    for table in (0, LINES):
        low, high = (builder.load(at(ir.IntType(64)(table + k), WORDS), align=2) for k in (0, CODES))
        found.append(call(builder, "llvm.x86.avx512.vpermi2var.hi.512", low, number, high))
    return found


def _gathered(builder: Any, at: Any, number: Any) -> list[Any]:
    """Knots and slopes of lines by number, from memory."""
    int32 = ir.IntType(32)
    pairs = at(ir.IntType(64)(2 * LINES), int32)
    indices = builder.zext(number, ir.VectorType(int32, CODES))
    halves = [_picked(builder, indices, range(half, half + LANES)) for half in (0, LANES)]
    gather = _gather if GATHERS else _each
    parts = [gather(builder, pairs, half) for half in halves]
    sixteen = ir.Constant(INT32, [int32(16)] * LANES)
    return [packed(builder, parts, LANES), packed(builder, [builder.lshr(part, sixteen) for part in parts], LANES)]


def _picked(builder: Any, vector: Any, lanes: range) -> Any:
    places = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(map(ir.IntType(32), lanes)))
    return builder.shuffle_vector(vector, vector, places)


def _gather(builder: Any, pairs: Any, indices: Any) -> Any:
    """Numbers at indices by an instruction that takes eight at a time."""
    eight, address = ir.VectorType(ir.IntType(32), GATHERED), ir.IntType(8).as_pointer()
    kind = ir.FunctionType(eight, [eight, address, eight, eight, ir.IntType(8)])
    function = builder.module.declare_intrinsic("llvm.x86.avx2.gather.d.d.256", (), kind)
    nothing, every = (ir.Constant(eight, [ir.IntType(32)(each)] * GATHERED) for each in (0, -1))
    start, parts = builder.bitcast(pairs, address), []
    for first in range(0, LANES, GATHERED):
        part = _picked(builder, indices, range(first, first + GATHERED))
        parts.append(builder.call(function, [nothing, start, part, every, ir.IntType(8)(4)]))
    return builder.shuffle_vector(*parts, ir.Constant(INT32, [ir.IntType(32)(k) for k in range(LANES)]))


def _each(builder: Any, pairs: Any, indices: Any) -> Any:
    """Numbers at indices one by one."""
    result = ir.Constant(INT32, ir.Undefined)
    for lane in range(LANES):
        place = ir.IntType(32)(lane)
        number = builder.zext(builder.extract_element(indices, place), ir.IntType(64))
        result = builder.insert_element(result, builder.load(builder.gep(pairs, [number])), place)
    return result
