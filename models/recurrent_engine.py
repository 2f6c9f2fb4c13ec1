"""The quantized, delta-gated LSTM, GRU and LiGRU: a few utterances at a time through all layers, compiled."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.engine import Engine, FixedRun, Readers, Reading, padded_rows
from models.fixed_point import PREACTIVATION_FRACTION_BITS, to_float, to_grid
from models.matmul import padded
from models.recurrent import NORM_EPSILON, rectified_bits
from models.recurrent_cells import Cell
from models.recurrent_layers import Sequences
from models.shared_layers import Beginning
from models.workload import Configuration

if TYPE_CHECKING:
    from models.recurrent import Recurrent
    from models.recurrent_network import RecurrentNetwork

PRE_BITS = PREACTIVATION_FRACTION_BITS
# Rows enough, with both directions, for a step's products to be quick; few enough for the nearest caches.
UTTERANCES_AT_ONCE = 12


class RecurrentEngine(Engine):
    """`run(features, offsets, configuration)` gives logits and computed fractions.

    Batch normalisation is folded into the input matrices and biases before they are quantized.
    """

    def __init__(self, spec: Recurrent, weights: dict[str, NDArray[np.float32]], calibration: Calibration) -> None:
        matrices = {"output": weights["output"]}
        self.spec = spec
        self.own_bits: dict[str, int] = {}  # fraction bits of matvecs whose results have a grid of their own
        self.bias: dict[int, NDArray[np.float32]] = {}  # [all rows] codes of each layer's input products
        self._scratch: dict[str, NDArray[np.int16]] = {}
        for layer in range(spec.layers):
            inward, back = spec.input_names(layer), spec.recurrent_names(layer)
            if spec.rectified:
                self.own_bits |= dict.fromkeys((inward[-1], back[-1]), rectified_bits(calibration, layer))
            matrix, bias = fold_batch_norm(spec, weights, layer)
            matrices |= dict(zip(inward, np.split(matrix, len(inward)), strict=True))
            matrices |= dict(zip(back, np.split(weights[f"recurrent.l{layer}"], len(back)), strict=True))
            grids = [self.own_bits.get(name, PRE_BITS) for name in inward]
            parts = zip(np.split(bias, len(inward)), grids, strict=True)
            self.bias[layer] = np.concatenate([to_grid(part, bits) for part, bits in parts]).astype(np.float32)
        super().__init__(spec.workload(), weights, matrices, calibration)

    def _run_fixed(
        self, inputs: NDArray[np.int16], offsets: NDArray[np.int64], configuration: Configuration, begin: Beginning
    ) -> FixedRun:
        layers = [self._open(layer, configuration) for layer in range(begin.layers, self.spec.layers)]
        last = self.linear.readers(*self.output_reading, configuration)
        codes = np.empty((len(inputs), last.width), np.int16)
        kept = {layer: self.shared.room((len(inputs), padded(self.spec.width))) for layer in begin.kept}
        first = padded_rows(inputs) if begin.codes is None else begin.codes
        for group in groups(offsets):
            x, at, lengths = first, offsets[group], offsets[group + 1] - offsets[group]
            local = lengths.cumsum() - lengths
            frames = int(lengths.sum())
            for layer, (inward, cell, recurrent) in enumerate(layers, begin.layers):
                pre = inward.run(x, at, lengths, self._room("preactivations", frames, inward.width), local)
                x, at = self._room(f"output {layer % 2}", frames, padded(self.spec.width)), local
                if layer in kept:
                    x, at = kept[layer], offsets[group]
                cell.run(Sequences(pre, local, lengths, x, at), recurrent)
            last.run(x, at, lengths, codes, offsets[group])
        counter, vectors = begin.counter, len(inputs)
        for inward, _, recurrent in layers:
            inward.tell(counter, vectors)
            for back in recurrent:
                back.tell(counter, 2 * vectors)
        last.tell(counter, vectors)
        return to_float(codes[:, : self.spec.outputs], self.calibration.fraction_bits("logits")), counter, kept

    def _open(self, layer: int, configuration: Configuration) -> tuple[Readers, Cell, list[Readers]]:
        """The layer's input matvecs, its cell and its recurrent matvecs."""
        cell = self.spec.cell()(self.spec, layer, self.calibration, self.weights)
        recurrent = [self.linear.readers(*reading, configuration) for reading in self.recurrent_readings(layer, cell)]
        return self.linear.readers(*self.input_reading(layer), configuration), cell, recurrent

    def input_reading(self, layer: int) -> Reading:
        bits = self.calibration.fraction_bits(f"l{layer - 1}.state" if layer else "features")
        names = self.spec.input_names(layer)
        return names, bits, self._to_steps(names), self.bias[layer]

    def recurrent_readings(self, layer: int, cell: Cell) -> list[Reading]:
        """By the vectors that are read, in the order they are."""
        return [(names, cell.h_bits, self._to_steps(names), bias) for names, bias in cell.reads()]

    def _to_steps(self, names: tuple[str, ...]) -> NDArray[np.float32]:
        return np.repeat([np.float32(2.0 ** self.own_bits.get(name, PRE_BITS)) for name in names], self.spec.hidden)

    def _room(self, name: str, rows: int, width: int) -> NDArray[np.int16]:
        """An array that lasts from group to group, zero where nothing is written."""
        size = rows * width
        if name not in self._scratch or self._scratch[name].size < size:
            self._scratch[name] = np.zeros(size, np.int16)
        return self._scratch[name][:size].reshape(rows, width)

    def _run_float(self, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
        import torch

        with torch.no_grad():
            logits: NDArray[np.float32] = self._network(torch.tensor(features), torch.tensor(offsets)).numpy()
        return logits

    @cached_property
    def _network(self) -> RecurrentNetwork:
        import torch

        torch.set_num_threads(1)  # the last bits of float sums depend on how many there are
        network = self.spec.network().eval()
        network.load_state_dict({name: torch.from_numpy(array) for name, array in self.weights.items()})
        return network


def groups(offsets: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Utterances that run together, longest first: as many rows as a step's products need to be quick."""
    lengths = np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
    return [order[k : k + UTTERANCES_AT_ONCE] for k in range(0, len(order), UTTERANCES_AT_ONCE)]


def fold_batch_norm(
    spec: Recurrent, weights: dict[str, NDArray[np.float32]], layer: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Input matrix [gates H, inputs] and bias [gates H] that give the normalised product as it is."""
    matrix, bias = weights[f"input.l{layer}"], weights[f"bias.l{layer}"]
    if not spec.batch_norm:
        return matrix, bias
    scale = weights[f"norm_scale.l{layer}"] / np.sqrt(weights[f"norm_var.l{layer}"] + np.float32(NORM_EPSILON))
    return matrix * scale[:, None], bias - weights[f"norm_mean.l{layer}"] * scale
