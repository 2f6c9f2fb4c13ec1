"""Moves of `Codes` past the threshold of a delta gate, and their bytes, as products read them."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from models.kernels.codes import codes_type
from models.kernels.lanes import everywhere, in_line, pointer
from models.kernels.words import CODES, WORDS, constant

BYTES = ir.VectorType(ir.IntType(8), CODES)


def _moved(builder: Any, code: Any, before: Any, limit: Any) -> Any:
    """Which codes moved by more than a limit; a distance may need all bits of an unsigned word."""
    up = builder.icmp_signed(">", code, before)
    distance = builder.sub(builder.select(up, code, before), builder.select(up, before, code))
    return builder.icmp_unsigned(">", distance, everywhere(builder, limit, WORDS))


@in_line
def move(typing_context, code, before, limit):  # type: ignore[no-untyped-def]
    """Codes where they moved by more than uint16 limit, else those before."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code_, before_, _ = arguments
        return builder.select(_moved(builder, *arguments), code_, before_)

    return codes_type(codes_type, codes_type, types.uint16), codegen


@in_line
def count_moves(typing_context, code, before, limit):  # type: ignore[no-untyped-def]
    """Number int64 of codes that moved by more than uint16 limit."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mask = builder.bitcast(_moved(builder, *arguments), ir.IntType(CODES))
        return builder.zext(builder.ctpop(mask), ir.IntType(64))

    return types.int64(codes_type, codes_type, types.uint16), codegen


def _store(of: Any) -> Any:
    @in_line
    def store_bytes(typing_context, array, index, codes):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array_, index_, codes_ = arguments
            place = pointer(context, builder, array, array_, index_, BYTES)
            builder.store(builder.trunc(of(builder, codes_), BYTES), place, align=1)
            return context.get_dummy_value()

        return types.void(array, types.intp, codes_type), codegen

    return store_bytes


store_lower_bytes = _store(lambda builder, codes: codes)  # in a uint8 array; 256 high + low is a code
store_upper_bytes = _store(lambda builder, codes: builder.add(builder.ashr(codes, constant(8)), constant(128)))
