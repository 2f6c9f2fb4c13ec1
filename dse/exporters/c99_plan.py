"""How the C library holds an integer network: constants of each matvec, and bytes of flash and RAM by array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dse.exporters.weights import pack
from models.engines.integer_network import Codes, Floats, GatedLayer, IntegerMatVec, IntegerNetwork, SruLayer
from models.quantization.quantizer import QUARTERS_UP_TO_BITS
from models.workload import BASELINE_BITS, INTEGER_BITS, InputError

ZERO_OFFSET = 127  # of a zero point's byte
DESCRIPTOR_BYTES = 56  # of a MatVec where pointers have 4 bytes
STEP_BYTES, ZERO_BYTES = 4, 1
POINTER_BYTES = 4
MOVE_BYTES = 8
NARROW = 2**31  # sums below it are int32


@dataclass(frozen=True, eq=False)
class HeldMatVec:
    """Constants of a matvec in C; see MatVec in matvec.h. Raises InputError for a network that they cannot hold."""

    matvec: IntegerMatVec
    back: int  # matvecs between this one and that whose delta gate it shares
    bias_rows: slice  # rows that have a bias

    def __post_init__(self) -> None:
        matvec, name = self.matvec, self.matvec.name
        outside = np.delete(matvec.bias, np.arange(matvec.rows)[self.bias_rows])
        if outside.any():
            raise InputError(f"{name}: rows have a bias that is not stored")
        if not -ZERO_OFFSET <= self._zero_units <= 255 - ZERO_OFFSET or self._zero != (matvec.zero, matvec.shift):
            raise InputError(f"{name}: zero point {matvec.zero + float(matvec.shift)} does not fit a byte")
        matrix = matvec.matrix
        scale = matrix.multiples.astype(np.float32) * matrix.step * matvec.divisor
        scale = scale * np.repeat(self.powers, self.part_rows)
        if not np.array_equal(scale.view(np.uint32), matvec.scale.view(np.uint32)):
            raise InputError(f"{name}: its scales are not its multiples, steps and grids")

    @cached_property
    def weights(self) -> NDArray[np.generic]:
        """Codes column after column: int16 or int8 [weights], or uint8 where several share a byte."""
        codes, bits = self.matvec.matrix.codes.T.ravel(), self.matvec.matrix.bits
        if bits == BASELINE_BITS:
            return codes
        return codes.astype(np.int8) if bits == 8 else pack(codes, bits)

    @property
    def has_multiples(self) -> bool:
        return bool((self.matvec.matrix.multiples != 1).any())

    @cached_property
    def part_rows(self) -> int:
        """Rows of each of the fewest equal parts whose results have one grid each."""
        bits = self.matvec.result_bits
        parts = (n for n in range(1, len(bits) + 1) if len(bits) % n == 0)
        return next(len(bits) // n for n in parts if (bits.reshape(n, -1) == bits.reshape(n, -1)[:, :1]).all())

    @property
    def powers(self) -> Floats:
        """A step of the input's grid in steps of the result's, by part."""
        powers: Floats = np.ldexp(np.float32(1), self.matvec.result_bits[:: self.part_rows] - self.matvec.input_bits)
        return powers.astype(np.float32)

    @property
    def bias(self) -> Codes:
        return self.matvec.bias[self.bias_rows]

    @property
    def zero_byte(self) -> int:
        return self._zero_units + ZERO_OFFSET

    @property
    def _in_quarters(self) -> bool:
        return self.matvec.act_bits <= QUARTERS_UP_TO_BITS

    @property
    def _zero_units(self) -> int:
        zero = self.matvec.zero + float(self.matvec.shift)
        return round(4 * zero) if self._in_quarters else round(zero)

    @property
    def _zero(self) -> tuple[int, float]:
        zero = self._zero_units / 4 if self._in_quarters else self._zero_units
        return round(zero), zero - round(zero)

    @property
    def wide(self) -> bool:
        """Whether sums need 64 bits: the largest row of codes times the largest value, and what it starts from."""
        most = np.abs(self.matvec.matrix.codes.astype(np.int64)).sum(axis=1).max(initial=0)
        return bool(most * (max(map(abs, self.matvec.value_range)) + 1) >= NARROW)

    @property
    def packed_bytes(self) -> int:
        """What the `size` objective counts of it: weights, multiples, steps and biases, without the zero point."""
        matrix = self.matvec.matrix
        found = self.weights.nbytes + self.bias.nbytes + (self.matvec.rows if self.has_multiples else 0)
        return found + STEP_BYTES * ((matrix.bits in INTEGER_BITS) + self.is_integer)

    @property
    def is_integer(self) -> bool:
        """Whether its vector is quantized, to fewer than 16 bits."""
        return self.matvec.act_bits in INTEGER_BITS

    @property
    def padding_bits(self) -> int:
        """Bits that fill the last byte of the weights."""
        matrix = self.matvec.matrix
        return self.weights.nbytes * 8 - matrix.codes.size * matrix.bits

    @property
    def sum_bytes(self) -> int:
        return _rounded((8 if self.wide else 4) * self.matvec.rows)

    @property
    def held_bytes(self) -> int:
        return 0 if self.back else _rounded(2 * self.matvec.cols)


@dataclass(frozen=True)
class Readers:
    """Matvecs that read one vector: `count` from `first` on, in the model's order."""

    first: int
    count: int


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """A layer, and its matvecs by the vector they read, in the order they run."""

    layer: SruLayer | GatedLayer
    readers: tuple[Readers, ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """All that is written of a network."""

    network: IntegerNetwork
    matvecs: tuple[HeldMatVec, ...]
    layers: tuple[LayerPlan, ...]

    @property
    def features(self) -> int:
        return len(self.network.input_mean)

    @property
    def packed_bytes(self) -> int:
        """Bytes that the `size` objective counts, the last byte of each matrix filled up, without zero points."""
        vectors = sum(plan.layer.v.nbytes for plan in self.layers if isinstance(plan.layer, SruLayer))
        return sum(held.packed_bytes for held in self.matvecs) + vectors

    @property
    def zero_bytes(self) -> int:
        """Bytes of zero points, which the objective counts where the quantization scheme has them."""
        return ZERO_BYTES * sum(held.is_integer for held in self.matvecs)

    @property
    def padding_bits(self) -> int:
        return sum(held.padding_bits for held in self.matvecs)

    @property
    def descriptor_bytes(self) -> int:
        """Bytes of the matvecs' descriptors without the steps and zero points that are counted as packed."""
        steps = sum((held.matvec.matrix.bits in INTEGER_BITS) + held.is_integer for held in self.matvecs)
        return DESCRIPTOR_BYTES * len(self.matvecs) - STEP_BYTES * steps - self.zero_bytes

    @property
    def layer_bytes(self) -> int:
        """Bytes of the layers' descriptors and of the pointers to them."""
        return sum((28 if isinstance(plan.layer, SruLayer) else 52) + POINTER_BYTES for plan in self.layers)

    @property
    def buffer_width(self) -> int:
        """Codes of a frame in a layer's input and output."""
        return max(self.features, 2 * self.network.hidden)

    def kept(self, plan: LayerPlan) -> int:
        """Codes of a frame that the layer keeps for the backward direction."""
        layer = plan.layer
        return layer.input.rows // 2 if isinstance(layer, SruLayer) else sum(each.rows for each in layer.inputs)

    def state_bytes(self, plan: LayerPlan) -> int:
        """Bytes of a layer's states, without what grows with the frames."""
        hidden, layer = self.network.hidden, plan.layer
        found = sum(map(self.readers_bytes, plan.readers))
        if isinstance(layer, SruLayer):
            projected = 0 if layer.projection is None else layer.projection.rows
            return found + sum(_rounded(2 * codes) for codes in (layer.input.rows, hidden, projected))
        vectors = {"lstm": 2, "gru": 2, "ligru": 1}[self.network.model]  # h and c, h and r, h
        return found + _rounded(2 * sum(each.rows for each in layer.inputs)) + vectors * _rounded(2 * hidden)

    def readers_bytes(self, readers: Readers) -> int:
        """Bytes of the held codes and sums, and of the moves of one vector."""
        read = self.matvecs[readers.first : readers.first + readers.count]
        moves = MOVE_BYTES * read[0].matvec.cols if read else 0
        return sum(held.held_bytes + held.sum_bytes for held in read) + moves

    @property
    def fixed_bytes(self) -> int:
        """RAM of an utterance of no frames: counters, the largest layer, and room to align what grows with frames."""
        states = [self.state_bytes(plan) for plan in self.layers]
        output = self.readers_bytes(Readers(len(self.matvecs) - 1, 1))
        return 8 * len(self.matvecs) + max(*states, output) + 3 * 8

    @property
    def frame_bytes(self) -> int:
        """RAM of each frame: input and output of a layer, and what it keeps for the backward direction."""
        return 2 * (2 * self.buffer_width + max(self.kept(plan) for plan in self.layers))


def plan_of(network: IntegerNetwork) -> Plan:
    """Plan of a network. Raises InputError for one that the C library cannot hold."""
    matvecs: list[HeldMatVec] = []

    def read(together: Sequence[IntegerMatVec], bias_rows: slice = slice(0, 0)) -> Readers:
        first = len(matvecs)
        for number, matvec in enumerate(together):
            back = next(k for k in range(number, -1, -1) if _same_gate(together, number - k, matvec))
            matvecs.append(HeldMatVec(matvec, back, bias_rows))
        return Readers(first, len(together))

    everything = slice(None)

    def of(layer: SruLayer | GatedLayer) -> Iterator[Readers]:
        if isinstance(layer, SruLayer):
            width = layer.v.shape[1]
            yield read(() if layer.projection is None else (layer.projection,))
            yield read((layer.input,), slice(width, 3 * width))
        else:
            yield read(layer.inputs, everything)
            yield read(layer.recurrent[0])
            yield read(layer.recurrent[1] if len(layer.recurrent) > 1 else (), _after(layer))

    layers = []
    for layer in network.layers:
        parts = tuple(of(layer))
        layers.append(LayerPlan(layer, parts))
    read((network.output,), everything)
    return Plan(network, tuple(matvecs), tuple(layers))


def _after(layer: GatedLayer) -> slice:
    return slice(None) if layer.reset_after else slice(0, 0)


def _same_gate(together: Sequence[IntegerMatVec], number: int, matvec: IntegerMatVec) -> bool:
    return _gate(together[number]) == _gate(matvec)


def _gate(matvec: IntegerMatVec) -> tuple[object, ...]:
    """What matvecs that read one vector must agree in to share a delta gate."""
    return matvec.act_bits, matvec.zero, float(matvec.shift), matvec.delta, float(matvec.divisor)


def _rounded(count: int) -> int:
    return -(-count // 8) * 8
