"""Genomes as vectors, between which a product tells how alike they are in what they do to the network."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dse.design.space import DELTA_BITS, SearchSpace

REACH = 2.0  # steps between widths, or doublings of a threshold, over which alikeness falls to 1/e

Values = NDArray[np.float64]
Codes = NDArray[np.int64]


class Effects:
    """What a space's genomes do, slot by slot.

    Each matvec has a slot for its weights' bits, and one for its activations' bits with the threshold that they leave:
    4-bit activations have the same threshold 0 for several choices. Matvecs that are always set alike share slots.
    A slot that a genome cannot change is left out. `vectors` have unit length in each slot, so that the product of two,
    over the number of `slots`, is 1 for genomes of one effect.
    """

    def __init__(self, space: SearchSpace) -> None:
        counts = [len(gene.choices) for gene in space.genes]
        self._tables: dict[tuple[tuple[int, ...], bytes], NDArray[np.int64]] = {}
        self._embeddings: list[Values] = []
        for genes, effects in space.effects():
            shape = tuple(counts[gene] for gene in genes)
            places = [np.ravel_multi_index(chosen, shape) for chosen in effects] if genes else []
            for part in (slice(0, 1), slice(1, 3)):
                parts = [tuple(effect)[part] for effect in effects.values()]
                kinds = sorted(set(parts))
                if len(kinds) == 1:
                    continue
                table = np.zeros(math.prod(shape), dtype=np.int64)
                table[places] = [kinds.index(each) for each in parts]
                key = (genes, table.tobytes())
                if key not in self._tables:
                    self._tables[key] = table
                    self._embeddings.append(_embedding(kinds))
        self._counts = counts
        self.slots = max(1, len(self._embeddings))

    def codes(self, genomes: NDArray[np.int64]) -> Codes:
        """Number of the effect in each slot, [genomes, slots]: equal rows have the same effect."""
        found = np.zeros((len(genomes), self.slots), dtype=np.int64)
        for slot, ((genes, _), table) in enumerate(self._tables.items()):
            shape = tuple(self._counts[gene] for gene in genes)
            found[:, slot] = table[np.ravel_multi_index(tuple(genomes[:, list(genes)].T), shape)]
        return found

    def vectors(self, codes: Codes) -> Values:
        """Vectors [genomes, size] of genomes with these codes."""
        if not self._embeddings:
            return np.ones((len(codes), 1))
        return np.concatenate([each[codes[:, slot]] for slot, each in enumerate(self._embeddings)], axis=1)


def _embedding(kinds: list[tuple[int, ...]]) -> Values:
    """Unit vectors [kinds, kinds] whose products fall with the distance of weights' bits, or of bits and threshold."""
    places = np.array([_place(kind, kinds) for kind in kinds])
    distances = np.abs(places[:, None] - places[None]).sum(axis=-1)
    vectors: Values = np.linalg.cholesky(np.exp(-distances / REACH) + 1e-9 * np.eye(len(kinds)))
    return vectors


def _place(kind: tuple[int, ...], kinds: list[tuple[int, ...]]) -> tuple[float, ...]:
    """Rank of the width, and the threshold in doublings of a step of 8-bit activations."""
    rank = sorted({bits for bits, *_ in kinds}).index(kind[0])
    return (rank, *(math.log2(1 + steps * 2.0 ** (DELTA_BITS - kind[0])) for steps in kind[1:]))
