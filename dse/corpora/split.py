"""Splits of a corpus as arrays ready for a network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dse.corpora.features import FRAME_SECONDS
from models.workload import InputError


@dataclass(frozen=True, eq=False)
class Split:
    """Split of U utterances, concatenated: N frames and P reference phones in total. Arrays may be read-only.

    Of a corpus with labels of its own, reference phones are indices of its labels, targets too, and there are neither
    phones nor states of frames.
    """

    name: str
    features: NDArray[np.float32]  # [N, 23] log-mel, speaker mean subtracted; [N, D] of a corpus that holds features
    lengths: NDArray[np.int64]  # [U] frames
    phones: NDArray[np.int16] | None  # [N] index in PHONES_61 of the phone under the frame
    states: NDArray[np.int8] | None  # [N] third of the phone's segment: 0, 1, 2
    segment_phones: NDArray[np.int16]  # [P] reference phones, index in PHONES_61
    segment_counts: NDArray[np.int64]  # [U] reference phones
    names: tuple[str, ...]  # [U]
    speakers: tuple[str, ...]  # [U]
    fingerprint: str  # SHA-256 of the utterances it was computed from
    targets: NDArray[np.int32] | None = None  # [N] senones, or labels of frames, of a corpus with alignments to them

    @cached_property
    def has_sequences(self) -> bool:
        """Whether references are of utterances as a whole; else they are the targets, one for each frame."""
        return self.targets is None or not np.array_equal(self.segment_phones, self.targets)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def seconds(self) -> float:
        return int(self.lengths.sum()) * FRAME_SECONDS

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """First frame of each utterance, then N: int64 [U + 1]."""
        return _offsets(self.lengths)

    @cached_property
    def references(self) -> list[NDArray[np.int16]]:
        """Reference phones of each utterance, indices in PHONES_61."""
        return np.split(self.segment_phones, _offsets(self.segment_counts)[1:-1])

    def by_frame(self) -> Split:
        """The same with a reference for every frame, its target. Raises InputError without targets."""
        if self.targets is None:
            raise InputError(f"split {self.name} has no targets, a label for each frame")
        return replace(self, segment_phones=self.targets.astype(np.int16), segment_counts=self.lengths)

    def take(self, indices: Iterable[int]) -> Split:
        """Split of the utterances of these indices, in this order. Raises InputError for an index out of range."""
        chosen = [int(index) for index in indices]
        for index in chosen:
            if not 0 <= index < len(self):
                raise InputError(f"utterance {index} of split {self.name} is out of range; it has {len(self)}")
        frames = _ranges(self.offsets, chosen)
        segments = _ranges(_offsets(self.segment_counts), chosen)
        return Split(
            self.name,
            self.features[frames],
            self.lengths[chosen],
            None if self.phones is None else self.phones[frames],
            None if self.states is None else self.states[frames],
            self.segment_phones[segments],
            self.segment_counts[chosen],
            tuple(self.names[index] for index in chosen),
            tuple(self.speakers[index] for index in chosen),
            hashlib.sha256(f"{self.fingerprint} {chosen}".encode()).hexdigest(),
            None if self.targets is None else self.targets[frames],
        )


@runtime_checkable
class FeatureCorpus(Protocol):
    """Corpus that holds features instead of audio: `load_split` asks it for arrays, not for utterances."""

    def split_arrays(self, split: str, per_speaker: int | None = None) -> Split:
        """Arrays of the split, or of the first `per_speaker` utterances of each speaker. Errors as in `utterances`."""


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(counts)))


def _ranges(offsets: NDArray[np.int64], chosen: list[int]) -> NDArray[np.int64]:
    """Concatenated positions of the chosen utterances."""
    return np.concatenate([np.arange(0), *(np.arange(offsets[i], offsets[i + 1]) for i in chosen)])
