"""Vectors of 32 words in LLVM's code: their products, and the rounding and packing of float32 to codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llvmlite import ir

from models.kernels.lanes import FEATURES, FLOAT, INT32, LANES, everywhere
from models.quantization.fixed_point import CODE_MAX, CODE_MIN, ROUNDER

CODES = 2 * LANES
ADD, SUBTRACT = (f"llvm.s{operation}.sat.v{CODES}i16" for operation in ("add", "sub"))  # what saturates
INT16 = ir.IntType(16)
WORDS = ir.VectorType(INT16, CODES)
ONE = ir.Constant(ir.FloatType(), 1.0)
GROUP = 8  # codes of 128 bits, within which processors interleave and pack vectors quickest
# Bits of vectors that one instruction rounds to int32 and another saturates to codes, where there are some
PACK_BITS = 512 if "+avx512bw" in FEATURES else 256 if "+avx2" in FEATURES else 0


def constant(number: int) -> ir.Constant:
    """The same number in every word."""
    return ir.Constant(WORDS, [INT16(number)] * CODES)


def call(builder: Any, name: str, *operands: Any) -> Any:
    """Call an intrinsic of LLVM on whole vectors of one type."""
    kind = operands[0].type
    return builder.call(
        builder.module.declare_intrinsic(name, (), ir.FunctionType(kind, [kind] * len(operands))), operands
    )


def picked(builder: Any, left: Any, right: Any, places: Iterable[int]) -> Any:
    """Elements of two vectors, the right one's numbered after the left one's."""
    int32 = ir.IntType(32)
    numbers = [int32(place) for place in places]
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(int32, len(numbers)), numbers))


def unpacked(builder: Any, lower: Any, upper: Any) -> list[Any]:
    """Two vectors of int32, lower and upper words, in the order that `packed` takes them."""
    parts = []
    for half in (0, GROUP // 2):
        places = [group + half + k for group in range(0, CODES, GROUP) for k in range(GROUP // 2)]
        words = picked(builder, lower, upper, (place + up for place in places for up in (0, CODES)))
        parts.append(builder.bitcast(words, INT32))
    return parts


def packed(builder: Any, parts: list[Any], size: int) -> Any:
    """Lower words of two vectors of int32, which follow each other by turns of `size` codes."""
    places = [CODES * part + 2 * (turn + k) for turn in range(0, LANES, size) for part in (0, 1) for k in range(size)]
    first, second = (builder.bitcast(part, WORDS) for part in parts)
    return picked(builder, first, second, places)


def rounded(builder: Any, parts: list[Any], step: Any, size: int, saturate: bool = True) -> Any:
    """Codes of two vectors of float32 times a power of two, half to even."""
    if PACK_BITS:
        return _rounded_at_once(builder, parts, step, size, saturate)
    # A rounder, taken in units of the step, leaves the code in the number's lower bits; so there is no multiplication
    unit = builder.fdiv(ONE, step)
    low, high, rounder = (
        everywhere(builder, builder.fmul(unit, ir.Constant(ir.FloatType(), float(number))), FLOAT)
        for number in (CODE_MIN, CODE_MAX, ROUNDER)
    )
    if saturate:
        parts = [builder.select(builder.fcmp_ordered("<", part, high), part, high) for part in parts]
        parts = [builder.select(builder.fcmp_ordered(">", part, low), part, low) for part in parts]
    return packed(builder, [builder.bitcast(builder.fadd(part, rounder), INT32) for part in parts], size)


def _rounded_at_once(builder: Any, parts: list[Any], step: Any, size: int, saturate: bool) -> Any:
    """`rounded` by instructions that round as float32 operations do, and that saturate.

    They take what is beyond int32 for the least of all, so that numbers above the grid are clipped before.
    """
    wholes = ir.VectorType(ir.IntType(32), PACK_BITS // 32)
    steps, most = (everywhere(builder, each, FLOAT) for each in (step, ir.Constant(ir.FloatType(), CODE_MAX)))
    rows = []
    for part in parts:
        part = part if step is ONE else builder.fmul(part, steps)
        part = builder.select(builder.fcmp_ordered("<", part, most), part, most) if saturate else part
        pieces = (picked(builder, part, part, range(k, k + wholes.count)) for k in range(0, LANES, wholes.count))
        rows.append([_to_int32(builder, piece, wholes) for piece in pieces])
    name = "avx512.packssdw.512" if PACK_BITS == 512 else "avx2.packssdw"
    kind = ir.FunctionType(ir.VectorType(INT16, 2 * wholes.count), [wholes, wholes])
    pack = builder.module.declare_intrinsic(f"llvm.x86.{name}", (), kind)
    packs = [builder.call(pack, pair) for pair in zip(*rows, strict=True)]
    # An instruction packs within 128 bits: four codes of one part, four of the other
    half = GROUP // 2
    places = list(range(CODES))
    if size == LANES:
        places = [turn + half * part + k for part in (0, 1) for turn in range(0, CODES, GROUP) for k in range(half)]
    return picked(builder, packs[0], packs[-1], places)


def _to_int32(builder: Any, numbers: Any, wholes: Any) -> Any:
    """Round to int32, half to even, by one instruction."""
    if PACK_BITS == 256:
        kind = ir.FunctionType(wholes, [numbers.type])
        return builder.call(builder.module.declare_intrinsic("llvm.x86.avx.cvt.ps2dq.256", (), kind), [numbers])
    kind = ir.FunctionType(wholes, [numbers.type, wholes, INT16, ir.IntType(32)])
    function = builder.module.declare_intrinsic("llvm.x86.avx512.mask.cvtps2dq.512", (), kind)
    every, as_usual = INT16(-1), ir.IntType(32)(4)
    return builder.call(function, [numbers, ir.Constant(wholes, ir.Undefined), every, as_usual])


def multiplied(builder: Any, left: Any, right: Any) -> list[Any]:
    """Products of codes, rounded to float32."""
    upper = upper_words(builder, builder.sext, left, right)
    return [builder.sitofp(part, FLOAT) for part in unpacked(builder, builder.mul(left, right), upper)]


def upper_words(builder: Any, extend: Any, left: Any, right: Any) -> Any:
    """Upper words of products, signed or unsigned by `extend`. LLVM compiles this to one instruction (pmulh)."""
    wide = ir.VectorType(ir.IntType(32), CODES)
    product = builder.mul(extend(left, wide), extend(right, wide))
    return builder.trunc(builder.lshr(product, ir.Constant(wide, [ir.IntType(32)(16)] * CODES)), WORDS)
