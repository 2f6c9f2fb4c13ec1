"""The sigmoid of `models.quantization.fixed_point` on 32 codes at a time, its knots in registers.

With AVX-512 the 64 knots and slopes of its lines are two registers each, whose words a permutation picks by the codes'
upper bits, or, quicker where there is one, a permutation of bytes their lower and their upper halves. Elsewhere they
are gathered from 256 bytes, the nearest cache, a knot and its slope at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from models.kernels.codes import codes_type
from models.kernels.lanes import FEATURES, INT32, LANES, in_line, pointer
from models.kernels.words import CODES, WORDS, call, constant, packed, picked
from models.quantization.fixed_point import GATE_FRACTION_BITS, KNOT_SHIFT, KNOTS, SIGMOID_REACH

LINES = KNOTS - 1
ALONG = (1 << KNOT_SHIFT) - 1  # most steps along a line before the next
HALF = 1 << (KNOT_SHIFT - 1)
BYTES = ir.VectorType(ir.IntType(8), 2 * CODES)
PERMUTES = "+avx512bw" in FEATURES
PERMUTES_BYTES = PERMUTES and "+avx512vbmi" in FEATURES
GATHERS = "+avx2" in FEATURES
GATHERED = 8  # codes of one instruction
WORDS_AT, BYTES_AT, PAIRS_AT = 0, 2 * LINES, 4 * LINES  # places of the lines' numbers


def sigmoid_lines(knots: NDArray[np.int16]) -> NDArray[np.int16]:
    """The lines between knots [KNOTS] as `sigmoid` reads them, [6, LINES].

    Knots, slopes; lower and upper bytes of the knots, of the slopes; knot and slope in turn. Raises ValueError for
    slopes that its words have no room for, and for a last one whose end is not what lies a step before it.
    """
    first, slopes = knots[:-1], np.diff(knots)
    steepest, last = int(slopes.max()), int(slopes[-1])
    if slopes.min() < 0 or steepest * ALONG + HALF >= 2**16 or last >= HALF:
        raise ValueError(f"knots of a sigmoid rise, by less than {2**16 // ALONG - 1}, and {HALF} at last")
    apart = [each.astype("<i2").view(np.uint8).reshape(-1, 2).T.ravel().view(np.int16) for each in (first, slopes)]
    return np.stack([first, slopes, *apart, *np.stack([first, slopes], axis=1).reshape(2, -1)])


@in_line
def sigmoid(typing_context, lines, codes):  # type: ignore[no-untyped-def]
    """Gate-grid codes, 0 to 2^14, of preactivation codes; lines int16 are flat."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lines_, codes_ = arguments
        below = builder.icmp_signed("<", codes_, constant(0))
        size = builder.select(below, builder.neg(codes_), codes_)  # 2^15 is one of unsigned codes
        most = constant(SIGMOID_REACH - 1)  # where it is 1 already
        size = builder.select(builder.icmp_unsigned("<", size, most), size, most)
        find = _bytes_permuted if PERMUTES_BYTES else _permuted if PERMUTES else _gathered
        knot, slope = find(builder, lambda at, kind: pointer(context, builder, lines, lines_, at, kind), size)
        rise = builder.mul(slope, builder.and_(size, constant(ALONG)))
        # Half to even: half, less one where what it is added to is even
        odd = builder.icmp_unsigned("!=", builder.and_(rise, constant(1 << KNOT_SHIFT)), constant(0))
        rise = builder.add(rise, builder.select(odd, constant(HALF), constant(HALF - 1)))
        value = builder.add(knot, builder.lshr(rise, constant(KNOT_SHIFT)))
        return builder.select(below, builder.sub(constant(1 << GATE_FRACTION_BITS), value), value)

    return codes_type(lines, codes_type), codegen


def _bytes_permuted(builder: Any, at: Any, size: Any) -> list[Any]:
    """Knots and slopes of lines by half a register of bytes each."""
    upper, found = ir.Constant(ir.VectorType(ir.IntType(1), 2 * CODES), [False, True] * CODES), []
    # The number of a line in the lower bytes, and, below bits that its permutation does not read, in the upper ones
    places = [builder.lshr(size, constant(KNOT_SHIFT)), builder.shl(size, constant(8 - KNOT_SHIFT))]
    for first in (BYTES_AT, BYTES_AT + LINES):
        parts = []
        for half, place in enumerate(places):
            table = builder.load(at(ir.IntType(64)(first + half * LINES // 2), BYTES), align=2)
            parts.append(call(builder, "llvm.x86.avx512.permvar.qi.512", table, builder.bitcast(place, BYTES)))
        found.append(builder.bitcast(builder.select(upper, parts[1], parts[0]), WORDS))
    return found


def _permuted(builder: Any, at: Any, size: Any) -> list[Any]:
    """Knots and slopes of lines, from two registers each."""
    found, number = [], builder.lshr(size, constant(KNOT_SHIFT))
    for table in (WORDS_AT, WORDS_AT + LINES):
        low, high = (builder.load(at(ir.IntType(64)(table + k), WORDS), align=2) for k in (0, CODES))
        found.append(call(builder, "llvm.x86.avx512.vpermi2var.hi.512", low, number, high))
    return found


def _gathered(builder: Any, at: Any, size: Any) -> list[Any]:
    """Knots and slopes of lines, from memory."""
    int32 = ir.IntType(32)
    pairs = at(ir.IntType(64)(PAIRS_AT), int32)
    indices = builder.zext(builder.lshr(size, constant(KNOT_SHIFT)), ir.VectorType(int32, CODES))
    halves = [picked(builder, indices, indices, range(half, half + LANES)) for half in (0, LANES)]
    gather = _gather if GATHERS else _each
    parts = [gather(builder, pairs, half) for half in halves]
    sixteen = ir.Constant(INT32, [int32(16)] * LANES)
    return [packed(builder, parts, LANES), packed(builder, [builder.lshr(part, sixteen) for part in parts], LANES)]


def _gather(builder: Any, pairs: Any, indices: Any) -> Any:
    """Numbers at indices by an instruction that takes eight at a time."""
    eight, address = ir.VectorType(ir.IntType(32), GATHERED), ir.IntType(8).as_pointer()
    kind = ir.FunctionType(eight, [eight, address, eight, eight, ir.IntType(8)])
    function = builder.module.declare_intrinsic("llvm.x86.avx2.gather.d.d.256", (), kind)
    nothing, every = (ir.Constant(eight, [ir.IntType(32)(each)] * GATHERED) for each in (0, -1))
    start, parts = builder.bitcast(pairs, address), []
    for first in range(0, LANES, GATHERED):
        part = picked(builder, indices, indices, range(first, first + GATHERED))
        parts.append(builder.call(function, [nothing, start, part, every, ir.IntType(8)(4)]))
    first_half, second_half = parts
    return picked(builder, first_half, second_half, range(LANES))


def _each(builder: Any, pairs: Any, indices: Any) -> Any:
    """Numbers at indices one by one."""
    result = ir.Constant(INT32, ir.Undefined)
    for lane in range(LANES):
        place = ir.IntType(32)(lane)
        number = builder.zext(builder.extract_element(indices, place), ir.IntType(64))
        result = builder.insert_element(result, builder.load(builder.gep(pairs, [number])), place)
    return result
