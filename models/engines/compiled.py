"""Matvecs that read one vector, packed for the compiled loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.engines.counter import Counter
from models.engines.integer_network import IntegerMatVec, IntegerNetwork
from models.kernels.amx_tile import LINE, at_line, tiles_allowed
from models.kernels.features import quantize_features
from models.kernels.matmul import BYTE_OFFSET, PackedMatrix, pack, padded
from models.kernels.matvecs import GATE, Matvecs, run_sequences
from models.workload import BASELINE_BITS


@dataclass(frozen=True, eq=False)
class Readers:
    """Matvecs `names`, which read one vector, packed at the settings of one configuration.

    `sent` int64 [G] counts the elements that their delta gates sent.
    """

    names: tuple[str, ...]
    matvecs: Matvecs
    sent: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sent", np.zeros(len(self.matvecs.gates), np.int64))

    @property
    def width(self) -> int:
        """Length of a row of results, padded."""
        return len(self.matvecs.scale)

    def run(
        self,
        x: NDArray[np.int16],
        at: NDArray[np.int64],
        lengths: NDArray[np.int64],
        out: NDArray[np.int16],
        to: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int16]:
        """Run utterances through the matvecs, see `run_sequences`; counts are added to `sent`. Returns `out`.

        Results go to the rows of the inputs, from `at` on, unless `to` is given. Raises ValueError unless x and out
        have contiguous padded rows.
        """
        whole = x.flags.c_contiguous and out.flags.c_contiguous
        if not whole or (x.shape[1], out.shape[1]) != (self.matvecs.width, self.width):
            raise ValueError("compiled loops read whole padded rows, one after another")
        run_sequences(self.matvecs, x, at, lengths, out, at if to is None else to, self.sent)
        return out

    def add_counts(self, counter: Counter, vectors: int) -> None:
        """Add the counts of `vectors` vectors to the counter."""
        for name, product in zip(self.names, self.matvecs.products, strict=True):
            counter.add(name, vectors * self.matvecs.cols, int(self.sent[product[GATE]]))


class Packer:
    """Packer of one network's matvecs; a matrix is packed for the compiled products once per width."""

    def __init__(self) -> None:
        self._packed: dict[tuple[str, int], PackedMatrix] = {}

    def packed(self, matvec: IntegerMatVec) -> PackedMatrix:
        key = matvec.name, matvec.matrix.bits
        if key not in self._packed:
            self._packed[key] = pack(matvec.matrix)
        return self._packed[key]

    def open(self, matvecs: Sequence[IntegerMatVec]) -> Readers:
        """Pack matvecs that read one vector. Those with equal quantizers of it and equal delta share a delta gate."""
        gates: dict[tuple[int | float, ...], int] = {}
        rules, quantizers, products, weight, start, column = [], [], [], 0, 0, 0
        weights, starts, scales, biases = [], [], [], []
        for matvec in matvecs:
            wide = matvec.act_bits == BASELINE_BITS
            gate = matvec.act_bits, matvec.delta, matvec.zero, float(matvec.divisor), float(matvec.shift)
            if gate not in gates:
                gates[gate] = len(gates)
                rules.append((1 + wide, *matvec.value_range, matvec.delta, BYTE_OFFSET - matvec.zero))
                quantizers.append((matvec.divisor, matvec.shift))
            matrix = self.packed(matvec)
            columns = padded(matvec.rows)
            fill = (0, columns - matvec.rows)
            scales.append(np.pad(matvec.scale, fill))
            biases.append(np.pad(matvec.bias, fill))
            products.append((gates[gate], len(matrix.weights), weight, start, column, columns))
            weight, start, column = weight + matrix.weights.size, start + matrix.row_sums.size, column + columns
            weights.append(matrix.weights.ravel())
            first = (matvec.zero - BYTE_OFFSET) * matrix.row_sums
            first[-1, : matvec.rows] += matvec.start
            starts.append(first.ravel())
        nothing = np.zeros(max(products, key=lambda product: product[-1])[-1], np.int32)
        cols = matvecs[0].cols
        return Readers(
            tuple(matvec.name for matvec in matvecs),
            Matvecs(
                np.array(rules),
                np.array(quantizers, np.float32),
                np.array(products),
                joined(weights),
                joined([*starts, nothing]),
                np.concatenate(scales),
                np.concatenate(biases),
                cols,
                padded(cols),
                tiles_allowed(),
            ),
        )


def joined(arrays: Sequence[NDArray]) -> NDArray:
    """Copy flat arrays of one type, one after another, to memory that begins at a line of the cache."""
    room = np.empty(sum(map(len, arrays)) + LINE, arrays[0].dtype)
    return np.concatenate(arrays, out=at_line(room))


def input_rows(network: IntegerNetwork, features: NDArray[np.float32]) -> NDArray[np.int16]:
    """`IntegerNetwork.input_codes` of features [N, F], padded with zeros to the rows of the compiled loops."""
    rows = np.empty((len(features), padded(features.shape[1])), np.int16)
    unit = np.float32(2.0**network.input_bits)
    quantize_features(np.asarray(features, np.float32), network.input_mean, network.input_std, unit, rows)
    return rows
