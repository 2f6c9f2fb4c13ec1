"""Compiled engine of quantized LSTM, GRU and LiGRU with delta gates: groups of utterances run through all layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.engines.compiled import Packer, Readers, input_rows
from models.engines.engine import Engine, IntegerRun
from models.engines.float_run import run_gated
from models.engines.integer_network import GatedLayer, IntegerNetwork
from models.engines.network_quantizer import NetworkQuantizer
from models.engines.prefix_cache import Prefix
from models.engines.recurrent_cells import CELLS, Cell
from models.kernels.matmul import padded
from models.kernels.recurrent_layers import Sequences

# Rows of a step, (utterance, direction): enough for its products to be fast; few enough for the processor's caches.
ROWS_AT_ONCE = 32


class RecurrentEngine(Engine):
    """Compiled engine of an LSTM, GRU or LiGRU; see `Engine.run`."""

    def __init__(self, quantizer: NetworkQuantizer) -> None:
        super().__init__(quantizer)
        self._packer = Packer()
        self._rows: dict[str, NDArray[np.int16]] = {}

    def _run_integers(
        self, network: IntegerNetwork, features: NDArray[np.float32], offsets: NDArray[np.int64], prefix: Prefix
    ) -> IntegerRun:
        spec = self.spec
        layers = [
            self._open(layer, network) for layer in network.layers[prefix.layers :] if isinstance(layer, GatedLayer)
        ]
        last = self._packer.open((network.output,))
        codes = np.empty((len(features), last.width), np.int16)
        width = padded(spec.width)
        kept = {layer: self.prefixes.reserve((len(features), width)) for layer in prefix.kept}
        first = input_rows(network, features) if prefix.codes is None else prefix.codes
        for group in groups(offsets, ROWS_AT_ONCE // len(network.ways[0])):
            x, at, lengths = first, offsets[group], offsets[group + 1] - offsets[group]
            local = lengths.cumsum() - lengths
            frames = int(lengths.sum())
            for number, (inward, cell, recurrent) in enumerate(layers, prefix.layers):
                pre = inward.run(x, at, lengths, self._scratch("preactivations", frames, inward.width), local)
                x, at = self._scratch(f"output {number % 2}", frames, width), local
                if number in kept:
                    x, at = kept[number], offsets[group]
                for number_of_set, (way, readers) in enumerate(zip(network.ways, recurrent, strict=True)):
                    column = number_of_set * inward.width // len(recurrent)
                    cell.run(Sequences(pre, column, local, lengths, x, at, len(way), way[0]), readers)
            last.run(x, at, lengths, codes, offsets[group])
        counter, vectors = prefix.counter, len(features)
        for inward, _, recurrent in layers:
            inward.add_counts(counter, vectors)
            for way, readers in zip(network.ways, recurrent, strict=True):
                for back in readers:
                    back.add_counts(counter, len(way) * vectors)
        last.add_counts(counter, vectors)
        return codes[:, : spec.outputs], counter, kept

    def _open(self, layer: GatedLayer, network: IntegerNetwork) -> tuple[Readers, Cell, list[list[Readers]]]:
        """Pack the layer's input matvecs, make its cell and pack its recurrent matvecs, set by set."""
        recurrent = [[self._packer.open(reads) for reads in own] for own in layer.recurrent]
        return self._packer.open(layer.inputs), CELLS[network.model](layer, network.sigmoid_knots), recurrent

    def _scratch(self, name: str, rows: int, width: int) -> NDArray[np.int16]:
        """Scratch array [rows, width] that is reused from group to group, zero when it is made."""
        size = rows * width
        if name not in self._rows or self._rows[name].size < size:
            self._rows[name] = np.zeros(size, np.int16)
        return self._rows[name][:size].reshape(rows, width)

    def _run_float(self, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
        return run_gated(self.spec, self.weights, features, offsets)


def groups(offsets: NDArray[np.int64], utterances: int) -> list[NDArray[np.int64]]:
    """Indices of the utterances of each group that runs together, longest first, so many `utterances` in a group.

    Empty utterances are left out.
    """
    lengths = np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
    return [order[k : k + utterances] for k in range(0, len(order), utterances)]
