"""A split of a corpus as arrays ready for a network, computed once and mapped from disk afterwards."""

from __future__ import annotations

import hashlib
import json
import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dse import features
from dse.cache import cache_dir, write_atomically
from dse.corpora import Corpus, FeatureCorpus, content_fingerprint

ARRAYS = ("features", "lengths", "phones", "states", "segment_phones", "segment_counts")
INDEX = "index.json"
SETTINGS = {
    "format": 1,  # raise it when the arrays' content changes
    "bins": features.BINS,
    "window_samples": features.WINDOW_SAMPLES,
    "shift_samples": features.SHIFT_SAMPLES,
    "window_type": features.WINDOW_TYPE,
}


@dataclass(frozen=True, eq=False)
class Split:
    """U utterances one after another: N frames and P reference phones in all. Arrays may be read-only."""

    name: str
    features: NDArray[np.float32]  # [N, 23] log-mel, speaker mean subtracted; [N, D] of a corpus that brings features
    lengths: NDArray[np.int64]  # [U] frames
    phones: NDArray[np.int16]  # [N] index in PHONES_61 of the phone under the frame
    states: NDArray[np.int8]  # [N] third of the phone's segment: 0, 1, 2
    segment_phones: NDArray[np.int16]  # [P] reference phones, index in PHONES_61
    segment_counts: NDArray[np.int64]  # [U] reference phones
    names: tuple[str, ...]  # [U]
    speakers: tuple[str, ...]  # [U]
    fingerprint: str  # SHA-256 of the utterances it was computed from
    targets: NDArray[np.int32] | None = None  # [N] senones, of a corpus that brings alignments to them

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def seconds(self) -> float:
        return int(self.lengths.sum()) * features.FRAME_SECONDS

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """[U + 1] first frame of each utterance, and N."""
        return _offsets(self.lengths)

    @cached_property
    def references(self) -> list[NDArray[np.int16]]:
        """The reference phones of each utterance, indices in PHONES_61."""
        return np.split(self.segment_phones, _offsets(self.segment_counts)[1:-1])

    def take(self, indices: Iterable[int]) -> Split:
        """The utterances of these indices, in this order. Raises ValueError for an index out of range."""
        chosen = [int(index) for index in indices]
        for index in chosen:
            if not 0 <= index < len(self):
                raise ValueError(f"utterance {index} of split {self.name} is out of range; it has {len(self)}")
        frames = _ranges(self.offsets, chosen)
        segments = _ranges(_offsets(self.segment_counts), chosen)
        return Split(
            self.name,
            self.features[frames],
            self.lengths[chosen],
            self.phones[frames],
            self.states[frames],
            self.segment_phones[segments],
            self.segment_counts[chosen],
            tuple(self.names[index] for index in chosen),
            tuple(self.speakers[index] for index in chosen),
            hashlib.sha256(f"{self.fingerprint} {chosen}".encode()).hexdigest(),
            None if self.targets is None else self.targets[frames],
        )


def load_split(corpus: Corpus, name: str, per_speaker: int | None = None) -> Split:
    """The split `name` of the corpus, or the first `per_speaker` utterances of each speaker.

    Kept in the user's cache as .npy files that processes share by mapping; computed where absent or damaged. The
    speaker means are over the utterances asked for. Raises ValueError as the corpus does.
    """
    identity = [corpus.name, corpus.fingerprint(name), name, per_speaker, SETTINGS]
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    folder = cache_dir() / "features" / f"{corpus.name}-{name}-{per_speaker or 'all'}-{key}"
    split = _read(folder)
    if split is None:
        if isinstance(corpus, FeatureCorpus):
            split = corpus.split_arrays(name, per_speaker)
        else:
            split = _compute(corpus, name, per_speaker)
        _write(folder, split)
    return split


def _compute(corpus: Corpus, name: str, per_speaker: int | None) -> Split:
    utterances = corpus.utterances(name, per_speaker)
    speakers = tuple(u.speaker for u in utterances)
    log_mels = [features.log_mel(u.samples) for u in tqdm(utterances, f"{name} features", unit="", disable=None)]
    features.subtract_speaker_means(log_mels, speakers)
    lengths = [len(log_mel) for log_mel in log_mels]
    segments = [u.segments for u in utterances]
    return Split(
        name,
        np.concatenate(log_mels),
        np.array(lengths, np.int64),
        np.concatenate([features.frame_phones(s, t) for s, t in zip(segments, lengths, strict=True)]),
        np.concatenate([features.frame_states(s, t) for s, t in zip(segments, lengths, strict=True)]),
        np.concatenate([features.phone_indices(s) for s in segments]),
        np.array([len(s) for s in segments], np.int64),
        tuple(u.name for u in utterances),
        speakers,
        content_fingerprint(utterances),
    )


def _write(folder: Path, split: Split) -> None:
    arrays = (*ARRAYS, *(() if split.targets is None else ("targets",)))
    for name in arrays:
        write_atomically(folder / f"{name}.npy", partial(_save, getattr(split, name)))
    index: dict[str, Any] = {
        "split": split.name,
        "names": split.names,
        "speakers": split.speakers,
        "fingerprint": split.fingerprint,
        "crc32": {name: _crc32(folder / f"{name}.npy") for name in arrays},
    }
    write_atomically(folder / INDEX, lambda file: file.write(json.dumps(index).encode()))


def _read(folder: Path) -> Split | None:
    """None where there is nothing, or nothing whole."""
    try:
        index = json.loads((folder / INDEX).read_text())
        for name, crc32 in index["crc32"].items():
            if _crc32(folder / f"{name}.npy") != crc32:
                raise ValueError(name)
        arrays = {name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in index["crc32"]}
        names, speakers = tuple(index["names"]), tuple(index["speakers"])
        return Split(name=index["split"], names=names, speakers=speakers, fingerprint=index["fingerprint"], **arrays)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _save(array: NDArray[np.generic], file: BinaryIO) -> None:
    np.save(file, array)


def _crc32(path: Path) -> int:
    return zlib.crc32(path.read_bytes())


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(counts)))


def _ranges(offsets: NDArray[np.int64], chosen: list[int]) -> NDArray[np.int64]:
    """Concatenated positions of the chosen stretches."""
    return np.concatenate([np.arange(0), *(np.arange(offsets[i], offsets[i + 1]) for i in chosen)])


if __name__ == "__main__":
    from dse.data_check import main

    sys.exit(main())
