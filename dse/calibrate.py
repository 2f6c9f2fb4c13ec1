"""Ranges of the float network on training utterances: worked out once for a checkpoint and a corpus, then kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from dse.cache import cache_dir, write_atomically
from dse.corpora import Corpus
from dse.data import SETTINGS, load_split
from models import compiled_code_folder
from models.calibration import Calibration, Recorder
from models.checkpoint import Checkpoint, content_hash

# The first utterances of every training speaker: all speakers, about 2 minutes of speech of the embedded corpus.
CALIBRATION_PER_SPEAKER = 2


def calibration_of(checkpoint: Checkpoint, path: Path, corpus: Corpus) -> Calibration:
    """`checkpoint` is what `path` holds. Kept in the user's cache under all that it depends on, this code included."""
    sources = compiled_code_folder().name
    identity = [content_hash(path), corpus.fingerprint("train"), CALIBRATION_PER_SPEAKER, SETTINGS, sources]
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    kept = cache_dir() / "calibrations" / f"{checkpoint.spec.name}-{key}.npz"
    try:
        with np.load(kept) as arrays:
            return Calibration.from_arrays(dict(arrays))
    except (OSError, EOFError, ValueError, KeyError, BadZipFile):
        pass
    calibration = calibrate(checkpoint, corpus)
    with contextlib.suppress(OSError):  # a full or read-only disk costs the next process the same work, no more
        write_atomically(kept, lambda file: np.savez(file, allow_pickle=False, **calibration.to_arrays()))
    return calibration


def calibrate(checkpoint: Checkpoint, corpus: Corpus) -> Calibration:
    import torch

    split = load_split(corpus, "train", CALIBRATION_PER_SPEAKER)
    network = checkpoint.network()
    recorder = Recorder(checkpoint.spec.workload().names)
    with torch.no_grad():
        network(torch.tensor(split.features), torch.tensor(split.offsets), recorder)
    return recorder.calibration()
