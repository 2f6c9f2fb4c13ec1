"""Innermost kernel of every integer product: one compiled tile of rows times columns, sums in registers.

Processors that multiply bytes four at a time (VNNI; NEON's dot products) do so here; others widen them to 16 bits and
add pairs. All are exact: no sum saturates in between.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types

from models.kernels.lanes import FEATURES, FLOAT, LANES, TARGET, everywhere, in_line, is_arm, pointer
from models.kernels.words import ADD, ONE, WORDS, call, picked, rounded

QUAD = 4  # bytes that one int32 sum takes in at once
WIDE = "+avx512f" in FEATURES
VNNI_BITS = 512 if WIDE and "+avx512vnni" in FEATURES else 256 if "+avxvnni" in FEATURES else 0
VECTORS = 2  # of columns in a tile
# As many sums as the registers hold beside a column's weights and a row's bytes: 16 of 32 in AVX-512, else 8 of 16;
# of NEON's 32, four of which are one of these vectors, 16 too.
TILE_ROWS = 8 if WIDE else 2
TILE_COLUMNS = VECTORS * LANES

INT8, INT16, INT32, INT64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
BYTES = ir.VectorType(INT8, LANES * QUAD)
SUMS = ir.VectorType(INT32, LANES)

DOT = """
define i32 @dot(<16 x i8> %codes, <16 x i8> %weights) {{
  %left = zext <16 x i8> %codes to <16 x i32>
  %right = {} <16 x i8> %weights to <16 x i32>
  %products = mul <16 x i32> %left, %right
  %sum = call i32 @llvm.vector.reduce.add.v16i32(<16 x i32> %products)
  ret i32 %sum
}}
declare i32 @llvm.vector.reduce.add.v16i32(<16 x i32>)
"""


def neon_dot(triple: str, processor: str, features: str) -> str:
    """NEON's dot product of unsigned bytes: usdot by signed ones, else udot by unsigned ones, else nothing.

    LLVM is asked for a dot product and its answer read, since a processor's name alone may tell it what that one has;
    before its version 20 it answers udot at most.
    """
    if not is_arm(triple):
        return ""
    machine = binding.Target.from_triple(triple).create_target_machine(cpu=processor, features=features)
    for name, extend in (("usdot", "sext"), ("udot", "zext")):
        if f"\t{name}" in machine.emit_assembly(binding.parse_assembly(DOT.format(extend))):
            return name
    return ""


NEON, NEON_DOT = is_arm(TARGET[0]), neon_dot(*TARGET)
# Where both must be unsigned, weights are packed with 128 added, and tiles take 128 times a row's codes off again.
WEIGHT_OFFSET = 128 if NEON_DOT == "udot" else 0


@in_line
def sum_tile(  # type: ignore[no-untyped-def]
    typing_context, codes, code, stride, weights, weight, quads, starts, start, sums, sum_, sum_stride
):
    """Set sums[sum_ + r sum_stride + c] = starts[start + c] + codes of row r times weights of column c, for one tile.

    All arrays are flat. codes uint8: row r begins at code + r stride, a multiple of 4 bytes long; weights int8 in the
    layout of `matmul.pack`, from `weight` on; starts and sums int32. Reads and writes the whole tile.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, first, row_stride = arguments[8:]
        for r, row in enumerate(_sums(context, builder, signature, arguments)):
            place = builder.add(first, builder.mul(row_stride, INT64(r)))
            to = pointer(context, builder, sums, array, place, SUMS)
            for v, result in enumerate(row):
                builder.store(result, builder.gep(to, [INT64(v)]), align=4)
        return context.get_dummy_value()

    place = types.intp
    return types.void(codes, place, place, weights, place, place, starts, place, sums, place, place), codegen


@in_line
def code_tile(  # type: ignore[no-untyped-def]
    typing_context, codes, code, stride, weights, weight, quads, starts, start, scale, bias, column, out, to, first
):
    """Turn the sums of `sum_tile`, while they are in registers, into codes: grid(sum * scale) + bias, saturated.

    The columns are those of scale float32, bias int16 and out int16 [.., columns] from `column` on. Row r goes to row
    to[first + r] of out, the last one first, so that rows which fill a tile up may go where its last true row goes.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        scale_, bias_, column_, out_, to_, first_ = arguments[8:]
        scales = builder.bitcast(pointer(context, builder, scale, scale_, column_, FLOAT), FLOAT.as_pointer())
        factors = [builder.load(builder.gep(scales, [INT64(v)]), align=4) for v in range(VECTORS)]
        added = builder.load(pointer(context, builder, bias, bias_, column_, WORDS), align=2)
        rows = pointer(context, builder, to, to_, first_, INT64)
        width = builder.extract_value(context.make_array(out)(context, builder, out_).shape, 1)
        for r, row in reversed(list(enumerate(_sums(context, builder, signature, arguments)))):
            numbers = [builder.fmul(builder.sitofp(s, FLOAT), f) for s, f in zip(row, factors, strict=True)]
            result = call(builder, ADD, rounded(builder, numbers, ONE, LANES), added)
            place = builder.add(builder.mul(builder.load(builder.gep(rows, [INT64(r)])), width), column_)
            builder.store(result, pointer(context, builder, out, out_, place, WORDS), align=2)
        return context.get_dummy_value()

    place = types.intp
    inputs = codes, place, place, weights, place, place, starts, place
    return types.void(*inputs, scale, bias, place, out, to, place), codegen


def _sums(context: Any, builder: Any, signature: Any, arguments: Any) -> list[list[Any]]:
    """Vectors of sums of a tile, by row; arguments are those that `sum_tile` and `code_tile` begin with."""

    def to(array: int, kind: Any, place: Any) -> Any:
        return pointer(context, builder, signature.args[array], arguments[array], place, kind)

    code, stride, weight, quads, start = (arguments[k] for k in (1, 2, 4, 5, 7))
    rows = [to(0, INT32, builder.add(code, builder.mul(stride, INT64(row)))) for row in range(TILE_ROWS)]
    panel, first = to(3, BYTES, weight), to(6, SUMS, start)
    begin = [builder.load(builder.gep(first, [INT64(v)]), align=4) for v in range(VECTORS)]
    offset = [ir.Constant(ir.VectorType(INT8, 16), [INT8(-WEIGHT_OFFSET)] * 16)] if WEIGHT_OFFSET else []
    begin += [ir.Constant(ir.VectorType(INT32, 4), [INT32(0)] * 4) for _ in offset]  # one more vector of all the same

    before = builder.block
    loop, done = builder.append_basic_block("quads"), builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    step = builder.phi(INT64)
    step.add_incoming(INT64(0), before)
    totals = [[builder.phi(each.type) for each in begin] for _ in range(TILE_ROWS)]
    place = builder.mul(step, INT64(VECTORS))
    columns = [builder.load(builder.gep(panel, [builder.add(place, INT64(v))]), align=1) for v in range(VECTORS)]
    columns += offset
    results = []
    for row, total in zip(rows, totals, strict=True):
        value = everywhere(builder, builder.load(builder.gep(row, [step]), align=1), SUMS)
        results.append([_add_quads(builder, each, value, column) for each, column in zip(total, columns, strict=True)])
        for each, start_, result in zip(total, begin, results[-1], strict=True):
            each.add_incoming(start_, before)
            each.add_incoming(result, loop)
    following = builder.add(step, INT64(1))
    step.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, quads), loop, done)
    builder.position_at_end(done)
    if offset:
        nowhere = ir.Constant(SUMS, [INT32(0)] * LANES)
        return [[builder.sub(s, builder.shuffle_vector(more, more, nowhere)) for s in row] for *row, more in results]
    return results


def _add_quads(builder: Any, total: Any, codes: Any, weights: Any) -> Any:
    """Add the products of four unsigned codes (int32 lanes) and four signed weights (bytes) to every lane of total."""
    if VNNI_BITS or NEON_DOT:
        return _add_quads_at_once(builder, total, builder.bitcast(codes, BYTES), weights)
    halves = ir.VectorType(INT16, 2 * LANES)
    eight, low = (ir.Constant(halves, [INT16(value)] * 2 * LANES) for value in (8, 255))
    codes, weights = builder.bitcast(codes, halves), builder.bitcast(weights, halves)
    even = _add_pairs(builder, builder.and_(codes, low), builder.ashr(builder.shl(weights, eight), eight))
    odd = _add_pairs(builder, builder.lshr(codes, eight), builder.ashr(weights, eight))
    if NEON:  # whose instruction adds pairs to sums
        return builder.add(builder.add(total, even), odd)
    return builder.add(total, builder.add(even, odd))


def _add_quads_at_once(builder: Any, total: Any, codes: Any, weights: Any) -> Any:
    """`_add_quads` by the processor's instruction, on as many lanes at a time as it takes."""
    lanes = VNNI_BITS // 32 or 4
    name = f"x86.avx512.vpdpbusd.{VNNI_BITS}" if VNNI_BITS else f"aarch64.neon.{NEON_DOT}.v4i32.v16i8"
    sums, operand = ir.VectorType(INT32, lanes), ir.VectorType(INT8, 4 * lanes)
    if VNNI_BITS and binding.llvm_version_info < (22,):
        operand = sums  # LLVM took quads as one number each before
    kind = ir.FunctionType(sums, [sums, operand, operand])
    function = builder.module.declare_intrinsic(f"llvm.{name}", (), kind)

    parts = []
    for k in range(0, total.type.count, lanes):
        operands = (builder.bitcast(_part(builder, each, 4 * k, 4 * lanes), operand) for each in (codes, weights))
        parts.append(builder.call(function, [_part(builder, total, k, lanes), *operands]))
    return _joined(builder, parts)


def _part(builder: Any, vector: Any, first: int, count: int) -> Any:
    return picked(builder, vector, vector, range(first, first + count))


def _joined(builder: Any, parts: list[Any]) -> Any:
    while len(parts) > 1:
        places = range(2 * parts[0].type.count)
        parts = [picked(builder, left, right, places) for left, right in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _add_pairs(builder: Any, left: Any, right: Any) -> Any:
    """Sums of two neighbouring int16 products, in int32 lanes. LLVM compiles this to one instruction (pmaddwd)."""
    if NEON:
        return _add_pairs_of_products(builder, builder.mul(left, right))
    wide = ir.VectorType(INT32, 2 * LANES)
    products = builder.mul(builder.sext(left, wide), builder.sext(right, wide))
    even, odd = (
        builder.shuffle_vector(products, products, ir.Constant(SUMS, [INT32(2 * k + first) for k in range(LANES)]))
        for first in (0, 1)
    )
    return builder.add(even, odd)


def _add_pairs_of_products(builder: Any, products: Any) -> Any:
    """`_add_pairs` where an instruction of NEON adds pairs of numbers: a product of two bytes is one of 16 bits."""
    sums, words = ir.VectorType(INT32, 4), ir.VectorType(INT16, 8)
    name = "llvm.aarch64.neon.saddlp.v4i32.v8i16"
    function = builder.module.declare_intrinsic(name, (), ir.FunctionType(sums, [words]))
    parts = [builder.call(function, [_part(builder, products, k, 8)]) for k in range(0, 2 * LANES, 8)]
    return _joined(builder, parts)
