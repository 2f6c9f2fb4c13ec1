"""Task of a trained network on a corpus. Light: networks and speech are loaded when it is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse.evaluator.measurement import Measurer, Task
from models.devices import CPU, require_known
from models.workload import InputError, Workload

if TYPE_CHECKING:
    from dse.corpora.base import Corpus

CACHE_MIB = 512  # of prefixes: 12 to 17 outputs of the embedded networks; twice as much saves little more

PATHS = ("checkpoint", "corpus_path")
HOW = ("device", "cache_mib")  # how it is run, which is no part of what it is


@dataclass(frozen=True)
class NetworkTask:
    """Task of a trained network on a corpus; `checkpoint` None is the shipped one.

    `device` is where networks run, `cache_mib` the memory of a process for prefixes that candidates share; neither
    changes a result. Raises InputError on an unknown device and a negative cache.
    """

    model: str = "sru"
    preset: str = "edge"
    checkpoint: str | None = None
    corpus: str = "synthetic"
    corpus_path: str | None = None
    skip_bad: bool = False
    device: str = CPU
    cache_mib: int = CACHE_MIB

    def __post_init__(self) -> None:
        for name in ("model", "preset", "checkpoint", "corpus", "corpus_path", "device"):
            value = getattr(self, name)
            if isinstance(value, os.PathLike):
                object.__setattr__(self, name, os.fspath(value))
            elif not isinstance(value, str) and (value is not None or name not in PATHS):
                raise InputError(f"{name} is {value!r}, not a text")
        require_known(self.device)
        if type(self.cache_mib) is not int or self.cache_mib < 0:
            raise InputError(f"cache_mib {self.cache_mib} is too small; it is at least 0")

    @property
    def checkpoint_path(self) -> Path:
        """Path of the checkpoint. Raises InputError for an unknown model or preset, or where none is shipped."""
        if self.checkpoint is not None:
            return Path(self.checkpoint)
        from models.checkpoint import shipped_path
        from models.registry import preset

        preset(self.model, self.preset)
        return shipped_path(self.model, self.preset)

    @property
    def workload(self) -> Workload:
        """Workload of the checkpoint's network. Raises InputError if it is of another model."""
        from models.checkpoint import read_card

        spec, _ = read_card(self.checkpoint_path)
        if spec.name != self.model:
            raise InputError(f"checkpoint {self.checkpoint_path} holds a {spec.name}, not a {self.model}")
        return spec.workload()

    @property
    def fingerprint(self) -> dict[str, str]:
        from dse.corpora import corpus_record
        from dse.evaluator.calibrate import CALIBRATION_PER_SPEAKER
        from models.checkpoint import content_hash

        corpus = self.open_corpus()
        # notes, skipped and repaired utterances
        told = {key: str(value) for key, value in corpus_record(corpus).items() if key != "name"}
        return told | {
            "checkpoint": content_hash(self.checkpoint_path),
            "validation": corpus.fingerprint("validation"),
            "calibration": f"train, first {CALIBRATION_PER_SPEAKER} a speaker, {corpus.fingerprint('train')}",
        }

    def open_corpus(self) -> Corpus:
        from dse.corpora import open_corpus

        return open_corpus(self.corpus, self.corpus_path, self.skip_bad)

    def open(self, split: str = "validation") -> Measurer:
        """Load the network, calibrate it on training data and load `split`.

        The measurer runs on one thread: searches run one measurer per core.
        """
        from dse.evaluator.measure import open_measurer

        self.workload  # noqa: B018  a wrong model is reported before the corpus is read
        checkpoint, corpus = self.checkpoint_path, self.open_corpus()
        return open_measurer(checkpoint, corpus, split, self.device, self.cache_mib)

    def record(self) -> dict[str, Any]:
        paths = {name: str(Path(path).absolute()) for name in PATHS if (path := getattr(self, name)) is not None}
        return {name: value for name, value in (asdict(self) | paths).items() if name not in HOW}


PATHS = ("checkpoint", "corpus_path")
HOW = ("device", "cache_mib")  # how the task is run, which is no part of its identity


def recorded_task(record: Mapping[str, Any], kind: Callable[..., Task] = NetworkTask, **changes: Any) -> Task:
    """Make the task of a `record`, with the fields in `changes` replaced; unknown fields are left out."""
    known = {field.name for field in fields(NetworkTask)}
    return kind(**{name: value for name, value in {**record, **changes}.items() if name in known})
