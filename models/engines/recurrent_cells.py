"""Cells of LSTM, GRU and LiGRU layers: the constants that convert between their grids, and their compiled loops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.engines.compiled import Readers
from models.engines.integer_network import GatedLayer
from models.kernels.recurrent_layers import Sequences, gru_layer, ligru_layer, lstm_layer
from models.kernels.sigmoid import sigmoid_lines
from models.quantization.fixed_point import GATE_FRACTION_BITS, PREACTIVATION_FRACTION_BITS


class Cell:
    """Constants of one layer, all powers of two but the candidate's scale: steps of one grid in a step of another."""

    def __init__(self, layer: GatedLayer, knots: NDArray[np.int16]) -> None:
        self.lines, self.scale, self.reset_after = sigmoid_lines(knots), layer.candidate_scale, layer.reset_after
        pre, gate, cell, state = PREACTIVATION_FRACTION_BITS, GATE_FRACTION_BITS, layer.cell_bits, layer.state_bits
        self.cell_step = np.float32(2.0 ** (cell - 2 * gate))  # of a product of two gates
        self.cell_to_pre = np.float32(2.0 ** (pre - cell))
        self.state_step = np.float32(2.0 ** (state - 2 * gate))
        self.gate_to_state = np.float32(2.0 ** (state - gate))
        self.candidate_to_state = np.float32(2.0 ** (state - layer.candidate_bits))

    def run(self, sequences: Sequences, recurrent: list[Readers]) -> None:
        """Run a set of a layer's matrices over all frames of `sequences`; `recurrent` are its packed matvecs."""
        raise NotImplementedError


class LstmCell(Cell):
    def run(self, sequences: Sequences, recurrent: list[Readers]) -> None:
        (back,) = recurrent
        constants = self.lines, self.scale, self.cell_step, self.cell_to_pre, self.state_step
        lstm_layer(sequences, back.matvecs, *constants, back.sent)


class GruCell(Cell):
    def run(self, sequences: Sequences, recurrent: list[Readers]) -> None:
        gates, candidate = recurrent
        constants = self.lines, self.scale, self.gate_to_state, self.reset_after
        gru_layer(sequences, gates.matvecs, candidate.matvecs, *constants, gates.sent, candidate.sent)


class LigruCell(Cell):
    def run(self, sequences: Sequences, recurrent: list[Readers]) -> None:
        (back,) = recurrent
        ligru_layer(sequences, back.matvecs, self.lines, self.scale, self.candidate_to_state, back.sent)


CELLS: dict[str, type[Cell]] = {"lstm": LstmCell, "gru": GruCell, "ligru": LigruCell}
