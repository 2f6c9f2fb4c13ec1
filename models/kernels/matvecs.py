"""Compiled matvecs that read one vector: quantizer, delta gates, exact products, results on their grids side by side.

A delta gate sends an element of a vector only when it moved by more than a threshold since it was last sent. The
product then runs on the held vector x^ (last sent values; zeros before the first step), which equals updating the
product with the changes only. Invariant: |x - x^| <= threshold at every step. The operations that are computed are
counted from the elements that were sent, at every step, the first included.
Source: Neil et al., "Delta Networks for Optimized Recurrent Network Computation" (ICML 2017).

A block of rows passes through all steps while it is in the processor's caches. Vectors, products and rows are padded,
see `matmul.padded`; the padding is zero and changes no sum and no count.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.kernels.amx_tile import LINE, at_line, blocks, configure, multiply_blocks, multiply_blocks_to_codes, release
from models.kernels.code_bytes import count_moves, move, store_lower_bytes, store_upper_bytes
from models.kernels.codes import load_codes, nearest, spread, store_codes, to_codes
from models.kernels.int8_tile import QUAD, TILE_ROWS
from models.kernels.lanes import LANES, load, load_four_bytes, load_two_bytes, quotient, splat
from models.kernels.matmul import multiply, multiply_to_codes
from models.kernels.words import CODES
from models.quantization.compiling import compiled, compiled_uncounted

MOST_MOVE = 2**16 - 1  # of one code to another
# Beyond these no code but 0 stays within an activation's range, or none leaves 0: codes are those of the bound
LEAST_DIVISOR, MOST_DIVISOR = np.float32(2.0**-100), np.float32(2.0**100)
FRAMES_AT_ONCE = 64  # of a sequence; they and their sums stay in the processor's caches
# Columns of `Matvecs.gates` and `Matvecs.products`
ACT_BYTES, LEAST, MOST, THRESHOLD, OFFSET = range(5)
GATE, WEIGHT_BYTES, WEIGHT, START, COLUMN, COLUMNS = range(6)


class Matvecs(NamedTuple):
    """G delta gates and M products. A delta gate serves all matvecs with its quantizer and delta.

    It quantizes the vector and holds the values sent last.
    """

    gates: NDArray[np.int64]  # [G, 5] of each delta gate: bytes of a value, its range, the threshold, a byte's offset
    quantizers: NDArray[np.float32]  # [G, 2] the step, in steps of the vector's grid, and the shift; unused at 16 bits
    products: NDArray[np.int64]  # [M, 6] delta gate, bytes of a weight, first of weights, starts, columns; columns
    weights: NDArray[np.int8]  # those of all packed matrices
    starts: NDArray[np.int32]  # those of all packed matrices, then zeros: first values of the low bytes' sums
    scale: NDArray[np.float32]  # [all columns] one unit of a sum in steps of the result's grid
    bias: NDArray[np.int16]  # [all columns] codes of that grid
    cols: int  # of the vector
    width: int  # of the vector, padded
    tiles: bool = False  # whether products use tile registers, see `amx_tile`


class Scratch(NamedTuple):
    """Reused memory of the kernels for a block of rows; arrays are flat."""

    rows: int  # capacity
    plane: int  # size of one product's sums: rows times the widest product's columns
    codes: NDArray[np.uint8]  # [G, 2, rows, width]: high bytes, low bytes
    sums: NDArray[np.int32]  # [4, plane] of a product of 16-bit operands, by bytes
    results: NDArray[np.int16]  # [rows, all columns] of a step
    to: NDArray[np.int64]  # [rows] each row of the block's place in what is written; by itself its own number


@compiled
def make_scratch(matvecs, rows):  # type: ignore[no-untyped-def]
    """Allocate scratch for at least `rows` rows."""
    rows = -(-rows // TILE_ROWS) * TILE_ROWS
    plane = rows * matvecs.products[:, COLUMNS].max()
    codes = at_line(np.zeros(2 * len(matvecs.gates) * rows * matvecs.width + LINE, np.uint8))
    results = at_line(np.empty(rows * len(matvecs.scale) + LINE, np.int16)).reshape(rows, len(matvecs.scale))
    sums = at_line(np.empty(4 * plane + LINE, np.int32))
    return Scratch(rows, plane, codes, sums, results, np.arange(rows))


@compiled_uncounted
def send(matvecs, gate, x, at, steps, count, held, hold, codes, above, below):  # type: ignore[no-untyped-def]
    """Quantize `steps` vectors of `count` numbers, int16 x from `at` on, and pass them through a delta gate.

    `gate` is the delta gate's row in `matvecs.gates`. held int16, from `hold` on, are the codes sent last, updated in
    place; the held codes' bytes of every step go to codes uint8, from `above` on and, the low ones of two, from `below`
    on. Returns how many numbers were sent.
    """
    act_bytes, low, high, threshold, byte_offset = matvecs.gates[gate]
    whole = min(max(matvecs.quantizers[gate, 0], LEAST_DIVISOR), MOST_DIVISOR)
    divisor, shift, reciprocal = splat(whole), splat(matvecs.quantizers[gate, 1]), 1 / np.float64(whole)
    near, rest = splat(np.float32(reciprocal)), splat(np.float32(reciprocal - np.float32(reciprocal)))
    least, most = splat(np.float32(low)), splat(np.float32(high))
    limit, offset = np.uint16(min(threshold, MOST_MOVE)), spread(np.int16(byte_offset))
    sent = np.int64(0)
    for frame in range(0, steps * count, count):
        for i in range(0, count, CODES):
            place, keep = frame + i, hold + i
            if act_bytes == 1:
                first = quotient(load(x, at + place), divisor, near, rest)
                second = quotient(load(x, at + place + LANES), divisor, near, rest)
                code = nearest(min(max(first - shift, least), most), min(max(second - shift, least), most))
            else:
                code = load_codes(x, at + place)
            before = load_codes(held, keep)
            sent += count_moves(code, before, limit)
            after = move(code, before, limit)
            store_codes(held, keep, after)
            if act_bytes == 1:
                store_lower_bytes(codes, above + place, after + offset)
            else:
                store_upper_bytes(codes, above + place, after)
                store_lower_bytes(codes, below + place, after)
    return sent


@compiled_uncounted
def multiply_rows(matvecs, scratch, count, out):  # type: ignore[no-untyped-def]
    """Multiply the first `count` rows of scratch.codes; results plus bias go to the rows scratch.to of out int16."""
    half, quads = scratch.rows * matvecs.width, -(-matvecs.cols // QUAD)
    if matvecs.tiles:
        configure(blocks(count), quads)
    for m in range(len(matvecs.products)):
        gate, weight_bytes, weight, start, column, columns = matvecs.products[m]
        act_bytes = matvecs.gates[gate, ACT_BYTES]
        zeros = len(matvecs.starts) - columns
        code = 2 * gate * half
        if act_bytes == weight_bytes == 1:
            if matvecs.tiles:
                multiply_blocks_to_codes(
                    scratch.codes, code, matvecs.width, count, matvecs.weights, weight, quads, matvecs.starts, start,
                    columns, matvecs.scale, matvecs.bias, column, out, scratch.to, scratch.sums,
                )  # fmt: skip
            else:
                multiply_to_codes(
                    scratch.codes, code, matvecs.width, count, matvecs.weights, weight, quads,
                    matvecs.starts, start, columns, matvecs.scale, matvecs.bias, column, out, scratch.to,
                )  # fmt: skip
            continue
        for a in range(act_bytes):
            for w in range(weight_bytes):
                weight_, start_ = weight + w * quads * QUAD * columns, zeros if a else start + w * columns
                plane = (a * weight_bytes + w) * scratch.plane
                if matvecs.tiles:
                    multiply_blocks(
                        scratch.codes, code + a * half, matvecs.width, count, matvecs.weights, weight_, quads,
                        matvecs.starts, start_, columns, scratch.sums, plane,
                    )  # fmt: skip
                else:
                    multiply(
                        scratch.codes, code + a * half, matvecs.width, count, matvecs.weights, weight_, quads,
                        matvecs.starts, start_, columns, scratch.sums, plane,
                    )  # fmt: skip
        for row in range(count):
            for i in range(0, columns, CODES):
                place = row * columns + i
                if act_bytes == weight_bytes:
                    first = load_four_bytes(scratch.sums, place, scratch.plane)
                    second = load_four_bytes(scratch.sums, place + LANES, scratch.plane)
                else:
                    first = load_two_bytes(scratch.sums, place, scratch.plane)
                    second = load_two_bytes(scratch.sums, place + LANES, scratch.plane)
                first = first * load(matvecs.scale, column + i)
                second = second * load(matvecs.scale, column + i + LANES)
                codes = to_codes(first, second) + load_codes(matvecs.bias, column + i)
                store_codes(out, scratch.to[row] * out.shape[1] + column + i, codes)
    if matvecs.tiles:
        release()


@compiled
def run_sequences(matvecs, x, at, lengths, out, to, sent):  # type: ignore[no-untyped-def]
    """Run the matvecs over utterances: frames of x from at[u] on, results plus bias to rows of out from to[u] on.

    x int16 [.., width], out int16 [.., all columns]; at, lengths and to int64 [U]. The delta gates are reset at the
    start of every utterance; their counts of sent elements are added to sent int64 [G]. Blocks of frames go on from one
    utterance to the next, so that products have whole tiles.
    """
    scratch = make_scratch(matvecs, FRAMES_AT_ONCE)
    held = np.zeros(len(matvecs.gates) * matvecs.width, np.int16)
    width, half, filled = matvecs.width, scratch.rows * matvecs.width, np.int64(0)
    for u in range(len(lengths)):
        held[:] = 0
        t = 0
        while t < lengths[u]:
            frames = min(FRAMES_AT_ONCE - filled, lengths[u] - t)
            for g in range(len(matvecs.gates)):
                above, below = 2 * g * half + filled * width, (2 * g + 1) * half + filled * width
                sent[g] += send(
                    matvecs, g, x, (at[u] + t) * width, frames, width, held, g * width, scratch.codes, above, below
                )
            for k in range(frames):
                scratch.to[filled + k] = to[u] + t + k
            filled, t = filled + frames, t + frames
            if filled == FRAMES_AT_ONCE:
                multiply_rows(matvecs, scratch, filled, out)
                filled = np.int64(0)
    if filled:
        scratch.to[filled:] = scratch.to[filled - 1]
        multiply_rows(matvecs, scratch, filled, out)


@compiled_uncounted
def run_step(matvecs, scratch, x, held, count, sent):  # type: ignore[no-untyped-def]
    """Run one time step of the first `count` rows of x; results plus bias go to scratch.results.

    x int16 [rows, width] and held int16 [G, rows, width] are flat; held is updated in place. The delta gates' counts of
    sent elements are added to sent int64 [G].
    """
    half = scratch.rows * matvecs.width
    for g in range(len(matvecs.gates)):
        sent[g] += send(
            matvecs, g, x, 0, 1, count * matvecs.width, held, g * half, scratch.codes, 2 * g * half, (2 * g + 1) * half
        )
    multiply_rows(matvecs, scratch, count, scratch.results)
