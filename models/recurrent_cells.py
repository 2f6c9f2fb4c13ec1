"""What each layer of an LSTM, GRU or LiGRU runs with: constants out of the calibration, and its compiled loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.fixed_point import GATE_FRACTION_BITS, PREACTIVATION_FRACTION_BITS, sigmoid_table, to_grid
from models.recurrent import rectified_bits
from models.recurrent_layers import Sequences, gru_layer, ligru_layer, lstm_layer

if TYPE_CHECKING:
    from models.calibration import Calibration
    from models.engine import Readers
    from models.recurrent import Recurrent


class Cell:
    """One layer's constants: `h_bits` the fraction bits of its state's grid, and what a model needs besides."""

    def __init__(
        self, spec: Recurrent, layer: int, calibration: Calibration, weights: dict[str, NDArray[np.float32]]
    ) -> None:
        self.spec, self.layer = spec, layer
        self.h_bits = calibration.fraction_bits(f"l{layer}.state")
        self.scale = np.float32(spec.candidate_scale)
        self.prepare(calibration, weights)

    def prepare(self, calibration: Calibration, weights: dict[str, NDArray[np.float32]]) -> None:
        raise NotImplementedError

    def reads(self) -> list[tuple[tuple[str, ...], NDArray[np.float32] | None]]:
        """The recurrent matvecs and their bias by the vectors they read, in the order they run."""
        return [(self.spec.recurrent_names(self.layer), None)]

    def run(self, sequences: Sequences, recurrent: list[Readers]) -> None:
        """The layer's output of all frames; `recurrent` are those of `reads`, opened."""
        raise NotImplementedError


class LstmCell(Cell):
    def prepare(self, calibration: Calibration, weights: dict[str, NDArray[np.float32]]) -> None:
        cell_bits = calibration.fraction_bits(f"l{self.layer}.cell")
        self.cell_step = np.float32(2.0 ** (cell_bits - 2 * GATE_FRACTION_BITS))
        self.cell_to_pre = np.float32(2.0 ** (PREACTIVATION_FRACTION_BITS - cell_bits))
        self.h_step = np.float32(2.0 ** (self.h_bits - 2 * GATE_FRACTION_BITS))

    def run(self, sequences: Sequences, recurrent: list[Readers]) -> None:
        (back,) = recurrent
        constants = self.scale, self.cell_step, self.cell_to_pre, self.h_step
        lstm_layer(sequences, back.matvecs, sigmoid_table(), *constants, back.sent)


class GruCell(Cell):
    def prepare(self, calibration: Calibration, weights: dict[str, NDArray[np.float32]]) -> None:
        self.to_state = np.float32(2.0 ** (self.h_bits - GATE_FRACTION_BITS))
        self.after = self.spec.to_json()["reset_after"]
        self.bias = None
        if self.after:
            codes = to_grid(weights[f"recurrent_bias.l{self.layer}"], PREACTIVATION_FRACTION_BITS)
            self.bias = codes.astype(np.float32)

    def reads(self) -> list[tuple[tuple[str, ...], NDArray[np.float32] | None]]:
        *gates, candidate = self.spec.recurrent_names(self.layer)
        return [(tuple(gates), None), ((candidate,), self.bias)]

    def run(self, sequences: Sequences, recurrent: list[Readers]) -> None:
        gates, candidate = recurrent
        constants = sigmoid_table(), self.scale, self.to_state, self.after
        gru_layer(sequences, gates.matvecs, candidate.matvecs, *constants, gates.sent, candidate.sent)


class LigruCell(Cell):
    def prepare(self, calibration: Calibration, weights: dict[str, NDArray[np.float32]]) -> None:
        self.to_state = np.float32(2.0 ** (self.h_bits - rectified_bits(calibration, self.layer)))

    def run(self, sequences: Sequences, recurrent: list[Readers]) -> None:
        (back,) = recurrent
        ligru_layer(sequences, back.matvecs, sigmoid_table(), self.scale, self.to_state, back.sent)
