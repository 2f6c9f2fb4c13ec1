"""Fixed-point steps of LSTM, GRU and LiGRU as compiled loops; every step one float32 operation, rounded to a grid.

Preactivations come as int16 codes on the preactivation grid (a ReLU candidate's on its own): `pre` [N, gates H] =
W x + b of every frame, `back` [rows, gates H] = U h of the rows that run. `frames` int64 [rows] says which frame a row
reads. States are codes on their own grid, changed in place. Loops are short and table look-ups stand alone, so that the
rest vectorises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.compiled import clip, fetch_ahead, grid, look_up
from models.fixed_point import (
    GATE_FRACTION_BITS,
    HIGH,
    LOW,
    PREACTIVATION_FRACTION_BITS,
    SIGMOID_REACH,
    sigmoid_table,
)
from models.recurrent import rectified_bits

if TYPE_CHECKING:
    from models.calibration import Calibration
    from models.recurrent import Recurrent

ONE = np.float32(2.0**GATE_FRACTION_BITS)
GATE_STEP = np.float32(2.0**-GATE_FRACTION_BITS)
REACH = np.float32(SIGMOID_REACH)


@njit(nogil=True, cache=True)
def _sigmoid_index(pre, back, index):  # type: ignore[no-untyped-def]
    for i in range(len(index)):
        total = clip(np.float32(pre[i]) + np.float32(back[i]))
        index[i] = np.int32(min(max(total, -REACH), REACH)) + SIGMOID_REACH


@njit(nogil=True, cache=True)
def _tanh_index(pre, back, index):  # type: ignore[no-untyped-def]
    # tanh(x) = 2 sigmoid(2 x) - 1: the same table, read at twice the code
    for i in range(len(index)):
        total = clip(np.float32(pre[i]) + np.float32(back[i]))
        index[i] = np.int32(min(max(total + total, -REACH), REACH)) + SIGMOID_REACH


@njit(nogil=True, cache=True)
def _candidate(gate, scale):  # type: ignore[no-untyped-def]
    """Table values of tanh into its codes on the gate grid, times the candidate's constant scale, in place."""
    for i in range(len(gate)):
        gate[i] = grid((gate[i] + gate[i] - ONE) * scale)


@njit(nogil=True, cache=True)
def _cell_state(forget, inward, candidate, cell, cell_step, cell_to_pre, index):  # type: ignore[no-untyped-def]
    for i in range(len(cell)):
        kept = grid(forget[i] * cell[i] * GATE_STEP)
        cell[i] = clip(kept + grid(inward[i] * candidate[i] * cell_step))
        pre = grid(cell[i] * cell_to_pre)
        index[i] = np.int32(min(max(pre + pre, -REACH), REACH)) + SIGMOID_REACH


@njit(nogil=True, cache=True)
def _lstm_output(outward, squashed, h_step, h):  # type: ignore[no-untyped-def]
    for i in range(len(h)):
        h[i] = np.int16(grid(outward[i] * (squashed[i] + squashed[i] - ONE) * h_step))


@njit(nogil=True, cache=True)
def lstm_step(pre, back, frames, cell, h, table, scale, cell_step, cell_to_pre, h_step):  # type: ignore[no-untyped-def]
    """Advance cell and h [rows, H] by one step. Gates f, i, o, g."""
    hidden = h.shape[1]
    index = np.empty(4 * hidden, np.int32)
    gate = np.empty(4 * hidden, np.float32)
    f, i, o, g = gate[:hidden], gate[hidden : 2 * hidden], gate[2 * hidden : 3 * hidden], gate[3 * hidden :]
    cell_index, gates_index, candidate_index = index[:hidden], index[: 3 * hidden], index[3 * hidden :]
    for row in range(len(frames)):
        fetch_ahead(pre, frames, row)
        x, u = pre[frames[row]], back[row]
        _sigmoid_index(x[: 3 * hidden], u[: 3 * hidden], gates_index)
        _tanh_index(x[3 * hidden :], u[3 * hidden :], candidate_index)
        look_up(table, index, gate)
        _candidate(g, scale)
        _cell_state(f, i, g, cell[row], cell_step, cell_to_pre, cell_index)
        look_up(table, cell_index, f)
        _lstm_output(o, f, h_step, h[row])


@njit(nogil=True, cache=True)
def _blend(z, candidate, to_state, h):  # type: ignore[no-untyped-def]
    for i in range(len(h)):
        g = grid(candidate[i] * to_state)
        h[i] = np.int16(clip(g + grid(z[i] * clip(np.float32(h[i]) - g) * GATE_STEP)))


@njit(nogil=True, cache=True)
def _gated(gate, values, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = np.int16(grid(gate[i] * np.float32(values[i]) * GATE_STEP))


@njit(nogil=True, cache=True)
def _add(values, constants, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = np.int16(clip(np.float32(values[i]) + np.float32(constants[i])))


@njit(nogil=True, cache=True)
def gru_gates(pre, back, frames, table, z, r):  # type: ignore[no-untyped-def]
    """z and r float32 [rows, H] on the gate grid."""
    hidden = z.shape[1]
    index = np.empty(2 * hidden, np.int32)
    z_index, r_index = index[:hidden], index[hidden:]
    for row in range(len(frames)):
        fetch_ahead(pre, frames, row)
        _sigmoid_index(pre[frames[row], : 2 * hidden], back[row, : 2 * hidden], index)
        look_up(table, z_index, z[row])
        look_up(table, r_index, r[row])


@njit(nogil=True, cache=True)
def gate_rows(gate, values, out):  # type: ignore[no-untyped-def]
    """out int16 [rows, H] = gate times values, on the values' grid."""
    for row in range(len(out)):
        _gated(gate[row], values[row], out[row])


@njit(nogil=True, cache=True)
def add_rows(values, constants, out):  # type: ignore[no-untyped-def]
    """out int16 [rows, H] = values plus constants [H], saturating."""
    for row in range(len(out)):
        _add(values[row], constants, out[row])


@njit(nogil=True, cache=True)
def gru_step(pre, back, frames, z, h, table, scale, to_state):  # type: ignore[no-untyped-def]
    """Advance h int16 [rows, H]; back [rows, H] is the candidate's recurrent product."""
    hidden = h.shape[1]
    index = np.empty(hidden, np.int32)
    gate = np.empty(hidden, np.float32)
    for row in range(len(frames)):
        _tanh_index(pre[frames[row], 2 * hidden :], back[row], index)
        look_up(table, index, gate)
        _candidate(gate, scale)
        _blend(z[row], gate, to_state, h[row])


@njit(nogil=True, cache=True)
def _rectify(pre, back, scale, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        total = max(clip(np.float32(pre[i]) + np.float32(back[i])), np.float32(0.0))
        out[i] = grid(total * scale)


@njit(nogil=True, cache=True)
def ligru_step(pre, back, frames, h, table, scale, to_state):  # type: ignore[no-untyped-def]
    """Advance h int16 [rows, H]. Gates z, h."""
    hidden = h.shape[1]
    index = np.empty(hidden, np.int32)
    z = np.empty(hidden, np.float32)
    g = np.empty(hidden, np.float32)
    for row in range(len(frames)):
        fetch_ahead(pre, frames, row)
        x, u = pre[frames[row]], back[row]
        _sigmoid_index(x[:hidden], u[:hidden], index)
        look_up(table, index, z)
        _rectify(x[hidden:], u[hidden:], scale, g)
        _blend(z, g, to_state, h[row])


class Cell:
    """One layer's fixed-point state: h int16 [rows, H] on a grid with `h_bits`, zeros at first; `step` advances it."""

    def __init__(
        self, spec: Recurrent, layer: int, rows: int, calibration: Calibration, weights: dict[str, NDArray[np.float32]]
    ) -> None:
        self.spec, self.layer = spec, layer
        self.h_bits = calibration.fraction_bits(f"l{layer}.state")
        self.h = np.zeros((rows, spec.hidden), np.int16)
        self.scale = np.float32(spec.candidate_scale)
        self.table = sigmoid_table()
        self.prepare(calibration, weights)

    def prepare(self, calibration: Calibration, weights: dict[str, NDArray[np.float32]]) -> None:
        """What a model needs besides h."""

    def step(self, pre: NDArray[np.int16], frames: NDArray[np.int64], recur: Any) -> NDArray[np.int16]:
        """Run len(frames) rows and return their h. `recur(names, vectors)` gives U times vectors on the grid."""
        raise NotImplementedError


class LstmCell(Cell):
    def prepare(self, calibration: Calibration, weights: dict[str, NDArray[np.float32]]) -> None:
        cell_bits = calibration.fraction_bits(f"l{self.layer}.cell")
        self.cell = np.zeros(self.h.shape, np.float32)
        self.cell_step = np.float32(2.0 ** (cell_bits - 2 * GATE_FRACTION_BITS))
        self.cell_to_pre = np.float32(2.0 ** (PREACTIVATION_FRACTION_BITS - cell_bits))
        self.h_step = np.float32(2.0 ** (self.h_bits - 2 * GATE_FRACTION_BITS))

    def step(self, pre: NDArray[np.int16], frames: NDArray[np.int64], recur: Any) -> NDArray[np.int16]:
        h, cell = self.h[: len(frames)], self.cell[: len(frames)]
        back = recur(self.spec.recurrent_names(self.layer), h)
        lstm_step(pre, back, frames, cell, h, self.table, self.scale, self.cell_step, self.cell_to_pre, self.h_step)
        return h


class GruCell(Cell):
    def prepare(self, calibration: Calibration, weights: dict[str, NDArray[np.float32]]) -> None:
        self.z, self.r = np.empty(self.h.shape, np.float32), np.empty(self.h.shape, np.float32)
        self.gated = np.empty(self.h.shape, np.int16)
        self.to_state = np.float32(2.0 ** (self.h_bits - GATE_FRACTION_BITS))
        self.after = self.spec.to_json()["reset_after"]
        if self.after:
            scaled = np.rint(weights[f"recurrent_bias.l{self.layer}"] * 2.0**PREACTIVATION_FRACTION_BITS)
            self.bias = np.clip(scaled, LOW, HIGH).astype(np.int16)

    def step(self, pre: NDArray[np.int16], frames: NDArray[np.int64], recur: Any) -> NDArray[np.int16]:
        rows = len(frames)
        h, z, r, gated = self.h[:rows], self.z[:rows], self.r[:rows], self.gated[:rows]
        names = self.spec.recurrent_names(self.layer)
        gru_gates(pre, recur(names[:2], h), frames, self.table, z, r)
        if self.after:
            back = recur(names[2:], h)
            add_rows(back, self.bias, gated)
            gate_rows(r, gated, gated)
            back = gated
        else:
            gate_rows(r, h, gated)
            back = recur(names[2:], gated)
        gru_step(pre, back, frames, z, h, self.table, self.scale, self.to_state)
        return h


class LigruCell(Cell):
    def prepare(self, calibration: Calibration, weights: dict[str, NDArray[np.float32]]) -> None:
        self.to_state = np.float32(2.0 ** (self.h_bits - rectified_bits(calibration, self.layer)))

    def step(self, pre: NDArray[np.int16], frames: NDArray[np.int64], recur: Any) -> NDArray[np.int16]:
        h = self.h[: len(frames)]
        back = recur(self.spec.recurrent_names(self.layer), h)
        ligru_step(pre, back, frames, h, self.table, self.scale, self.to_state)
        return h
