"""Layer outputs kept from configuration to configuration: what agrees on the first layers need not run them again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.engine import Counter
from models.workload import Configuration, Workload

# What one engine may hold of layer outputs: on the embedded corpus 12 to 17 of them, one is 30 to 41 MB.
CACHE_BYTES = 2**29


@dataclass(frozen=True, eq=False)
class Prefix:
    """The first `layers` layers run: their output codes int16 [N, width] (None before the first), their counts."""

    utterances: bytes  # digest of features and offsets
    layers: int
    output: NDArray[np.int16] | None
    counter: Counter


class PrefixCache:
    """Outputs of a network's first layers, by the utterances and the settings of all matvecs that made them.

    A configuration that agrees with an earlier one on its first layers starts behind them. Every run adds one layer to
    the deepest prefix it found, so that what many configurations share is kept deep and what none shares costs one
    array; the least recently used arrays make room.
    """

    def __init__(self, workload: Workload, limit_bytes: int = CACHE_BYTES) -> None:
        self.workload, self.limit_bytes = workload, limit_bytes
        self._prefixes: dict[tuple[object, ...], Prefix] = {}  # least recently used first

    @property
    def used_bytes(self) -> int:
        return sum(prefix.output.nbytes for prefix in self._prefixes.values() if prefix.output is not None)

    def deepest(
        self, features: NDArray[np.float32], offsets: NDArray[np.int64], configuration: Configuration, layers: int
    ) -> Prefix:
        """The longest known prefix of at most `layers`, with counts of its own that may be added to."""
        utterances = hashlib.sha256(features.tobytes() + offsets.tobytes()).digest()
        for depth in range(layers, 0, -1):
            key = self._key(utterances, configuration, depth)
            if key in self._prefixes:
                found = self._prefixes[key] = self._prefixes.pop(key)
                return Prefix(utterances, depth, found.output, found.counter.only(found.counter.elements))
        return Prefix(utterances, 0, None, Counter())

    def extend(self, prefix: Prefix, configuration: Configuration, output: NDArray[np.int16], counter: Counter) -> None:
        """Remember the output of the layer behind `prefix`, which no one may change afterwards."""
        if output.nbytes > self.limit_bytes:
            return
        while self.used_bytes + output.nbytes > self.limit_bytes:
            del self._prefixes[next(iter(self._prefixes))]
        depth = prefix.layers + 1
        kept = Prefix(prefix.utterances, depth, output, counter.only(self._names(depth)))
        self._prefixes[self._key(prefix.utterances, configuration, depth)] = kept

    def _names(self, depth: int) -> list[str]:
        layers = tuple(f"l{layer}." for layer in range(depth))
        return [name for name in self.workload.names if name.startswith(layers)]

    def _key(self, utterances: bytes, configuration: Configuration, depth: int) -> tuple[object, ...]:
        settings = [configuration[name] for name in self._names(depth)]
        return (utterances, *((*setting.operand_bits, setting.delta) for setting in settings))
