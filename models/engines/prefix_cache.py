"""Cache of outputs of a network's prefixes, its first layers, for configurations that agree in them.

A search tries neighbours of its front, so that many candidates agree in their first layers. An output is kept when its
layers run with the same settings for the second time: most settings never recur, and keeping all outputs would evict
those that do. The least recently used output is evicted first.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.engines.counter import Counter
from models.workload import Configuration, Workload


@dataclass(frozen=True, eq=False)
class Prefix:
    """Prefix of a run that is known already: its first `layers`, their output `codes` int16 [N, width], their counts.

    `kept` are the later layers whose outputs are to be kept, with their keys for `PrefixCache.keep`.
    """

    layers: int = 0
    codes: NDArray[np.int16] | None = None
    counter: Counter = field(default_factory=Counter)
    kept: Mapping[int, Hashable] = field(default_factory=dict)


class PrefixCache:
    """Cache of at most `limit_bytes` of outputs of all layers but the output layer, keyed by all they depend on."""

    def __init__(self, workload: Workload, limit_bytes: int = 0) -> None:
        self.limit_bytes, self.bytes = limit_bytes, 0
        self._names = inner_layers(workload.names)
        self._held: dict[Hashable, tuple[NDArray[np.int16], Counter]] = {}  # least recently used first
        self._read: NDArray[np.int16] | None = None  # prefix that the current run reads
        self._met: set[int] = set()  # hashes of keys; a collision only keeps an output in vain

    def longest(self, batch: Hashable, configuration: Configuration) -> Prefix:
        """Longest known prefix of the configuration's run over this batch of utterances."""
        if not self.limit_bytes:
            return Prefix()
        self.bytes = sum(codes.nbytes for codes, _ in self._held.values())
        keys: list[Hashable] = [(batch, prefix) for prefix in prefixes(self._names, configuration)]
        known = max((layer + 1 for layer, key in enumerate(keys) if key in self._held), default=0)
        kept = {layer: key for layer, key in enumerate(keys) if layer >= known and hash(key) in self._met}
        self._met.update(map(hash, keys))
        if not known:
            self._read = None
            return Prefix(kept=kept)
        self._read, counter = self._held[keys[known - 1]] = self._held.pop(keys[known - 1])
        return Prefix(known, self._read, counter.of(tuple(counter.elements)), kept)

    def reserve(self, shape: tuple[int, int]) -> NDArray[np.int16]:
        """Array int16 of this shape for an output to keep, zero or reused from an evicted output of the same shape.

        Memory is reused because new pages cost time.
        """
        size = 2 * shape[0] * shape[1]
        found = None
        while self._held and self.bytes + size > self.limit_bytes:
            codes, _ = self._held.pop(next(iter(self._held)))
            self.bytes -= codes.nbytes
            if codes.shape == shape and codes is not self._read:
                found = codes
        self.bytes += size
        return np.zeros(shape, np.int16) if found is None else found

    def keep(self, key: Hashable, layer: int, codes: NDArray[np.int16], counter: Counter) -> None:
        """Keep an output under `key`, unless the reserved arrays exceed the limit.

        `codes` are an array from `reserve`, not to be changed afterwards; `counter` holds counts of all layers up to
        `layer`.
        """
        if self.bytes > self.limit_bytes:  # too large beside the others of this run
            self.bytes -= codes.nbytes
            return
        names = tuple(name for names in self._names[: layer + 1] for name in names)
        self._held[key] = codes, counter.of(names)


def inner_layers(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Names of the matvecs of every layer but the last, whose output no other layer reads."""
    layers: dict[str, list[str]] = {}
    for name in names:
        layers.setdefault(name.partition(".")[0], []).append(name)
    return [tuple(members) for members in layers.values()][:-1]


def prefixes(layers: list[tuple[str, ...]], configuration: Configuration) -> list[Hashable]:
    """Keys of every layer's output, made of all it depends on: the settings of the layer and those before."""
    settings = [tuple(configuration[name].effect for name in names) for names in layers]
    return [tuple(settings[: layer + 1]) for layer in range(len(settings))]
