"""Fixed-point layers of LSTM, GRU and LiGRU: all steps of some utterances as one compiled loop.

Every operation is one float32 operation, rounded to a grid. Preactivations are int16 codes on the preactivation grid (a
ReLU candidate's on its own): `pre` [frames, sets * gates * padded H] = W x + b. A loop runs the directions that share a
set of matrices. Rows are (utterance, direction), longest utterance first, so that active rows come first; their states
are codes on their own grid. A cell is one loop over `Codes`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.kernels.codes import (
    gated,
    load_codes,
    prefetch,
    prefetch_to_write,
    product,
    rectified,
    scaled,
    spread,
    store_codes,
)
from models.kernels.elementwise import blend, copy_codes
from models.kernels.matvecs import make_scratch, run_step
from models.kernels.sigmoid import sigmoid
from models.kernels.words import CODES
from models.quantization.compiling import compiled, compiled_uncounted
from models.quantization.fixed_point import GATE_FRACTION_BITS

HALF = np.int16(1 << (GATE_FRACTION_BITS - 1))


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
    """Allocate a layer's scratch, held codes and states (both flat and zero) and frames [3, rows] for `find_frames`."""
    rows = sequences.each * len(sequences.lengths)
    scratch = make_scratch(matvecs, rows)
    size = scratch.rows * matvecs.width
    held = np.zeros(len(matvecs.gates) * size, np.int16)
    return scratch, held, np.zeros(size, np.int16), np.empty((3, rows), np.int64)


@compiled
def find_frames(sequences, t, active, frames):  # type: ignore[no-untyped-def]
    """Set frames [3, rows] to the frames that rows read and write at step t, and read next.

    Returns the number of active utterances; `active` is that number at the step before.
    """
    each, first = sequences.each, sequences.first
    while active and sequences.lengths[active - 1] <= t:
        active -= 1
    for u in range(active):
        at, to, last = sequences.at[u], sequences.to[u], sequences.lengths[u] - 1 - t
        for k in range(each):
            step = last if first + k else t
            row, ahead = each * u + k, -1 if first + k else 1
            frames[0, row], frames[1, row], frames[2, row] = at + step, to + step, at + step + ahead
    return active


@compiled_uncounted
def write_out(h, width, hidden, rows, frames, sequences, out):  # type: ignore[no-untyped-def]
    """Copy h [rows, width], flat, to each row's frame and direction of the output, `out`, flat too."""
    for row in range(rows):
        shift = (sequences.first + row % sequences.each) * hidden
        to, step = frames[1, row], frames[2, row] - frames[0, row]
        copy_codes(h, row * width, out, to * sequences.out.shape[1] + shift, hidden)
        for i in range(0, hidden, CODES):
            prefetch_to_write(out, (to + step) * sequences.out.shape[1] + shift + i)


@njit(inline="always")
def tanh(lines, x):  # type: ignore[no-untyped-def]
    """Gate-grid codes of tanh(x) = 2 sigmoid(2 x) - 1."""
    half = sigmoid(lines, x + x) - spread(HALF)
    return half + half


@njit(inline="always")
def find_pre(sequences, frames, row, gate, width, i, back):  # type: ignore[no-untyped-def]
    """Preactivation codes of units i on of a row's gate: its product `back` plus `pre` of its frame.

    Those of its next frame are far in memory, frames of one utterance, and fetched in time for the next step.
    """
    pre, column = sequences.pre, sequences.column + gate * width + i
    prefetch(pre, frames[2, row] * pre.shape[1] + column)
    return load_codes(pre, frames[0, row] * pre.shape[1] + column) + back


@njit(inline="always")
def gate_of(sequences, frames, row, gate, matvecs, scratch, i):  # type: ignore[no-untyped-def]
    """Preactivation codes of units i on of a row's gate, one of equal width."""
    back = load_codes(scratch.results, row * scratch.results.shape[1] + gate * matvecs.width + i)
    return find_pre(sequences, frames, row, gate, matvecs.width, i, back)


@compiled
def lstm_layer(sequences, matvecs, lines, scale, cell_step, cell_to_pre, h_step, sent):  # type: ignore[no-untyped-def]
    """Run an LSTM layer, gates f, i, o, g.

    One step of a product of two gates is cell_step steps of the cell's grid and h_step steps of the state's grid;
    cell_to_pre converts cell codes to preactivation codes. Counts of sent elements are added to sent int64 [G].
    """
    scratch, held, h, frames = start(sequences, matvecs)
    width, cell = matvecs.width, np.zeros(len(h), np.int16)
    active, out = len(sequences.lengths), sequences.out.reshape(-1)
    for t in range(sequences.lengths[0]):
        active = find_frames(sequences, t, active, frames)
        rows = sequences.each * active
        run_step(matvecs, scratch, h, held, rows, sent)
        for row in range(rows):
            for i in range(0, width, CODES):
                place = row * width + i
                f = sigmoid(lines, gate_of(sequences, frames, row, 0, matvecs, scratch, i))
                kept = gated(f, load_codes(cell, place))
                g = scaled(tanh(lines, gate_of(sequences, frames, row, 3, matvecs, scratch, i)), scale)
                add = sigmoid(lines, gate_of(sequences, frames, row, 1, matvecs, scratch, i))
                c = kept + product(add, g, cell_step)
                store_codes(cell, place, c)
                o = sigmoid(lines, gate_of(sequences, frames, row, 2, matvecs, scratch, i))
                store_codes(h, place, product(o, tanh(lines, scaled(c, cell_to_pre)), h_step))
        write_out(h, width, matvecs.cols, rows, frames, sequences, out)


@compiled
def gru_layer(sequences, matvecs, candidate, lines, scale, to_state, after, sent, candidate_sent):  # type: ignore[no-untyped-def]
    """Run a GRU layer, gates z, r in `matvecs`, then `candidate`.

    The candidate reads r h, or h where r acts `after` the product and its bias. to_state converts gate-grid codes to
    state codes. Counts of sent elements are added to sent and candidate_sent, int64 [G] each.
    """
    scratch, held, h, frames = start(sequences, matvecs)
    second, candidate_held, read, _ = start(sequences, candidate)
    width, z, r = matvecs.width, np.empty(len(h), np.int16), np.empty(len(h), np.int16)
    active, out = len(sequences.lengths), sequences.out.reshape(-1)
    for t in range(sequences.lengths[0]):
        active = find_frames(sequences, t, active, frames)
        rows = sequences.each * active
        run_step(matvecs, scratch, h, held, rows, sent)
        for row in range(rows):
            for i in range(0, width, CODES):
                place = row * width + i
                store_codes(z, place, sigmoid(lines, gate_of(sequences, frames, row, 0, matvecs, scratch, i)))
                reset = sigmoid(lines, gate_of(sequences, frames, row, 1, matvecs, scratch, i))
                store_codes(r, place, reset)
                store_codes(read, place, gated(reset, load_codes(h, place)))
        run_step(candidate, second, h if after else read, candidate_held, rows, candidate_sent)
        for row in range(rows):
            for i in range(0, width, CODES):
                place = row * width + i
                back = load_codes(second.results, place)
                if after:
                    back = gated(load_codes(r, place), back)
                x = find_pre(sequences, frames, row, 2, width, i, back)
                g = scaled(scaled(tanh(lines, x), scale), to_state)
                store_codes(h, place, blend(load_codes(z, place), g, load_codes(h, place)))
        write_out(h, width, matvecs.cols, rows, frames, sequences, out)


@compiled
def ligru_layer(sequences, matvecs, lines, scale, to_state, sent):  # type: ignore[no-untyped-def]
    """Run a LiGRU layer, gates z, h; the candidate h is rectified.

    to_state converts codes of the candidate's grid to state codes. Counts of sent elements are added to sent int64 [G].
    """
    scratch, held, h, frames = start(sequences, matvecs)
    width = matvecs.width
    active, out = len(sequences.lengths), sequences.out.reshape(-1)
    for t in range(sequences.lengths[0]):
        active = find_frames(sequences, t, active, frames)
        rows = sequences.each * active
        run_step(matvecs, scratch, h, held, rows, sent)
        for row in range(rows):
            for i in range(0, width, CODES):
                place = row * width + i
                z = sigmoid(lines, gate_of(sequences, frames, row, 0, matvecs, scratch, i))
                x = rectified(gate_of(sequences, frames, row, 1, matvecs, scratch, i))
                g = scaled(scaled(x, scale), to_state)
                store_codes(h, place, blend(z, g, load_codes(h, place)))
        write_out(h, width, matvecs.cols, rows, frames, sequences, out)
