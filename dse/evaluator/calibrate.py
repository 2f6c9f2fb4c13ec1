"""What is made once of a checkpoint and a corpus' training speech, and then kept: calibration, quantized widths."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from dse.corpora.base import Corpus
from dse.corpora.cache import cache_dir, write_atomically
from dse.corpora.load import SETTINGS, load_split
from dse.corpora.split import Split
from models import sources_digest
from models.checkpoint import Checkpoint
from models.engines.network_quantizer import NetworkQuantizer
from models.engines.width import Width
from models.quantization.calibration import Calibration
from models.quantization.scheme import Scheme

# The first utterances of every training speaker: all speakers, about 2 minutes of speech of the embedded corpus.
CALIBRATION_PER_SPEAKER = 2
MOST_CALIBRATION_FRAMES = 360_000  # an hour at 10 ms a frame; whole TIMIT has less, a corpus without speakers may not
Arrays = Mapping[str, NDArray[Any]]
Made = TypeVar("Made")


def quantizer_of(checkpoint: Checkpoint, corpus: Corpus, scheme: Scheme) -> NetworkQuantizer:
    """Quantizer of a checkpoint, calibrated on a corpus; what it makes is in the user's cache from then on.

    The cache's keys are the network, the speech it runs on, the engines' sources and the scheme.
    Raises InputError as the corpus does, or where the network's values are not finite.
    """
    spec, weights, identity = checkpoint.spec, dict(checkpoint.weights), _identity(checkpoint, corpus)
    learned = checkpoint.learned

    def calibrated() -> Calibration:
        from models.calibrate import calibrate

        split = _within(load_split(corpus, "train", CALIBRATION_PER_SPEAKER), MOST_CALIBRATION_FRAMES)
        return calibrate(spec, weights, split.features, split.offsets, learned.peaks)

    def keep(bits: int, make: Callable[[], Width]) -> Width:
        path = cache_dir() / "widths" / f"{spec.name}-{bits}-{_digest([identity, str(scheme), bits])}.npz"
        return _kept(path, make, Width.to_arrays, Width.from_arrays)

    path = cache_dir() / "calibrations" / f"{spec.name}-{_digest(identity)}.npz"
    calibration = _kept(path, calibrated, Calibration.to_arrays, Calibration.from_arrays)
    return NetworkQuantizer(spec, weights, calibration, scheme, keep, learned)


def _identity(checkpoint: Checkpoint, corpus: Corpus) -> list[Any]:
    weights = hashlib.sha256()
    for name, array in sorted(checkpoint.weights.items()):
        weights.update(name.encode() + np.ascontiguousarray(array).tobytes())
    for name, array in sorted(checkpoint.learned.to_arrays().items()):
        weights.update(name.encode() + array.tobytes())
    speech = [corpus.fingerprint("train"), CALIBRATION_PER_SPEAKER, MOST_CALIBRATION_FRAMES, SETTINGS]
    return [checkpoint.spec.name, checkpoint.spec.to_json(), weights.hexdigest(), speech, sources_digest()]


def _within(split: Split, frames: int) -> Split:
    """The split, or every n-th of its utterances where it has more frames; those that fit, at least one."""
    total = int(split.lengths.sum())
    if total <= frames:
        return split
    every = np.arange(0, len(split), -(-total // frames))
    fit = int(np.searchsorted(np.cumsum(split.lengths[every]), frames, side="right"))
    return split.take(every[: max(fit, 1)])


def _digest(identity: object) -> str:
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]


def _kept(
    path: Path, make: Callable[[], Made], write: Callable[[Made], Arrays], read: Callable[[Arrays], Made]
) -> Made:
    """What `path` keeps, made and kept if it is not there or damaged; of several processes one makes it."""

    def stored() -> Made | None:
        try:
            with np.load(path) as arrays:
                return read(dict(arrays))
        except (OSError, EOFError, ValueError, KeyError, RuntimeError, BadZipFile):
            return None

    found = stored()
    if found is not None:
        return found
    with _alone(path):
        found = stored()
        if found is not None:
            return found
        made = make()
        arrays: Any = write(made)
        with contextlib.suppress(OSError):  # on a full or read-only disk the next process makes it again
            write_atomically(path, lambda file: np.savez(file, **arrays))
    return made


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from making the same at the same time, where a lock can be had."""
    from filelock import FileLock

    lock = FileLock(cache_dir() / "locks" / f"{path.stem}.lock")
    with contextlib.suppress(OSError, NotImplementedError):
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
