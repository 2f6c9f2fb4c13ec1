"""Fixed-point layers of LSTM, GRU and LiGRU: all steps of some utterances as one compiled loop.

Every operation is one float32 operation, rounded to a grid. Preactivations are int16 codes on the preactivation grid (a
ReLU candidate's on its own): `pre` [frames, sets * gates * padded H] = W x + b. A loop runs the directions that share a
set of matrices. Rows are (utterance, direction), longest utterance first, so that active rows come first; their states
are codes on their own grid. Table look-ups have loops of their own, between loops over `Lanes`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.kernels.elementwise import GATE_STEP, blend, clip, grid, look_up, place_in_table
from models.kernels.lanes import LANES, load, store
from models.kernels.matvecs import make_scratch, result, run_step
from models.quantization.compiling import compiled
from models.quantization.fixed_point import GATE_FRACTION_BITS

ONE = np.float32(2.0**GATE_FRACTION_BITS)
ZERO = np.float32(0)


class Sequences(NamedTuple):
    """Utterances of a layer, longest first: their preactivations and the destination of the layer's output."""

    pre: NDArray[np.int16]  # [frames, sets * gates * padded H]
    column: int  # first one there of the set that runs
    at: NDArray[np.int64]  # [U] each utterance's first frame there
    lengths: NDArray[np.int64]  # [U] at least 1
    out: NDArray[np.int16]  # [frames, directions * H, padded]
    to: NDArray[np.int64]  # [U] each utterance's first frame there
    each: int  # directions that run, rows of an utterance
    first: int  # the first of them: 0 is forward in time, 1 backward


@compiled
def start(sequences, matvecs):  # type: ignore[no-untyped-def]
    """Allocate a layer's scratch, held codes and states (both flat and zero) and frames [2, rows] for `find_frames`."""
    rows = sequences.each * len(sequences.lengths)
    scratch = make_scratch(matvecs, rows)
    size = scratch.rows * matvecs.width
    held = np.zeros(len(matvecs.gates) * size, np.int16)
    return scratch, held, np.zeros(size, np.int16), np.empty((2, rows), np.int64)


@compiled
def find_frames(sequences, t, active, frames):  # type: ignore[no-untyped-def]
    """Set frames [2, rows] to the frames that rows read and write at step t; returns the number of active utterances.

    `active` is that number at the step before.
    """
    each, first = sequences.each, sequences.first
    while active and sequences.lengths[active - 1] <= t:
        active -= 1
    for u in range(active):
        at, to, last = sequences.at[u], sequences.to[u], sequences.lengths[u] - 1 - t
        for k in range(each):
            step = last if first + k else t
            frames[0, each * u + k], frames[1, each * u + k] = at + step, to + step
    return active


@compiled
def write_out(h, width, hidden, rows, frames, sequences):  # type: ignore[no-untyped-def]
    """Copy h [rows, width], flat, to each row's frame and direction of the output."""
    for row in range(rows):
        values, to = h[row * width : row * width + hidden], sequences.out[frames[1, row]]
        shift = (sequences.first + row % sequences.each) * hidden
        for i in range(hidden):
            to[shift + i] = values[i]


@njit(inline="always")
def tanh(value, scale):  # type: ignore[no-untyped-def]
    """Code of tanh(x) times a scale, from the sigmoid table's value at 2 x: tanh(x) = 2 sigmoid(2 x) - 1."""
    return grid((value + value - ONE) * scale)


@compiled
def find_sigmoid(matvecs, scratch, gate, row, sequences, frame, times, index):  # type: ignore[no-untyped-def]
    """Set a gate's part of index uint16 to the sigmoid table's indices of `times` (pre + recurrent result) of a row."""
    width, pre = matvecs.width, sequences.pre
    place, column = gate * scratch.plane + row * width, gate * width
    begin = frame * pre.shape[1] + sequences.column + column
    for i in range(0, width, LANES):
        x = clip(load(pre, begin + i) + result(matvecs, scratch, place + i, column + i))
        store(index, column + i, place_in_table(x * times))


@compiled
def lstm_layer(sequences, matvecs, table, scale, cell_step, cell_to_pre, h_step, sent):  # type: ignore[no-untyped-def]
    """Run an LSTM layer, gates f, i, o, g.

    One step of a product of two gates is cell_step steps of the cell's grid and h_step steps of the state's grid;
    cell_to_pre converts cell codes to preactivation codes. Counts of sent elements are added to sent int64 [G].
    """
    scratch, held, h, frames = start(sequences, matvecs)
    width, cell = matvecs.width, np.zeros(len(h), np.float32)
    index, gates = np.empty(4 * width, np.uint16), np.empty(4 * width, np.float32)
    once, twice = np.float32(1), np.float32(2)
    active = len(sequences.lengths)
    for t in range(sequences.lengths[0]):
        active = find_frames(sequences, t, active, frames)
        rows = sequences.each * active
        run_step(matvecs, scratch, h, held, rows, sent)
        for row in range(rows):
            for gate in range(4):
                times = twice if gate == 3 else once
                find_sigmoid(matvecs, scratch, gate, row, sequences, frames[0, row], times, index)
            look_up(table, index, gates)
            for i in range(0, width, LANES):
                kept = grid(load(gates, i) * load(cell, row * width + i) * GATE_STEP)
                added = grid(load(gates, width + i) * tanh(load(gates, 3 * width + i), scale) * cell_step)
                c = clip(kept + added)
                store(cell, row * width + i, c)
                store(index, i, place_in_table(grid(c * cell_to_pre) * twice))
            look_up(table, index[:width], gates)
            for i in range(0, width, LANES):
                squashed = load(gates, i)
                squashed = squashed + squashed - ONE
                store(h, row * width + i, grid(load(gates, 2 * width + i) * squashed * h_step))
        write_out(h, width, matvecs.cols, rows, frames, sequences)


@compiled
def gru_layer(sequences, matvecs, candidate, table, scale, to_state, after, sent, candidate_sent):  # type: ignore[no-untyped-def]
    """Run a GRU layer, gates z, r in `matvecs`, then `candidate`.

    The candidate reads r h, or h where r acts `after` the product and its bias. to_state converts gate-grid codes to
    state codes. Counts of sent elements are added to sent and candidate_sent, int64 [G] each.
    """
    scratch, held, h, frames = start(sequences, matvecs)
    second, candidate_held, gated, _ = start(sequences, candidate)
    width, z, r = matvecs.width, np.empty(len(h), np.float32), np.empty(len(h), np.float32)
    index, gates = np.empty(2 * width, np.uint16), np.empty(2 * width, np.float32)
    once, twice = np.float32(1), np.float32(2)
    pre = sequences.pre
    active = len(sequences.lengths)
    for t in range(sequences.lengths[0]):
        active = find_frames(sequences, t, active, frames)
        rows = sequences.each * active
        run_step(matvecs, scratch, h, held, rows, sent)
        for row in range(rows):
            for gate in range(2):
                find_sigmoid(matvecs, scratch, gate, row, sequences, frames[0, row], once, index)
            look_up(table, index, gates)
            for i in range(0, width, LANES):
                place, reset = row * width + i, load(gates, width + i)
                store(z, place, load(gates, i))
                store(r, place, reset)
                store(gated, place, grid(reset * load(h, place) * GATE_STEP))
        run_step(candidate, second, h if after else gated, candidate_held, rows, candidate_sent)
        for row in range(rows):
            begin = frames[0, row] * pre.shape[1] + sequences.column + 2 * width
            for i in range(0, width, LANES):
                place = row * width + i
                back = result(candidate, second, place, i)
                if after:
                    back = grid(load(r, place) * clip(back + load(candidate.bias, i)) * GATE_STEP)
                x = clip(load(pre, begin + i) + back)
                store(index, i, place_in_table(x * twice))
            look_up(table, index[:width], gates)
            for i in range(0, width, LANES):
                place = row * width + i
                g = grid(tanh(load(gates, i), scale) * to_state)
                store(h, place, blend(load(z, place), g, load(h, place)))
        write_out(h, width, matvecs.cols, rows, frames, sequences)


@compiled
def ligru_layer(sequences, matvecs, table, scale, to_state, sent):  # type: ignore[no-untyped-def]
    """Run a LiGRU layer, gates z, h; the candidate h is rectified.

    to_state converts codes of the candidate's grid to state codes. Counts of sent elements are added to sent int64 [G].
    """
    scratch, held, h, frames = start(sequences, matvecs)
    width = matvecs.width
    index, z = np.empty(width, np.uint16), np.empty(width, np.float32)
    once = np.float32(1)
    pre = sequences.pre
    active = len(sequences.lengths)
    for t in range(sequences.lengths[0]):
        active = find_frames(sequences, t, active, frames)
        rows = sequences.each * active
        run_step(matvecs, scratch, h, held, rows, sent)
        for row in range(rows):
            find_sigmoid(matvecs, scratch, 0, row, sequences, frames[0, row], once, index)
            look_up(table, index, z)
            begin = frames[0, row] * pre.shape[1] + sequences.column + width
            for i in range(0, width, LANES):
                place = row * width + i
                back = result(matvecs, scratch, scratch.plane + place, width + i)
                x = max(clip(load(pre, begin + i) + back), ZERO)
                g = grid(grid(x * scale) * to_state)
                store(h, place, blend(load(z, i), g, load(h, place)))
        write_out(h, width, matvecs.cols, rows, frames, sequences)
