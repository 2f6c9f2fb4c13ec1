"""Packing of quantized matrices for exact integer products, and those products.

A 16-bit operand is two bytes: weights are 256 * high + low with both signed, activations 256 * high + low with the low
byte unsigned. Bytes are multiplied by bytes and summed in int32, which is exact. Activations are unsigned bytes: signed
codes plus BYTE_OFFSET, which the first values of the sums take off again by the row sums, with zero points added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.kernels.int8_tile import LANES, QUAD, TILE_COLUMNS, TILE_ROWS, VECTORS, WEIGHT_OFFSET, code_tile, sum_tile
from models.quantization.compiling import compiled_uncounted
from models.quantization.quantizer import QuantizedMatrix, weight_bytes

BYTE_OFFSET = 128


@dataclass(frozen=True, eq=False)
class PackedMatrix:
    """Bytes of a quantized matrix in the order that `multiply` reads them, in one part or two, most significant first.

    weights int8 [parts, panels * quads * VECTORS * LANES * QUAD]: panels of TILE_COLUMNS rows of the matrix, each of
    quads of its columns; both are padded with zeros. row_sums int32 [parts, panels * TILE_COLUMNS].
    """

    weights: NDArray[np.int8]
    row_sums: NDArray[np.int32]
    scale: NDArray[np.float32]  # [panels * TILE_COLUMNS]
    rows: int
    cols: int


def pack(matrix: QuantizedMatrix) -> PackedMatrix:
    """Pack a quantized matrix [rows, cols] for `multiply`."""
    rows, cols = matrix.codes.shape
    quads = -(-cols // QUAD)
    codes = np.zeros((padded(rows), quads * QUAD), np.int32)
    codes[:rows, :cols] = matrix.codes
    parts = np.stack(weight_bytes(codes, matrix.bits))
    panels = (parts + WEIGHT_OFFSET).astype(np.int8).reshape(len(parts), -1, VECTORS, LANES, quads, QUAD)
    weights = np.ascontiguousarray(panels.transpose(0, 1, 4, 2, 3, 5)).reshape(len(parts), -1)
    scale = np.zeros(len(codes), np.float32)
    scale[:rows] = matrix.scale
    return PackedMatrix(weights, parts.sum(axis=2, dtype=np.int32), scale, rows, cols)


def padded(count: int) -> int:
    """Length of a row of `count` numbers padded to whole tiles, and so to whole lanes and quads."""
    return -(-count // TILE_COLUMNS) * TILE_COLUMNS


@compiled_uncounted
def multiply(codes, code, width, count, weights, weight, quads, starts, start, columns, sums, sum_):  # type: ignore[no-untyped-def]
    """Set sums [count, columns] from sum_ on to the products of `count` rows of codes, `width` long, from `code` on.

    Arrays and indices are those of `sum_tile`; codes and sums must have room for whole tiles.
    """
    for panel in range(columns // TILE_COLUMNS):
        for row in range(0, count, TILE_ROWS):
            sum_tile(
                codes, code + row * width, width, weights, weight + panel * quads * QUAD * TILE_COLUMNS, quads,
                starts, start + panel * TILE_COLUMNS, sums, sum_ + row * columns + panel * TILE_COLUMNS, columns,
            )  # fmt: skip


@compiled_uncounted
def multiply_to_codes(  # type: ignore[no-untyped-def]
    codes, code, width, count, weights, weight, quads, starts, start, columns, scale, bias, column, out, to
):  # fmt: skip
    """Set the rows `to` of out, from `column` on, to the codes of these products, see `code_tile`.

    codes must have room for whole tiles, and `to` [count, to whole tiles] name a row for each.
    """
    for panel in range(columns // TILE_COLUMNS):
        at = panel * TILE_COLUMNS
        for row in range(0, count, TILE_ROWS):
            code_tile(
                codes, code + row * width, width, weights, weight + at * quads * QUAD, quads,
                starts, start + at, scale, bias, column + at, out, to, row,
            )  # fmt: skip
