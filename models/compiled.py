"""What compiled loops share: elementary fixed-point steps on codes carried as float32, and fetching rows ahead."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from models.fixed_point import HIGH, LOW, ROUNDER

CACHE_LINE_BYTES = 64
FETCH_ROWS_AHEAD = 2  # enough to hide main memory behind a row's arithmetic


@njit(inline="always")
def clip(x):  # type: ignore[no-untyped-def]
    """Saturate to a 16-bit code."""
    return min(max(x, LOW), HIGH)


@njit(inline="always")
def grid(x):  # type: ignore[no-untyped-def]
    """Saturate to a 16-bit code and round, half to even."""
    return (clip(x) + ROUNDER) - ROUNDER


@njit(nogil=True, cache=True)
def look_up(table, index, gate):  # type: ignore[no-untyped-def]
    """gate [n] = table at index [n]. Alone in its loop, so that the arithmetic around it vectorises."""
    for i in range(len(index)):
        gate[i] = table[np.uint32(index[i])]


@intrinsic
def _prefetch(typing_context: Any, array: Any, row: Any, column: Any) -> Any:
    """The processor's prefetch instruction for one element; changes nothing but time."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        made = context.make_array(kind)(context, builder, arguments[0])
        element = cgutils.get_item_pointer(context, builder, kind, made, arguments[1:], wraparound=False)
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], shape)
        to_read, keep, data = number(0), number(3), number(1)
        builder.call(function, [builder.bitcast(element, pointer), to_read, keep, data])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp), codegen


@njit(nogil=True, cache=True)
def fetch_ahead(array, rows, place):  # type: ignore[no-untyped-def]
    """Have the row of `array` [N, D] that a loop over `rows` reads soon brought to the cache, from its `place` on.

    Rows that are read at every step of many utterances lie far apart, where the processor does not look ahead itself.
    """
    row = rows[min(place + FETCH_ROWS_AHEAD, len(rows) - 1)]
    for column in range(0, array.shape[1], CACHE_LINE_BYTES // array.itemsize):
        _prefetch(array, row, column)  # type: ignore[call-arg]  # numba gives the first argument
