"""Loading of a corpus' splits, computed once and mapped from disk afterwards."""

from __future__ import annotations

import hashlib
import json
import zlib
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dse.corpora import features
from dse.corpora.base import Corpus, content_fingerprint
from dse.corpora.cache import cache_dir, write_atomically
from dse.corpora.split import FeatureCorpus, Split
from models.workload import InputError

ARRAYS = ("features", "lengths", "phones", "states", "segment_phones", "segment_counts", "targets")
MAY_LACK = ("phones", "states", "targets")
INDEX = "index.json"
SETTINGS = {
    "format": 1,  # raise it when the arrays' content changes
    "bins": features.BINS,
    "window_samples": features.WINDOW_SAMPLES,
    "shift_samples": features.SHIFT_SAMPLES,
    "window_type": features.WINDOW_TYPE,
}


def load_split(corpus: Corpus, name: str, per_speaker: int | None = None) -> Split:
    """Load the split `name` of the corpus, or the first `per_speaker` utterances of each speaker.

    It is kept in the user's cache as .npy files that processes share by mapping, and computed where these are absent or
    damaged. The speaker means are over the utterances asked for. Raises InputError as the corpus does.
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
    arrays = [name for name in ARRAYS if getattr(split, name) is not None]
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
    """Read a cached split; None where it is absent or damaged."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        for name, crc32 in index["crc32"].items():
            if _crc32(folder / f"{name}.npy") != crc32:
                raise InputError(name)
        arrays: dict[str, Any] = dict.fromkeys(MAY_LACK)
        arrays |= {name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in index["crc32"]}
        names, speakers = tuple(index["names"]), tuple(index["speakers"])
        return Split(name=index["split"], names=names, speakers=speakers, fingerprint=index["fingerprint"], **arrays)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _save(array: NDArray[np.generic], file: BinaryIO) -> None:
    np.save(file, array)


def _crc32(path: Path) -> int:
    return zlib.crc32(path.read_bytes())
