"""Matvecs that read one vector, opened for the compiled loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.engines.counter import Counter
from models.engines.integer_network import IntegerMatVec
from models.kernels.matmul import PackedMatrix, pack, padded
from models.kernels.matvecs import GATE, Matvecs, run_sequences
from models.quantization.quantizer import code_range
from models.workload import BASELINE_BITS


@dataclass(frozen=True, eq=False)
class Readers:
    """The matvecs `names`, which read one vector, opened for one configuration.

    `sent` [G] counts what their delta gates sent.
    """

    names: tuple[str, ...]
    matvecs: Matvecs
    sent: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sent", np.zeros(len(self.matvecs.gates), np.int64))

    @property
    def width(self) -> int:
        """Numbers in a row of results, padded."""
        return len(self.matvecs.scale)

    def run(
        self,
        x: NDArray[np.int16],
        at: NDArray[np.int64],
        lengths: NDArray[np.int64],
        out: NDArray[np.int16],
        to: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int16]:
        """`run_sequences` with the counts kept here; results where the inputs are unless `to` says where else."""
        whole = x.flags.c_contiguous and out.flags.c_contiguous
        if not whole or (x.shape[1], out.shape[1]) != (self.matvecs.width, self.width):
            raise ValueError("compiled loops read whole padded rows, one after another")
        run_sequences(self.matvecs, x, at, lengths, out, at if to is None else to, self.sent)
        return out

    def tell(self, counter: Counter, vectors: int) -> None:
        """Count what was sent of `vectors` vectors."""
        for name, product in zip(self.names, self.matvecs.products, strict=True):
            counter.add(name, vectors * self.matvecs.cols, int(self.sent[product[GATE]]))


class Packer:
    """Opens matvecs of one network; a matrix is laid out for the compiled products once per width."""

    def __init__(self) -> None:
        self._packed: dict[tuple[str, int], PackedMatrix] = {}

    def packed(self, matvec: IntegerMatVec) -> PackedMatrix:
        key = matvec.name, matvec.matrix.bits
        if key not in self._packed:
            self._packed[key] = pack(matvec.matrix)
        return self._packed[key]

    def open(self, matvecs: Sequence[IntegerMatVec]) -> Readers:
        """Matvecs that read one vector. Those with equal activation bits and delta share a gate."""
        gates: dict[tuple[int, int], int] = {}
        packed, divisors, products, weight, start, column = [], [], [], 0, 0, 0
        scales, biases = [], []
        for matvec in matvecs:
            gate = matvec.act_bits, matvec.delta
            if gate not in gates:
                gates[gate] = len(gates)
                divisors.append(matvec.divisor)
            matrix = self.packed(matvec)
            columns = padded(matvec.rows)
            fill = (0, columns - matvec.rows)
            scales.append(np.pad(matvec.scale, fill))
            biases.append(np.pad(matvec.bias.astype(np.float32), fill))
            products.append((gates[gate], len(matrix.weights), weight, start, column, columns))
            weight, start, column = weight + matrix.weights.size, start + matrix.starts.size, column + columns
            packed.append(matrix)
        nothing = np.zeros(max(products, key=lambda product: product[-1])[-1], np.int32)
        cols = matvecs[0].cols
        return Readers(
            tuple(matvec.name for matvec in matvecs),
            Matvecs(
                np.array([(1 + (bits == BASELINE_BITS), *code_range(bits), delta) for bits, delta in gates]),
                np.array(divisors, np.float32),
                np.array(products),
                np.concatenate([matrix.weights.ravel() for matrix in packed]),
                np.concatenate([*(matrix.starts.ravel() for matrix in packed), nothing]),
                np.concatenate(scales),
                np.concatenate(biases),
                cols,
                padded(cols),
            ),
        )


def padded_rows(codes: NDArray[np.int16]) -> NDArray[np.int16]:
    """Codes [N, D] as compiled loops keep rows: D padded with zeros."""
    return np.ascontiguousarray(np.pad(codes, ((0, 0), (0, padded(codes.shape[1]) - codes.shape[1]))))
