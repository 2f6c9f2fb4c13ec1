"""What every quantized network shares: matrices quantized once, and matvecs opened for a configuration."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.counter import Counter
from models.fixed_point import to_grid
from models.matmul import PackedMatrix, pack, padded
from models.matvecs import GATE, Matvecs, run_sequences
from models.quantizer import QuantizedMatrix, code_range, quantize_matrix
from models.shared_layers import Beginning, SharedLayers
from models.workload import BASELINE_BITS, Configuration, Workload, is_float

# What `Linear.readers` takes besides a configuration: names, fraction bits, steps, bias.
Reading = tuple[tuple[str, ...], int, NDArray[np.float32], NDArray[np.float32] | None]
# Logits, what was counted, and outputs of the layers that are to be kept.
FixedRun = tuple[NDArray[np.float32], Counter, dict[int, NDArray[np.int16]]]


@dataclass(frozen=True, eq=False)
class Readers:
    """The matvecs `names`, which read one vector, opened for one configuration; `sent` [G] counts for their gates."""

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


class Linear:
    """The matvecs of one network: float matrices and calibration in, exact quantized products out."""

    def __init__(
        self, workload: Workload, matrices: Mapping[str, NDArray[np.float32]], calibration: Calibration
    ) -> None:
        self.workload, self.matrices, self.calibration = workload, matrices, calibration
        self._quantized: dict[tuple[str, int], QuantizedMatrix] = {}
        self._packed: dict[tuple[str, int], PackedMatrix] = {}

    def quantized(self, name: str, bits: int) -> QuantizedMatrix:
        """A matvec's matrix, quantized once per bits."""
        if (name, bits) not in self._quantized:
            self._quantized[name, bits] = quantize_matrix(self.matrices[name], bits)
        return self._quantized[name, bits]

    def packed(self, name: str, bits: int) -> PackedMatrix:
        if (name, bits) not in self._packed:
            self._packed[name, bits] = pack(self.quantized(name, bits))
        return self._packed[name, bits]

    def step(self, name: str, act_bits: int, fraction_bits: int) -> float:
        """What one step of a matvec's activation is worth; at 16 bits that of the grid it reads."""
        return 2.0**-fraction_bits if act_bits == BASELINE_BITS else self.calibration.scale(name, act_bits)

    def readers(
        self,
        names: tuple[str, ...],
        fraction_bits: int,
        to_steps: NDArray[np.float32],
        bias: NDArray[np.float32] | None,
        configuration: Configuration,
    ) -> Readers:
        """The matvecs `names`, which read one vector on a grid with `fraction_bits`.

        `to_steps` [all rows]: steps of a result's grid in 1; `bias` [all rows]: codes there to be added.
        """
        gates: dict[tuple[int, int], int] = {}
        packed, divisors, products, weight, start, column = [], [], [], 0, 0, 0
        scales, biases = [], []
        first = 0
        for name in names:
            weight_bits, act_bits, delta = configuration[name].effect
            step = self.step(name, act_bits, fraction_bits)
            if (act_bits, delta) not in gates:
                gates[act_bits, delta] = len(gates)
                divisors.append(step * 2.0**fraction_bits)
            matrix = self.packed(name, weight_bits)
            rows = slice(first, first + matrix.rows)
            fill = (0, len(matrix.scale) - matrix.rows)
            scales.append(np.pad(matrix.scale[: matrix.rows] * np.float32(step) * to_steps[rows], fill))
            biases.append(np.pad(np.zeros(matrix.rows, np.float32) if bias is None else bias[rows], fill))
            columns = len(matrix.scale)
            products.append((gates[act_bits, delta], len(matrix.weights), weight, start, column, columns))
            weight, start, column = weight + matrix.weights.size, start + matrix.starts.size, column + columns
            packed.append(matrix)
            first = rows.stop
        nothing = np.zeros(max(len(matrix.scale) for matrix in packed), np.int32)
        cols = packed[0].cols
        matvecs = Matvecs(
            np.array([(1 + (bits == BASELINE_BITS), *code_range(bits), delta) for bits, delta in gates]),
            np.array(divisors, np.float32),
            np.array(products),
            np.concatenate([matrix.weights.ravel() for matrix in packed]),
            np.concatenate([*(matrix.starts.ravel() for matrix in packed), nothing]),
            np.concatenate(scales),
            np.concatenate(biases),
            cols,
            padded(cols),
        )
        return Readers(names, matvecs)


class Engine:
    """A network in the integers that are deployed; each architecture gives what `run` calls."""

    spec: Any

    def __init__(
        self,
        workload: Workload,
        weights: dict[str, NDArray[np.float32]],
        matrices: Mapping[str, NDArray[np.float32]],
        calibration: Calibration,
    ) -> None:
        self.weights, self.calibration = weights, calibration
        self.linear = Linear(workload, matrices, calibration)
        self.shared = SharedLayers(workload)

    def run(
        self,
        features: NDArray[np.float32],
        offsets: NDArray[np.int64],
        configuration: Configuration,
        part: Hashable = None,
    ) -> tuple[NDArray[np.float32], dict[str, float]]:
        """Logits float32 [N, outputs] and each matvec's computed fraction.

        features float32 [N, features], utterances one after another, bounded by offsets int64 [U + 1]. `part` is a name
        for them: runs over the same part share the first layers in which their configurations agree, see `shared`.
        """
        if is_float(configuration):
            return self._run_float(features, offsets), dict.fromkeys(self.linear.workload.names, 1.0)
        bits = self.calibration.fraction_bits("features")
        inputs = to_grid((features - self.weights["input_mean"]) / self.weights["input_std"], bits)
        begin = Beginning() if part is None else self.shared.begin(part, configuration)
        logits, counter, outputs = self._run_fixed(inputs, offsets, configuration, begin)
        for layer, codes in outputs.items():
            self.shared.keep(begin.kept[layer], layer, codes, counter)
        return logits, counter.computed

    @cached_property
    def output_reading(self) -> Reading:
        """The output layer, which reads the last layer's state."""
        bits = self.calibration.fraction_bits(f"l{self.spec.layers - 1}.state")
        out_bits = self.calibration.fraction_bits("logits")
        bias = to_grid(self.weights["output_bias"], out_bits).astype(np.float32)
        return ("output",), bits, np.full(len(bias), 2.0**out_bits, np.float32), bias

    def _run_fixed(
        self, inputs: NDArray[np.int16], offsets: NDArray[np.int64], configuration: Configuration, begin: Beginning
    ) -> FixedRun:
        """`run` on codes int16 [N, features] of the features' grid, from where `begin` says."""
        raise NotImplementedError

    def _run_float(self, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits of the network before quantization."""
        raise NotImplementedError


def padded_rows(codes: NDArray[np.int16]) -> NDArray[np.int16]:
    """Codes [N, D] as compiled loops keep rows: D padded with zeros."""
    return np.ascontiguousarray(np.pad(codes, ((0, 0), (0, padded(codes.shape[1]) - codes.shape[1]))))
