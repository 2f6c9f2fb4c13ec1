"""Integer products by a processor's matrix unit (AMX): two blocks of up to 16 rows times a panel of columns at once.

Rows of unsigned bytes and quads of signed ones lie in memory as its tile registers take them, and its sums are exact.
Linux gives those registers to a process that asks; so whether tiles are used is a value that the compiled loops get,
and code that is kept on disk runs in every process.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from models.kernels.codes import load_codes, store_codes, to_codes
from models.kernels.int8_tile import INT8, INT64, QUAD, TILE_COLUMNS
from models.kernels.lanes import FEATURES, LANES, in_line, load, pointer
from models.quantization.compiling import compiled, compiled_uncounted

HAS_TILES = {"+amx-tile", "+amx-int8"} <= set(FEATURES)
ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA = 158, 0x1023, 18  # of Linux on x86-64
BLOCK = 16  # rows of a tile, and quads
LINE = BLOCK * QUAD  # bytes of a tile's row
PANEL = TILE_COLUMNS * QUAD  # bytes of a panel's quad, two tiles side by side
# Tile registers: sums of two blocks of rows times two of columns; rows and quads, 16 of them and what is left of them
SUMS, WHOLE, LEFT = ((0, 1), (2, 3)), (4, 5), (6, 7)


@cache
def tiles_allowed() -> bool:
    """Whether products may use tiles: ask Linux once a process; its threads and forks have what it has."""
    if not HAS_TILES or sys.platform != "linux":
        return False
    request = [ctypes.c_long(number) for number in (ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA)]
    return ctypes.CDLL(None).syscall(*request) == 0


def _tile(builder: Any, name: str, *operands: Any) -> None:
    kind = ir.FunctionType(ir.VoidType(), [operand.type for operand in operands])
    builder.call(builder.module.declare_intrinsic(f"llvm.x86.{name}", (), kind), operands)


def _tile_code(emit: Any) -> Any:
    """Code generator that does nothing where the processor has no tiles: LLVM would not compile it."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if HAS_TILES:
            emit(context, builder, signature, arguments)
        return context.get_dummy_value()

    return codegen


@in_line
def configure(typing_context, rows, quads):  # type: ignore[no-untyped-def]
    """Give the tile registers their sizes: blocks of `rows` rows and products of `quads` quads. Sums are lost."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        rows_, quads_ = arguments
        memory = ir.VectorType(INT8, 64)
        table = cgutils.alloca_once(builder, memory)
        builder.store(ir.Constant(memory, [1] + [0] * 63), table)
        first = builder.bitcast(table, INT8.as_pointer())
        left = builder.urem(quads_, INT64(BLOCK))
        sizes = {tile: (rows_, INT64(LINE)) for row in SUMS for tile in row}
        for (a, b), depth in ((WHOLE, INT64(BLOCK)), (LEFT, left)):
            sizes |= {a: (rows_, builder.mul(depth, INT64(QUAD))), b: (depth, INT64(LINE))}
        for tile, (count, line) in sizes.items():
            # A register that is not used must have neither rows nor bytes
            count = builder.select(builder.icmp_signed("==", line, INT64(0)), INT64(0), count)
            line = builder.select(builder.icmp_signed("==", count, INT64(0)), INT64(0), line)
            builder.store(builder.trunc(line, INT8), builder.gep(first, [INT64(16 + 2 * tile)]))
            builder.store(builder.trunc(count, INT8), builder.gep(first, [INT64(48 + tile)]))
        _tile(builder, "ldtilecfg", first)

    return types.void(types.intp, types.intp), _tile_code(emit)


@in_line
def release(typing_context):  # type: ignore[no-untyped-def]
    """Free the tile registers, so that the system need not keep them for this thread."""
    return types.void(), _tile_code(lambda context, builder, signature, arguments: _tile(builder, "tilerelease"))


@in_line
def begin(typing_context, starts, start):  # type: ignore[no-untyped-def]
    """Set every row of the sums to the int32 values of starts from `start` on."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        starts_, start_ = arguments
        first = pointer(context, builder, starts, starts_, start_, INT8)
        for row in SUMS:
            for column, tile in enumerate(row):
                place = builder.gep(first, [INT64(column * LINE)])
                _tile(builder, "tileloadd64", INT8(tile), place, INT64(0))

    return types.void(starts, types.intp), _tile_code(emit)


def _add_products(a: int, b: int) -> Any:
    """Make the product of a depth of quads by the registers a of rows and b of quads."""

    @in_line
    def add_products(typing_context, codes, first, second, stride, weights, weight):  # type: ignore[no-untyped-def]
        """Add the products of two blocks of codes, whose rows are `stride` bytes apart, and weights to the sums."""

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
            codes_, first_, second_, stride_, weights_, weight_ = arguments
            rows = [pointer(context, builder, codes, codes_, place, INT8) for place in (first_, second_)]
            quads = pointer(context, builder, weights, weights_, weight_, INT8)
            # one operand of each product is that of the product before
            for row, column in ((0, 0), (0, 1), (1, 1), (1, 0)):
                if row == column:
                    _tile(builder, "tileloadd64", INT8(a), rows[row], stride_)
                if (row, column) != (1, 1):
                    place = builder.gep(quads, [INT64(column * LINE)])
                    _tile(builder, "tileloadd64", INT8(b), place, INT64(PANEL))
                _tile(builder, "tdpbusd", INT8(SUMS[row][column]), INT8(a), INT8(b))

        place = types.intp
        return types.void(codes, place, place, place, weights, place), _tile_code(emit)

    return add_products


add_whole, add_left = _add_products(*WHOLE), _add_products(*LEFT)


@in_line
def end(typing_context, sums, first, second, stride):  # type: ignore[no-untyped-def]
    """Store the sums of the two blocks in sums int32 from first and second on, rows `stride` numbers apart."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        sums_, *places, stride_ = arguments
        for row, place in zip(SUMS, places, strict=True):
            to = pointer(context, builder, sums, sums_, place, INT8)
            for column, tile in enumerate(row):
                place = builder.gep(to, [INT64(column * LINE)])
                _tile(builder, "tilestored64", INT8(tile), place, builder.mul(stride_, INT64(4)))

    return types.void(sums, types.intp, types.intp, types.intp), _tile_code(emit)


@compiled
def at_line(array):  # type: ignore[no-untyped-def]
    """Return a flat array without LINE numbers, from a line of the cache on: tiles are read six times as fast there."""
    first = -array.ctypes.data % LINE // array.itemsize
    return array[first : first + len(array) - LINE]


@compiled_uncounted
def blocks(count):  # type: ignore[no-untyped-def]
    """Return how many rows a block has, of an even number of blocks that `count` rows are cut into.

    The last blocks overlap where rows do not divide evenly.
    """
    pairs = -(-count // (2 * BLOCK))
    return -(-count // (2 * pairs))


@compiled_uncounted
def sum_blocks(codes, code, width, one, two, weights, weight, quads, starts, start, at):  # type: ignore[no-untyped-def]
    """Leave in the tile registers what `sum_tile` computes of the rows from one and two on, the panel at a column."""
    first, second, weight = code + one * width, code + two * width, weight + at * quads * QUAD
    begin(starts, start + at)
    for k in range(quads // BLOCK):
        add_whole(codes, first + k * LINE, second + k * LINE, width, weights, weight + k * BLOCK * PANEL)
    if quads % BLOCK:
        k = quads // BLOCK
        add_left(codes, first + k * LINE, second + k * LINE, width, weights, weight + k * BLOCK * PANEL)


@compiled_uncounted
def multiply_blocks(codes, code, width, count, weights, weight, quads, starts, start, columns, sums, sum_):  # type: ignore[no-untyped-def]
    """`matmul.multiply` by tiles, which are configured for count and quads."""
    size = blocks(count)
    for at in range(0, columns, TILE_COLUMNS):
        for row in range(0, count, 2 * size):
            one, two = min(row, count - size), min(row + size, count - size)
            sum_blocks(codes, code, width, one, two, weights, weight, quads, starts, start, at)
            end(sums, sum_ + one * columns + at, sum_ + two * columns + at, columns)


@compiled_uncounted
def multiply_blocks_to_codes(  # type: ignore[no-untyped-def]
    codes, code, width, count, weights, weight, quads, starts, start, columns, scale, bias, column, out, to, sums
):  # fmt: skip
    """`matmul.multiply_to_codes` by tiles, which are configured for count and quads; sums int32 [1024] is scratch."""
    size = blocks(count)
    for at in range(0, columns, TILE_COLUMNS):
        for row in range(0, count, 2 * size):
            one, two = min(row, count - size), min(row + size, count - size)
            sum_blocks(codes, code, width, one, two, weights, weight, quads, starts, start, at)
            end(sums, 0, size * TILE_COLUMNS, TILE_COLUMNS)
            scales, more_scales = load(scale, column + at), load(scale, column + at + LANES)
            added = load_codes(bias, column + at)
            for k in range(size):
                place, more = k * TILE_COLUMNS, (size + k) * TILE_COLUMNS
                result = to_codes(load(sums, place) * scales, load(sums, place + LANES) * more_scales) + added
                store_codes(out, to[np.uint64(one + k)] * out.shape[1] + column + at, result)
                result = to_codes(load(sums, more) * scales, load(sums, more + LANES) * more_scales) + added
                store_codes(out, to[np.uint64(two + k)] * out.shape[1] + column + at, result)
