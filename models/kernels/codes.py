"""Vectors of 32 codes of the 16-bit grid (`Codes`) for compiled loops: what cells do to them, in registers.

Sums and differences saturate, as a clipped float32 sum does. Products are those of float32, rounded once to its 24 bits
before they are rounded to a grid: the whole product of two codes is exact in 32 bits, and its conversion to float32 is
that first rounding. Arrays are read and written by flat index, unchecked, as by `Lanes`.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import models, overload, register_model

from models.kernels.lanes import FLOAT, INT32, LANES, everywhere, in_line, lanes_type, pointer
from models.kernels.words import (
    ADD,
    GROUP,
    ONE,
    SUBTRACT,
    WORDS,
    call,
    constant,
    multiplied,
    rounded,
    unpacked,
)
from models.quantization.fixed_point import GATE_FRACTION_BITS


class CodesType(types.Type):
    """Numba type of `Codes`."""

    def __init__(self) -> None:
        super().__init__(name="Codes")


codes_type = CodesType()


@register_model(CodesType)
class _CodesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, WORDS)


@in_line
def load_codes(typing_context, array, index):  # type: ignore[no-untyped-def]
    """Load 32 codes of an int16 array from a flat index on."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_, index_ = arguments
        return builder.load(pointer(context, builder, array, array_, index_, WORDS), align=2)

    return codes_type(array, types.intp), codegen


def _prefetch(to_write: int) -> Any:
    @in_line
    def prefetched(typing_context, array, index):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            address, int32 = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [address, int32, int32, int32])
            function = builder.module.declare_intrinsic("llvm.prefetch", (address,), kind)
            place = pointer(context, builder, array, arguments[0], arguments[1], ir.IntType(8))
            builder.call(function, [place, int32(to_write), int32(3), int32(1)])  # to be kept, data
            return context.get_dummy_value()

        return types.void(array, types.intp), codegen

    return prefetched


# Fetch an int16 array's 32 codes from a flat index on, which need not be there, into the nearest cache.
prefetch, prefetch_to_write = _prefetch(0), _prefetch(1)


@in_line
def store_codes(typing_context, array, index, value):  # type: ignore[no-untyped-def]
    """Store 32 codes in an int16 array."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_, index_, codes = arguments
        builder.store(codes, pointer(context, builder, array, array_, index_, WORDS), align=2)
        return context.get_dummy_value()

    return types.void(array, types.intp, codes_type), codegen


@in_line
def spread(typing_context, number):  # type: ignore[no-untyped-def]
    """Broadcast one int16 code."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return everywhere(builder, arguments[0], WORDS)

    return codes_type(types.int16), codegen


def _binary(name: str) -> Any:
    @in_line
    def operation(typing_context, left, right):  # type: ignore[no-untyped-def]
        return codes_type(codes_type, codes_type), lambda _, builder, __, arguments: call(builder, name, *arguments)

    return operation


_add, _subtract = _binary(ADD), _binary(SUBTRACT)


@overload(operator.add)
def _sum(left, right):  # type: ignore[no-untyped-def]
    if left is codes_type and right is codes_type:
        return lambda left, right: _add(left, right)
    return None


@overload(operator.sub)
def _difference(left, right):  # type: ignore[no-untyped-def]
    if left is codes_type and right is codes_type:
        return lambda left, right: _subtract(left, right)
    return None


@in_line
def rectified(typing_context, codes):  # type: ignore[no-untyped-def]
    """Set codes below zero to zero."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (value,) = arguments
        return builder.select(builder.icmp_signed(">", value, constant(0)), value, constant(0))

    return codes_type(codes_type), codegen


@in_line
def product(typing_context, left, right, step):  # type: ignore[no-untyped-def]
    """Compute grid(left * right * step), step a power of two."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left_, right_, step_ = arguments
        return rounded(builder, multiplied(builder, left_, right_), step_, GROUP // 2)

    return codes_type(codes_type, codes_type, types.float32), codegen


@in_line
def gated(typing_context, gate, codes):  # type: ignore[no-untyped-def]
    """Compute grid(gate * codes * 2^-14) for gates of 0 to 2^14, which nothing can leave the grid by."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        step = ir.Constant(ir.FloatType(), 2.0**-GATE_FRACTION_BITS)
        return rounded(builder, multiplied(builder, *arguments), step, GROUP // 2, saturate=False)

    return codes_type(codes_type, codes_type), codegen


@in_line
def scaled(typing_context, codes, factor):  # type: ignore[no-untyped-def]
    """Compute grid(codes * factor) for any float32 factor."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes_, factor_ = arguments
        factors = everywhere(builder, factor_, FLOAT)
        sixteen = ir.Constant(INT32, [16] * LANES)
        wide = [builder.ashr(part, sixteen) for part in unpacked(builder, codes_, codes_)]
        parts = [builder.fmul(builder.sitofp(part, FLOAT), factors) for part in wide]
        return rounded(builder, parts, ONE, GROUP // 2)

    return codes_type(codes_type, types.float32), codegen


def _of_lanes(saturate: bool) -> Any:
    @in_line
    def codes_of(typing_context, first, second):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return rounded(builder, list(arguments), ONE, LANES, saturate)

        return codes_type(lanes_type, lanes_type), codegen

    return codes_of


to_codes = _of_lanes(saturate=True)  # grid(x) of twice sixteen numbers
nearest = _of_lanes(saturate=False)  # the same where none is beyond the grid
