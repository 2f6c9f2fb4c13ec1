"""What every quantized network shares: matrices quantized once, inputs quantized, gated and multiplied exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.calibration import Calibration
from models.delta import delta_gate
from models.fixed_point import HIGH, LOW, ROUNDER
from models.matmul import PreparedMatrix, prepare, product
from models.quantizer import QuantizedMatrix, code_range, quantize_matrix
from models.workload import BASELINE_BITS, Configuration, Workload

# Utterances are run in groups of about this many frames, so that a group's sums stay in the processor's cache.
GROUP_FRAMES = 512
# What one engine may hold of layer outputs: on the embedded corpus 12 to 17 of them, one is 30 to 41 MB.
CACHE_BYTES = 2**29

Codes = NDArray[np.int8] | NDArray[np.int16]


@dataclass(eq=False)
class Counter:
    """Elements of each matvec's input that were there, and that its delta gate sent."""

    elements: dict[str, int] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)

    def add(self, matvec: str, elements: int, sent: int) -> None:
        self.elements[matvec] = self.elements.get(matvec, 0) + elements
        self.sent[matvec] = self.sent.get(matvec, 0) + sent

    def only(self, names: Iterable[str]) -> Counter:
        """A copy that knows these matvecs alone."""
        return Counter({name: self.elements[name] for name in names}, {name: self.sent[name] for name in names})

    @property
    def computed(self) -> dict[str, float]:
        """Computed fraction per matvec."""
        return {name: self.sent[name] / elements for name, elements in self.elements.items()}


@dataclass(frozen=True, eq=False)
class Prefix:
    """The first `layers` layers run: their output codes int16 [N, width] (None before the first), their counts."""

    layers: int
    output: NDArray[np.int16] | None
    counter: Counter


class PrefixCache:
    """Outputs of a network's first layers on one set of utterances, by the settings of all matvecs that made them.

    A configuration that agrees with an earlier one on its first layers starts behind them. Every run adds one layer to
    the deepest prefix it found, so that what many configurations share is kept deep and what none shares costs one
    array; the least recently used arrays make room.
    """

    def __init__(self, workload: Workload, limit_bytes: int = CACHE_BYTES) -> None:
        self.workload, self.limit_bytes = workload, limit_bytes
        self._prefixes: dict[tuple[object, ...], Prefix] = {}  # least recently used first
        self._utterances: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None

    @property
    def bytes(self) -> int:
        return sum(prefix.output.nbytes for prefix in self._prefixes.values() if prefix.output is not None)

    def deepest(
        self, features: NDArray[np.float32], offsets: NDArray[np.int64], configuration: Configuration, layers: int
    ) -> Prefix:
        """The longest known prefix, with counts of its own; other utterances than last time forget everything."""
        known = self._utterances
        if known is None or not (np.array_equal(known[0], features) and np.array_equal(known[1], offsets)):
            self._prefixes.clear()
            self._utterances = (features.copy(), offsets.copy())
        for depth in range(layers, 0, -1):
            key = self._key(configuration, depth)
            if key in self._prefixes:
                found = self._prefixes[key] = self._prefixes.pop(key)
                return Prefix(depth, found.output, found.counter.only(found.counter.elements))
        return Prefix(0, None, Counter())

    def keep(self, configuration: Configuration, depth: int, output: NDArray[np.int16], counter: Counter) -> None:
        """Remember the first `depth` layers' output, which no one may change afterwards."""
        if output.nbytes > self.limit_bytes:
            return
        while self.bytes + output.nbytes > self.limit_bytes:
            del self._prefixes[next(iter(self._prefixes))]
        kept = Prefix(depth, output, counter.only(self._names(depth)))
        self._prefixes[self._key(configuration, depth)] = kept

    def _names(self, depth: int) -> list[str]:
        layers = tuple(f"l{layer}." for layer in range(depth))
        return [name for name in self.workload.names if name.startswith(layers)]

    def _key(self, configuration: Configuration, depth: int) -> tuple[object, ...]:
        settings = [configuration[name] for name in self._names(depth)]
        return tuple((*setting.operand_bits, setting.delta) for setting in settings)


@dataclass(frozen=True, eq=False)
class Bundle:
    """Matvecs that read the same vector with the same settings: one gate, one product, stacked by rows."""

    names: tuple[str, ...]
    matrix: PreparedMatrix
    act_bits: int
    delta: int
    divisor: float  # the activation quantizer's step, in steps of the input's grid; 1 at 16 bits
    unit: NDArray[np.float32]  # [rows] value of one unit of a sum

    def quantize(self, x: NDArray[np.int16]) -> Codes:
        """Codes [n, cols] of grid codes `x`; at 16 bits the grid's own. Always a new array."""
        if self.act_bits == BASELINE_BITS:
            return x.copy()
        codes: NDArray[np.int8] = quantize_codes(x, np.float32(self.divisor), *code_range(self.act_bits))
        return codes


class Linear:
    """The matvecs of one network: float matrices and calibration in, exact quantized products out."""

    def __init__(
        self, workload: Workload, matrices: Mapping[str, NDArray[np.float32]], calibration: Calibration
    ) -> None:
        self.workload, self.matrices, self.calibration = workload, matrices, calibration
        self._quantized: dict[tuple[str, int], QuantizedMatrix] = {}
        self._prepared: dict[tuple[tuple[str, ...], int], PreparedMatrix] = {}

    def matrix(self, names: tuple[str, ...], bits: int) -> PreparedMatrix:
        """Each matvec quantized once per bits, stacked once per set of names, then kept."""
        for name in names:
            if (name, bits) not in self._quantized:
                self._quantized[name, bits] = quantize_matrix(self.matrices[name], bits)
        if (names, bits) not in self._prepared:
            self._prepared[names, bits] = prepare([self._quantized[name, bits] for name in names])
        return self._prepared[names, bits]

    def bundles(self, names: tuple[str, ...], fraction_bits: int, configuration: Configuration) -> list[Bundle]:
        """The matvecs `names`, which read one vector on a grid with `fraction_bits`, by equal settings."""
        alike: dict[tuple[int, int, int], list[str]] = {}
        for name in names:
            setting = configuration[name]
            alike.setdefault((*setting.operand_bits, setting.delta), []).append(name)
        result = []
        for (weight_bits, act_bits, delta), members in alike.items():
            matrix = self.matrix(tuple(members), weight_bits)
            step = 2.0**-fraction_bits
            if act_bits != BASELINE_BITS:
                step = self.calibration.scale(members[0], act_bits)
            divisor = step * 2.0**fraction_bits
            unit = matrix.scale * np.float32(step)
            result.append(Bundle(tuple(members), matrix, act_bits, delta, divisor, unit))
        return result

    def __call__(
        self,
        bundle: Bundle,
        x: NDArray[np.int16],
        offsets: NDArray[np.int64],
        counter: Counter,
    ) -> NDArray[np.int32 | np.float32]:
        """Exact sums [n, rows] of a sequence's codes [n, cols], which are not changed; gated utterance by utterance."""
        codes = bundle.quantize(x)
        sent = delta_gate(codes, offsets, bundle.delta)
        for name in bundle.names:
            counter.add(name, codes.size, sent)
        return product(codes, bundle.matrix)

    def to_grid(
        self,
        names: tuple[str, ...],
        x: NDArray[np.int16],
        fraction_bits: int,
        out_bits: int,
        offsets: NDArray[np.int64],
        configuration: Configuration,
        counter: Counter,
    ) -> NDArray[np.int16]:
        """The products of all `names` with the sequence x, side by side [n, rows], on a grid with `out_bits`."""
        bundles = self.bundles(names, fraction_bits, configuration)
        parts = [rescale(self(b, x, offsets, counter), b.unit * np.float32(2.0**out_bits)) for b in bundles]
        return self.in_order(names, bundles, parts)

    def in_order(
        self, names: tuple[str, ...], bundles: list[Bundle], parts: list[NDArray[np.int16]]
    ) -> NDArray[np.int16]:
        """Columns of the bundles' products put into the order of `names`."""
        if len(parts) == 1:
            return parts[0]
        columns = {}
        for bundle, part in zip(bundles, parts, strict=True):
            start = 0
            for name in bundle.names:
                rows = len(self.matrices[name])
                columns[name] = part[:, start : start + rows]
                start += rows
        return np.concatenate([columns[name] for name in names], axis=1)


@njit(cache=True, nogil=True)
def quantize_codes(x, divisor, low, high):  # type: ignore[no-untyped-def]
    """Signed codes int8 [n, D] of grid codes `x` int16: one float32 division by the step, half to even, saturating.

    `divisor` float32 is the quantizer's step in steps of x's grid.
    """
    out = np.empty(x.shape, np.int8)
    low, high = np.float32(low), np.float32(high)
    for n in range(x.shape[0]):
        row, codes = x[n], out[n]
        for d in range(len(codes)):
            codes[d] = np.int8((min(max(np.float32(row[d]) / divisor, low), high) + ROUNDER) - ROUNDER)
    return out


@njit(cache=True, nogil=True)
def rescale(sums, scale):  # type: ignore[no-untyped-def]
    """Grid codes int16 [n, rows] of exact sums: one float32 product with `scale` [rows], half to even, saturating."""
    out = np.empty(sums.shape, np.int16)
    for n in range(sums.shape[0]):
        row, codes = sums[n], out[n]
        for m in range(len(codes)):
            codes[m] = np.int16((min(max(np.float32(row[m]) * scale[m], LOW), HIGH) + ROUNDER) - ROUNDER)
    return out


def groups(offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of utterances whose frames together reach GROUP_FRAMES."""
    ranges, first = [], 0
    for u in range(1, len(offsets)):
        if offsets[u] - offsets[first] >= GROUP_FRAMES or u == len(offsets) - 1:
            ranges.append((first, u))
            first = u
    return ranges
