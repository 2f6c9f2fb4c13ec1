"""Compiled engine of the quantized SRU with delta gates: integer products, fixed-point recurrence, counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.engines.compiled import Packer, Readers, input_rows
from models.engines.engine import Engine, IntegerRun
from models.engines.float_run import run_sru
from models.engines.integer_network import Codes, IntegerNetwork, SruLayer
from models.engines.network_quantizer import NetworkQuantizer
from models.engines.prefix_cache import Prefix
from models.kernels.matmul import padded
from models.kernels.sigmoid import sigmoid_lines
from models.kernels.sru_scan import scan_fixed
from models.kernels.words import CODES
from models.networks.directions import count
from models.quantization.fixed_point import PREACTIVATION_FRACTION_BITS

GROUP_FRAMES = 512  # utterances run in groups of about this many frames, which stay in the processor's caches
Floats = NDArray[np.float32]


class SruEngine(Engine):
    """Compiled engine of an SRU; see `Engine.run`."""

    def __init__(self, quantizer: NetworkQuantizer) -> None:
        super().__init__(quantizer)
        self._packer = Packer()

    def _run_integers(
        self, network: IntegerNetwork, features: NDArray[np.float32], offsets: NDArray[np.int64], prefix: Prefix
    ) -> IntegerRun:
        spec = self.spec
        lines = sigmoid_lines(network.sigmoid_knots)
        layers = [self._open(layer) for layer in network.layers[prefix.layers :] if isinstance(layer, SruLayer)]
        last = self._packer.open((network.output,))
        codes = np.empty((len(features), last.width), np.int16)
        width, directions = padded(spec.width), count(spec.directions)
        kept = {layer: self.prefixes.reserve((len(features), width)) for layer in prefix.kept}
        first = input_rows(network, features) if prefix.codes is None else prefix.codes
        for a, b in groups(offsets):
            part = slice(offsets[a], offsets[b])
            bounds = offsets[a : b + 1] - part.start
            at, lengths, frames = bounds[:-1], np.diff(bounds), int(bounds[-1])
            x = first[part]
            for number, (projection, inward, scan) in enumerate(layers, prefix.layers):
                q = x if projection is None else projection.run(x, at, lengths, rows_of(frames, projection.width))
                u = inward.run(q, at, lengths, rows_of(frames + 1, inward.width))
                out = kept[number][part] if number in kept else rows_of(frames, width)
                constants = scan.x_scale, scan.v, scan.v_scale, lines
                scan_fixed(u, x, *constants, bounds, out, spec.hidden, directions, scan.has_highway)
                x = out
            last.run(x, at, lengths, codes[part])
        for projection, inward, _ in layers:
            for readers in (projection, inward):
                if readers is not None:
                    readers.add_counts(prefix.counter, len(features))
        last.add_counts(prefix.counter, len(features))
        return codes[:, : spec.outputs], prefix.counter, kept

    def _open(self, layer: SruLayer) -> tuple[Readers | None, Readers, ScanConstants]:
        projection = None if layer.projection is None else self._packer.open((layer.projection,))
        return projection, self._packer.open((layer.input,)), ScanConstants.of(layer)

    def _run_float(self, features: Floats, offsets: NDArray[np.int64]) -> Floats:
        return run_sru(self.spec, self.weights, features, offsets)


@dataclass(frozen=True, eq=False)
class ScanConstants:
    """Constants that `scan_fixed` reads besides codes; see there."""

    x_scale: np.float32
    v: Codes  # [2, D + CODES]
    v_scale: np.float32
    has_highway: bool

    @classmethod
    def of(cls, layer: SruLayer) -> ScanConstants:
        alpha = layer.alpha * 2.0**-layer.alpha_bits
        return cls(
            x_scale=np.float32(alpha * 2.0 ** (layer.state_bits - layer.input_bits)),
            v=np.pad(layer.v, ((0, 0), (0, CODES))),
            v_scale=np.float32(2.0 ** (PREACTIVATION_FRACTION_BITS - layer.v_bits - layer.state_bits)),
            has_highway=layer.has_highway,
        )


def groups(offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges (first, end) of utterances, each just long enough for GROUP_FRAMES frames; the last may be shorter."""
    ranges, first = [], 0
    for u in range(1, len(offsets)):
        if offsets[u] - offsets[first] >= GROUP_FRAMES or u == len(offsets) - 1:
            ranges.append((first, u))
            first = u
    return ranges


def rows_of(rows: int, width: int) -> NDArray[np.int16]:
    return np.empty((rows, width), np.int16)
