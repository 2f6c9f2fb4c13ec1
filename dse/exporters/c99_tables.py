"""The integer network as the flat tables that the C sources read, and their bytes in flash and RAM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.exporters.weights import pack
from models.engines.integer_network import IntegerMatVec, IntegerNetwork, Layer, SruLayer
from models.quantization.quantizer import QUARTERS_UP_TO_BITS, ZERO_QUARTERS
from models.workload import BASELINE_BITS, InputError

NONE = 0xFFFF  # MODEL_NONE: no step, no zero point
MOST_SIZE = NONE - 1  # of rows and columns, which are uint16
MOST_SUM = 2**30  # of a row, so that an int32 holds it
MOST_DELTA = 2**16  # beyond any change of a vector's element


@dataclass(frozen=True)
class Reader:
    """Matvecs, neighbours in the network's order, that share vector, quantizer and delta gate: all but the product."""

    first: int
    matvecs: tuple[IntegerMatVec, ...]
    sum_bytes: tuple[int, ...]  # of a row's sum, for each matvec

    @property
    def state_bytes(self) -> int:
        """RAM: the held vector and the rows' sums."""
        sums = zip(self.matvecs, self.sum_bytes, strict=True)
        return rounded(2 * self.matvecs[0].cols) + sum(rounded(m.rows * size) for m, size in sums)


@dataclass(eq=False)
class Tables:
    """Tables of a network, in the order of its matvecs; see tables.h, which has their layout.

    Raises InputError for what they cannot hold.
    """

    network: IntegerNetwork
    weights: list[NDArray[np.uint8]] = field(default_factory=list)
    multiples: list[int] = field(default_factory=list)
    steps: list[np.float32] = field(default_factory=list)
    zeros: list[int] = field(default_factory=list)
    vectors: list[int] = field(default_factory=list)
    powers: list[tuple[int, float]] = field(default_factory=list)
    matvecs: list[tuple[int, ...]] = field(default_factory=list)
    v_at: list[int] = field(default_factory=list)  # of each SRU layer, in vectors

    def __post_init__(self) -> None:
        matvecs = self.network.matvecs
        self._row_scales = any((m.matrix.multiples != 1).any() for m in matvecs)
        for matvec, rows in zip(matvecs, _biased_rows(self.network), strict=True):
            self._add(matvec, rows)
        for layer in self.network.layers:
            if isinstance(layer, SruLayer):
                self.v_at.append(len(self.vectors))
                self.vectors += layer.v.ravel().tolist()

    @cached_property
    def packed(self) -> NDArray[np.uint8]:
        """All matrices, each from a byte on."""
        return np.concatenate(self.weights)

    @cached_property
    def readers(self) -> list[list[Reader]]:
        """Readers of every vector: a layer's vectors in the order they are read, then the last layer's output."""
        found, number = [], 0
        for matvecs in vectors_of(self.network):
            own = []
            for _, group in groupby(matvecs, _quantizer):
                members = tuple(group)
                own.append(Reader(number, members, tuple(map(sum_bytes, members))))
                number += len(members)
            found.append(own)
        return found

    def _add(self, m: IntegerMatVec, biased: slice) -> None:
        if max(m.rows, m.cols) > MOST_SIZE:
            raise InputError(f"{m.name} [{m.rows}, {m.cols}] is too large: C tables hold up to {MOST_SIZE} rows")
        whole = m.matrix.bits == BASELINE_BITS
        power, multiplied = _powers(m, whole), not whole and self._row_scales
        places = sum(map(len, self.weights)), len(self.multiples), len(self.vectors), len(self.powers)
        weight_step = self._put(self.steps, None if whole else m.matrix.step)
        act_step = self._put(self.steps, None if m.act_bits == BASELINE_BITS else m.divisor)
        negated = None if m.act_bits == BASELINE_BITS else -_stored_zero(m)
        zero = self._put(self.zeros, negated)
        self.weights.append(pack(np.ascontiguousarray(m.matrix.codes.T), m.matrix.bits))
        self.multiples += m.matrix.multiples.tolist() if multiplied else []
        self.vectors += m.bias[biased].tolist()
        changes = [row for row in range(1, m.rows) if power[row] != power[row - 1]]
        self.powers += [(end, float(power[end - 1])) for end in (*changes, m.rows)]
        sizes = m.rows, m.cols, biased.start, biased.stop
        widths = m.matrix.bits, m.act_bits, sum_bytes(m), int(multiplied)
        self.matvecs.append(
            (*places[:3], min(m.delta, MOST_DELTA), *sizes, weight_step, act_step, zero, places[3], *widths)
        )

    @staticmethod
    def _put(table: list[Any], value: object) -> int:
        if value is None:
            return NONE
        table.append(value)
        return len(table) - 1


def vectors_of(network: IntegerNetwork) -> Iterator[tuple[IntegerMatVec, ...]]:
    """Matvecs by the vector that they read, in the network's order."""
    for layer in network.layers:
        yield from vectors_of_layer(layer)
    yield (network.output,)


def vectors_of_layer(layer: Layer) -> tuple[tuple[IntegerMatVec, ...], ...]:
    """Matvecs of a layer by the vector that they read."""
    if isinstance(layer, SruLayer):
        return tuple((matvec,) for matvec in layer.matvecs)
    return (layer.inputs, *(reads for own in layer.recurrent for reads in own))


def sum_bytes(m: IntegerMatVec) -> int:
    """Bytes of a row's sum, 4 or 8: what holds every sum of products and of a row's codes, times quarters."""
    largest = max(ZERO_QUARTERS, *map(abs, m.value_range))
    sums = np.abs(m.matrix.codes.astype(np.int64)).sum(axis=1)
    return 4 if int(sums.max(initial=0)) * (largest + 1) < MOST_SUM else 8


def rounded(size: int) -> int:
    """Bytes as model_take takes them."""
    return -(-size // 8) * 8


def _quantizer(m: IntegerMatVec) -> tuple[object, ...]:
    return m.cols, m.act_bits, m.zero, float(m.shift), m.delta, float(m.divisor)


def _biased_rows(network: IntegerNetwork) -> Iterator[slice]:
    """Rows of each matvec that a bias is stored for; those of an SRU's gates, and of a GRU's reset after the product.

    Raises InputError where another row has one.
    """
    for layer in network.layers:
        if isinstance(layer, SruLayer):
            width = layer.v.shape[1]
            spans = {layer.input.name: slice(width, 3 * width)}
        else:
            spans = {m.name: slice(0, m.rows) for m in layer.inputs}
            spans |= {m.name: slice(0, m.rows) for own in layer.recurrent for m in own[-1] if layer.reset_after}
        for m in layer.matvecs:
            rows = spans.get(m.name, slice(0, 0))
            if m.bias[: rows.start].any() or m.bias[rows.stop :].any():
                raise InputError(f"{m.name} has a bias where its layer has none")
            yield rows
    yield slice(0, network.output.rows)


def _powers(m: IntegerMatVec, whole: bool) -> NDArray[np.float32]:
    """Power of two of each row's scale, with a 16-bit matrix's step, after checking what C computes from it."""
    powers = np.ldexp(m.matrix.step if whole else np.float32(1), m.result_bits.astype(np.int32) - m.input_bits)
    step = np.float32(1) if whole else m.matrix.step
    multiples = np.ones(m.rows, np.float32) if whole else m.matrix.multiples.astype(np.float32)
    scale = multiples * step * m.divisor * powers
    if scale.dtype != np.float32 or (scale != m.scale).any() or (whole and np.frexp(m.matrix.step)[0] != 0.5):
        raise InputError(f"{m.name}: its scales are not its multiples times its steps")
    if m.act_bits == BASELINE_BITS and (m.divisor != 1 or m.zero or m.shift):
        raise InputError(f"{m.name}: a vector of 16 bits has a step or a zero point")
    return np.asarray(powers, np.float32)


def _stored_zero(m: IntegerMatVec) -> int:
    """Zero point in the unit that it is stored in. Raises InputError where its negative is no int8."""
    point = m.zero + float(m.shift)
    stored = point * (ZERO_QUARTERS if m.act_bits <= QUARTERS_UP_TO_BITS else 1)
    if stored != round(stored) or round(point) != m.zero or not -127 <= stored <= 128:
        raise InputError(f"{m.name}: zero point {point} is none of {m.act_bits} bits")
    return round(stored)
