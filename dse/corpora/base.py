"""Interfaces of a corpus: splits with disjoint speakers, samples and time-aligned phones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from models.workload import InputError

if TYPE_CHECKING:
    from dse.corpora.content import Problem

SAMPLE_RATE_HZ = 16_000  # of every corpus
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Segment:
    """One phone of TIMIT's 61, from `start_sample` up to but not including `end_sample`."""

    start_sample: int
    end_sample: int
    phone: str


@dataclass(frozen=True, eq=False)
class Utterance:
    """One utterance: samples int16 [S] at 16 kHz and the segments that cover them from 0 to S without a gap."""

    name: str
    speaker: str
    samples: NDArray[np.int16]
    segments: tuple[Segment, ...]


class Corpus(Protocol):
    """Speech corpus of three splits with disjoint speakers."""

    name: str
    sample_rate_hz: int

    def speakers(self, split: str) -> tuple[str, ...]:
        """Names of the split's speakers; no speaker is in two splits. Raises InputError for an unknown split."""

    def utterances(self, split: str, per_speaker: int | None = None) -> list[Utterance]:
        """Utterances of the split, speaker by speaker; `per_speaker` n gives the first n of each speaker."""

    def fingerprint(self, split: str) -> str:
        """Identity of the split's content, cheap to ask for, for the keys of caches and records."""


@runtime_checkable
class FileCorpus(Protocol):
    """Members of a corpus read from files, besides those of `Corpus`: notes on its use, and its damage."""

    notes: tuple[str, ...]

    def problems(self, split: str | None) -> tuple[Problem, ...]:
        """Utterances of the split that cannot be used; None stands for all that no split uses."""

    def repaired(self, split: str | None) -> tuple[str, ...]:
        """Names of the utterances that could only be used after a repair."""


@runtime_checkable
class LabelCorpus(Protocol):
    """Member of a corpus with labels of its own, in place of phones: their names, in the order of indices."""

    labels: tuple[str, ...]


@runtime_checkable
class PartialCorpus(Protocol):
    """Member of a corpus that may lack a split: those that it has."""

    splits: tuple[str, ...]


def splits_of(corpus: object) -> tuple[str, ...]:
    """Splits that a corpus has, in the order of `SPLITS`; all, but for one that may lack some."""
    return corpus.splits if isinstance(corpus, PartialCorpus) else SPLITS


def content_fingerprint(utterances: Iterable[Utterance]) -> str:
    """SHA-256 of the utterances' names, samples and segments, in order."""
    digest = hashlib.sha256()
    for utterance in utterances:
        labels = " ".join(f"{s.start_sample}-{s.end_sample}:{s.phone}" for s in utterance.segments)
        digest.update(f"{utterance.name} {len(utterance.samples)} {labels}\n".encode())
        digest.update(utterance.samples.astype("<i2").tobytes())
    return digest.hexdigest()


def check_split(split: str) -> None:
    """Check that the split is one of `SPLITS`. Raises InputError for any other."""
    if split not in SPLITS:
        raise InputError(f"no split '{split}'; there are {', '.join(SPLITS)}")
