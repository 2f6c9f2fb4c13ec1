"""Products of the ONNX graph at the extremes of their codes, where sums that saturate or overflow would show."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx

from dse.exporters.onnx_graph import Graph
from dse.exporters.onnx_matvec import Stack, sums, weights
from models.engines.integer_network import IntegerMatVec
from models.quantization.quantizer import WEIGHT_CODE_MAX, QuantizedMatrix, code_range

WIDTHS = [(8, 8), (7, 8), (2, 8), (8, 2), (16, 8), (8, 16), (16, 16)]
FRAMES = (1, 6, 33)


def extremes(low: int, high: int, shape: tuple[int, ...], pattern: int) -> np.ndarray:
    """Codes of one kind: all high, all low, in turn, or any of both."""
    if pattern == 3:
        return np.random.default_rng(1).choice([low, high], shape)
    turn = np.arange(np.prod(shape)).reshape(shape) % 2 if pattern == 2 else np.full(shape, pattern)
    return np.where(turn, low, high)


def products(
    columns: Sequence[int], rows: int
) -> Iterator[tuple[str, Any, dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """Name, model, inputs and exact outputs of every product."""
    kinds, describe = onnx.TensorProto, onnx.helper.make_tensor_value_info
    for (bits, act_bits), cols, pattern in itertools.product(WIDTHS, columns, range(4)):
        low, high = (-WEIGHT_CODE_MAX, WEIGHT_CODE_MAX) if bits == 16 else code_range(bits)
        codes = extremes(low, high, (rows, cols), pattern).astype(np.int16)
        matrix = QuantizedMatrix(codes, np.float32(1), np.ones(rows, np.int8), bits)
        ones, nothing = np.ones(rows, np.float32), np.zeros(rows, np.int16)
        zero = 2 ** (act_bits - 1) if act_bits < 16 and pattern == 1 else 0
        matvec = IntegerMatVec(
            "matvec", matrix, act_bits, zero, np.float32(0), 0, 0, np.float32(1), ones, nothing.astype(np.int8), nothing
        )
        g = Graph(onnx)
        stack = Stack((matvec,))
        g.named(g("Cast", sums(g, stack, weights(g, stack), "held"), to=kinds.INT64), "sums")
        model = g.proto([describe("held", kinds.FLOAT, ["m", cols])], [describe("sums", kinds.INT64, ["m", rows])], {})
        least, most = code_range(16) if act_bits == 16 else matvec.value_range
        for frames, other in itertools.product(FRAMES, range(4)):
            held = extremes(least, most, (frames, cols), other)
            name = f"W{bits}A{act_bits} {cols} columns, {frames} frames, patterns {pattern} {other}"
            yield name, model, {"held": held.astype(np.float32)}, {"sums": held @ codes.T.astype(np.int64)}
