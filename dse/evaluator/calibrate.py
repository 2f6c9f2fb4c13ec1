"""Calibration of a checkpoint on a corpus' training utterances, computed once and then cached."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any
from zipfile import BadZipFile

import numpy as np

from dse.corpora.base import Corpus
from dse.corpora.cache import cache_dir, write_atomically
from dse.corpora.load import SETTINGS, load_split
from models import sources_digest
from models.checkpoint import Checkpoint
from models.quantization.calibration import Calibration, Recorder

# The first utterances of every training speaker: all speakers, about 2 minutes of speech of the embedded corpus.
CALIBRATION_PER_SPEAKER = 2


def calibration_of(checkpoint: Checkpoint, corpus: Corpus) -> Calibration:
    """Calibration of a checkpoint on a corpus, from the user's cache where possible.

    The cache's key is the network, the speech it runs on and the engines' sources. Errors as in `calibrate`.
    """
    weights = hashlib.sha256()
    for name, array in sorted(checkpoint.weights.items()):
        weights.update(name.encode() + np.ascontiguousarray(array).tobytes())
    sizes, sources = checkpoint.spec.to_json(), sources_digest()
    speech = [corpus.fingerprint("train"), CALIBRATION_PER_SPEAKER, SETTINGS]
    identity = [checkpoint.spec.name, sizes, weights.hexdigest(), speech, sources]
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    kept = cache_dir() / "calibrations" / f"{checkpoint.spec.name}-{key}.npz"
    try:
        with np.load(kept) as stored:
            return Calibration.from_arrays(dict(stored))
    except (OSError, EOFError, ValueError, KeyError, RuntimeError, BadZipFile):
        pass
    calibration = calibrate(checkpoint, corpus)
    arrays: Any = calibration.to_arrays()
    with contextlib.suppress(OSError):  # on a full or read-only disk the next process calibrates again
        write_atomically(kept, lambda file: np.savez(file, **arrays))
    return calibration


def calibrate(checkpoint: Checkpoint, corpus: Corpus) -> Calibration:
    """Run the float network on training utterances and record its ranges.

    It runs on one thread: the last bits of float sums depend on the number of threads. Raises InputError as the corpus
    does, or where the network's values are not finite.
    """
    import torch

    torch.set_num_threads(1)
    split = load_split(corpus, "train", CALIBRATION_PER_SPEAKER)
    network = checkpoint.network()
    recorder = Recorder(checkpoint.spec.workload().names)
    with torch.no_grad():
        network(torch.tensor(split.features), torch.tensor(split.offsets), recorder)
    return recorder.calibration()
