"""Vectors of sixteen float32 numbers (`Lanes`) for compiled loops, with plain arithmetic.

Loops over `Lanes` need neither checks for overlapping arrays nor a remainder loop, which for rows of a hundred elements
cost more than their arithmetic; so arrays are padded to multiples of LANES. Arrays are read and written by flat index,
unchecked. Every operation is one IEEE float32 operation, never fused with another.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic, models, overload, register_model

LANES = 16


def is_arm(triple: str) -> bool:
    return triple.startswith(("aarch64", "arm64"))


TARGET = cpu_target.target_context.codegen().magic_tuple()  # triple, processor and its features, as LLVM calls them
FEATURES = TARGET[2].split(",")
FUSES = "+fma" in FEATURES or is_arm(TARGET[0])  # multiplies and adds with one rounding
FLOAT = ir.VectorType(ir.FloatType(), LANES)
INT32, INT64 = (ir.VectorType(ir.IntType(bits), LANES) for bits in (32, 64))


class LanesType(types.Type):
    """Numba type of `Lanes`."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes_type = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, FLOAT)


def in_line(function: Any) -> Any:
    """Make a numba intrinsic: code that is inlined into a compiled loop; numba passes the typing context."""
    return intrinsic(function)


def pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any, to: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), to.as_pointer())


def everywhere(builder: Any, value: Any, kind: Any) -> Any:
    """Broadcast one value to all lanes of a vector."""
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(
        first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    )


@in_line
def load(typing_context, array, index):  # type: ignore[no-untyped-def]
    """Load sixteen numbers of an int16, int32 or float32 array from a flat index on."""
    if array.dtype not in (types.int16, types.int32, types.float32):
        return None
    element = array.dtype.bitwidth

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = FLOAT if array.dtype == types.float32 else ir.VectorType(ir.IntType(element), LANES)
        value = builder.load(pointer(context, builder, array, arguments[0], arguments[1], kind), align=element // 8)
        return value if array.dtype == types.float32 else builder.sitofp(value, FLOAT)

    return lanes_type(array, types.intp), codegen


@in_line
def store(typing_context, array, index, value):  # type: ignore[no-untyped-def]
    """Store whole numbers in an int16, uint16 or uint8 array, within its range, or any numbers in a float32 array."""
    element = array.dtype.bitwidth

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_, index_, lanes = arguments
        kind = FLOAT
        if array.dtype != types.float32:
            kind = ir.VectorType(ir.IntType(element), LANES)
            lanes = builder.trunc(builder.fptosi(lanes, INT32), kind)
        builder.store(lanes, pointer(context, builder, array, array_, index_, kind), align=element // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes_type), codegen


@in_line
def splat(typing_context, number):  # type: ignore[no-untyped-def]
    """Broadcast one float32 to all lanes."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return everywhere(builder, arguments[0], FLOAT)

    return lanes_type(types.float32), codegen


@in_line
def quotient(typing_context, numbers, divisor, near, rest):  # type: ignore[no-untyped-def]
    """Divide whole numbers by a divisor, rounded once; near, a float32, and rest add up to its reciprocal.

    The guess is less than one unit of its last place off, and its remainder exact, so that the correction rounds as a
    division does, in less time. Source: Markstein, "Computation of elementary functions on the IBM RISC System/6000
    processor", IBM J. Res. Dev. 34(1), 1990.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers_, divisor_, near_, rest_ = arguments
        if not FUSES:
            return builder.fdiv(numbers_, divisor_)
        fma = builder.module.declare_intrinsic(f"llvm.fma.v{LANES}f32", (), ir.FunctionType(FLOAT, [FLOAT] * 3))
        guess = builder.call(fma, [numbers_, near_, builder.fmul(numbers_, rest_)])
        left = builder.call(fma, [builder.fneg(guess), divisor_, numbers_])
        return builder.call(fma, [left, near_, guess])

    return lanes_type(*[lanes_type] * 4), codegen


def _binary(emit: Any) -> Any:
    @in_line
    def operation(typing_context, left, right):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return emit(builder, *arguments)

        return lanes_type(lanes_type, lanes_type), codegen

    return operation


def _select(order: str) -> Any:
    def emit(builder: Any, a: Any, b: Any) -> Any:
        return builder.select(builder.fcmp_ordered(order, a, b), a, b)

    return emit


_operations = {
    operator.add: _binary(lambda builder, a, b: builder.fadd(a, b)),
    operator.sub: _binary(lambda builder, a, b: builder.fsub(a, b)),
    operator.mul: _binary(lambda builder, a, b: builder.fmul(a, b)),
    operator.truediv: _binary(lambda builder, a, b: builder.fdiv(a, b)),
    min: _binary(_select("<")),
    max: _binary(_select(">")),
}


def _register(function: Any, operation: Any) -> None:
    @overload(function)
    def implementation(left, right):  # type: ignore[no-untyped-def]
        if left is lanes_type and right is lanes_type:
            return lambda left, right: operation(left, right)
        if left is lanes_type and right == types.float32:
            return lambda left, right: operation(left, splat(right))
        if left == types.float32 and right is lanes_type:
            return lambda left, right: operation(splat(left), right)
        return None


for _function, _operation in _operations.items():
    _register(_function, _operation)


def _reduction(combine: Any) -> Any:
    @in_line
    def reduction(typing_context, value):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (lanes,) = arguments
            for shift in (8, 4, 2, 1):
                places = ir.Constant(INT32, [(lane + shift) % LANES for lane in range(LANES)])
                lanes = combine(builder, lanes, builder.shuffle_vector(lanes, lanes, places))
            return builder.extract_element(lanes, ir.Constant(ir.IntType(32), 0))

        return types.float32(lanes_type), codegen

    return reduction


greatest = _reduction(_select(">"))


def _load_sum(weights: tuple[int, ...]) -> Any:
    """Make a load of the sum of int32 parts, `stride` apart, times `weights`: exact, then rounded to float32 once."""

    @in_line
    def load_sum(typing_context, parts, index, stride):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array, index_, stride_ = arguments
            kind, result = ir.VectorType(ir.IntType(32), LANES), ir.Constant(INT64, [0] * LANES)
            for weight in weights:
                part = builder.load(pointer(context, builder, parts, array, index_, kind), align=4)
                scaled = builder.mul(builder.sext(part, INT64), ir.Constant(INT64, [weight] * LANES))
                result, index_ = builder.add(result, scaled), builder.add(index_, stride_)
            return builder.sitofp(result, FLOAT)

        return lanes_type(parts, types.intp, types.intp), codegen

    return load_sum


load_two_bytes = _load_sum((256, 1))
load_four_bytes = _load_sum((65536, 256, 256, 1))
