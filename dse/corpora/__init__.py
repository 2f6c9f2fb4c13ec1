"""Speech corpora behind one seam: splits with disjoint speakers, samples and time-aligned phones.

A corpus is one file here and one line in `CORPORA`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dse.corpora.content import Problem
    from dse.data import Split

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
    """Samples int16 [S] at 16 kHz and the segments that cover them from 0 to S without a gap."""

    name: str
    speaker: str
    samples: NDArray[np.int16]
    segments: tuple[Segment, ...]


class Corpus(Protocol):
    name: str
    sample_rate_hz: int

    def speakers(self, split: str) -> tuple[str, ...]:
        """Names of the split's speakers; no speaker is in two splits. Raises ValueError for an unknown split."""

    def utterances(self, split: str, per_speaker: int | None = None) -> list[Utterance]:
        """Utterances speaker by speaker; `per_speaker` gives the first n of each speaker's."""

    def fingerprint(self, split: str) -> str:
        """Identity of the split's content, cheap to ask for: what caches and records are keyed by."""


@runtime_checkable
class FileCorpus(Protocol):
    """What a corpus read from files has besides: notes on its use, and its damage."""

    notes: tuple[str, ...]

    def problems(self, split: str | None) -> tuple[Problem, ...]:
        """Utterances of the split that cannot be used; None stands for all that no split uses."""

    def repaired(self, split: str | None) -> tuple[str, ...]:
        """Names of the utterances that could only be used after a repair."""


@runtime_checkable
class FeatureCorpus(Protocol):
    """A corpus that holds features instead of audio: `dse.data.load_split` asks it for arrays, not for utterances."""

    def split_arrays(self, split: str, per_speaker: int | None = None) -> Split:
        """The split, or the first `per_speaker` utterances of each speaker. Errors as in `Corpus.utterances`."""


CORPORA: dict[str, str] = {
    "synthetic": "dse.corpora.synthetic:SyntheticCorpus",
    "timit": "dse.corpora.timit:TimitCorpus",
    "kaldi": "dse.corpora.kaldi:KaldiCorpus",
}
GENERATED = ("synthetic",)


def open_corpus(name: str, path: str | None = None, skip_bad: bool = False) -> Corpus:
    """The corpus of that name; `path` is the folder of one that is not generated.

    `skip_bad` leaves out damaged utterances, which otherwise raise ValueError when a split is read; what is generated
    has none. Raises ValueError for an unknown name, FileNotFoundError where the corpus is not at `path`.
    """
    if name not in CORPORA:
        raise ValueError(f"no corpus '{name}'; there are {', '.join(CORPORA)}")
    module, attribute = CORPORA[name].split(":")
    make = getattr(import_module(module), attribute)
    corpus: Corpus = make(path) if name in GENERATED else make(path, skip_bad)
    return corpus


def corpus_record(corpus: Corpus) -> dict[str, Any]:
    """What a result says of the data behind it, JSON-ready: name, notes, utterances skipped and repaired per split."""
    if not isinstance(corpus, FileCorpus):
        return {"name": corpus.name}
    return {
        "name": corpus.name,
        "notes": list(corpus.notes),
        "skipped": {split: len(corpus.problems(split)) for split in SPLITS},
        "repaired": {split: len(corpus.repaired(split)) for split in SPLITS},
    }


def content_fingerprint(utterances: Iterable[Utterance]) -> str:
    """SHA-256 over names, samples and segments, in order."""
    digest = hashlib.sha256()
    for utterance in utterances:
        labels = " ".join(f"{s.start_sample}-{s.end_sample}:{s.phone}" for s in utterance.segments)
        digest.update(f"{utterance.name} {len(utterance.samples)} {labels}\n".encode())
        digest.update(utterance.samples.astype("<i2").tobytes())
    return digest.hexdigest()


def check_split(split: str) -> None:
    """Raises ValueError unless the split is one of `SPLITS`."""
    if split not in SPLITS:
        raise ValueError(f"no split '{split}'; there are {', '.join(SPLITS)}")
