"""One candidate's inference: checkpoint, corpus split and configuration in, phone errors and computed fractions out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dse.corpora import corpus_record, open_corpus
from dse.corpora.base import Corpus
from dse.device import require_same
from dse.evaluate import MAX4, WHOLE
from dse.part import CACHE_MIB, Part, batches, frames_at_once, joined, mean, quarter_errors_percent, stages
from dse.phones.senones import phone_state_scores
from models.checkpoint import content_hash, load, read_card, shipped_path
from models.devices import CPU, require_gpu
from models.registry import build_engine, preset
from models.workload import Configuration, Workload

if TYPE_CHECKING:
    from dse.corpora.split import Split
    from models.checkpoint import Checkpoint
    from models.quantization.calibration import Calibration


@dataclass(frozen=True)
class Task:
    """Everything a worker needs to open a measurer. `checkpoint` None is the shipped one.

    `error` is what a candidate's error is: of the whole split, or "max4", the worst of its four quarters. `device` is
    where networks run, `cache_mib` what a process keeps of layers that candidates share; neither decides anything else.
    """

    model: str
    preset: str
    checkpoint: str | None
    corpus: str
    corpus_path: str | None
    skip_bad: bool = False
    error: str = WHOLE
    device: str = CPU
    cache_mib: int = CACHE_MIB

    @property
    def checkpoint_path(self) -> Path:
        """Raises ValueError for an unknown model or preset, FileNotFoundError where no checkpoint is shipped."""
        if self.checkpoint is not None:
            return Path(self.checkpoint)
        preset(self.model, self.preset)
        return shipped_path(self.model, self.preset)


@dataclass(frozen=True)
class Measurement:
    """Phone errors over the split, and each matvec's computed fraction.

    `error_percent` is the task's: of the whole split, or the largest of `quarter_errors_percent`.
    """

    error_percent: float
    quarter_errors_percent: tuple[float, ...]
    substitutions: int
    deletions: int
    insertions: int
    reference_phones: int
    computed: dict[str, float]
    seconds: float


def task_workload(task: Task) -> Workload:
    """The checkpoint's workload; loads no torch. Raises ValueError or FileNotFoundError on a bad checkpoint."""
    spec, _ = read_card(task.checkpoint_path)
    if spec.name != task.model:
        raise ValueError(f"checkpoint {task.checkpoint_path} holds a {spec.name}, not a {task.model}")
    return spec.workload()


def task_fingerprint(task: Task) -> dict[str, str]:
    """Content identity of what a measurement depends on besides the configuration."""
    from dse.calibrate import CALIBRATION_PER_SPEAKER

    corpus = _open(task)
    record = corpus_record(corpus)
    told = {key: str(value) for key, value in record.items() if key != "name"}  # notes, skipped and repaired utterances
    return told | {
        "checkpoint": content_hash(task.checkpoint_path),
        "validation": corpus.fingerprint("validation"),
        "calibration": f"train, first {CALIBRATION_PER_SPEAKER} a speaker, {corpus.fingerprint('train')}",
    }


class Measurer:
    """Holds one network's engine and one split's features; `measure` is a pure function of the configuration."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        calibration: Calibration,
        corpus: Corpus,
        split: Split,
        error: str = WHOLE,
        device: str = CPU,
        cache_mib: int = CACHE_MIB,
    ) -> None:
        """Raises ValueError where `device` does not give the CPU's integers."""
        from dse.phones.decode import Decoder

        self.workload = checkpoint.spec.workload()
        self.batch_frames = frames_at_once(self.workload)
        self.decoder = Decoder.from_arrays(dict(checkpoint.decoder))
        self.engine = build_engine(checkpoint.spec, checkpoint.weights, calibration, device)
        if device != CPU:
            from models.gpu.batch import FRAMES_PER_BATCH

            # many utterances a step are what a GPU is quick at, and its memory is what bounds them
            self.batch_frames = max(self.batch_frames, FRAMES_PER_BATCH)
            compiled = build_engine(checkpoint.spec, checkpoint.weights, calibration)
            require_same(self.engine, compiled, split, self.workload, device)
        else:
            self.engine.prefixes.limit_bytes = cache_mib * 2**20
        self.corpus, self.split, self.error = corpus, split, error

    @cached_property
    def _pieces(self) -> list[tuple[NDArray[np.int64], Split]]:
        return [(chosen, self.split.take(chosen)) for chosen in stages(len(self.split))]

    def _left(self, before: Part) -> list[tuple[NDArray[np.int64], Split]]:
        return [piece for piece in self._pieces if piece[0][0] not in before.utterances]

    @property
    def stages(self) -> int:
        """How many samples there are before the whole split."""
        return len(self._pieces) - 1

    def sample(self, configuration: Configuration, before: Part | None = None) -> Part:
        """What `before` ran of the split, and one stage more. Raises ValueError as `measure` does."""
        if before is None:
            return self._run(*self._pieces[0], configuration)
        return joined(before, self._run(*self._left(before)[0], configuration), self.workload)

    def measure(self, configuration: Configuration, sample: Part | None = None) -> Measurement:
        """What `sample` ran of the split is not run again.

        Raises ValueError where the configuration does not fit the network or its outputs are not finite.
        """
        if sample is None:
            whole = self._run(np.arange(len(self.split)), self.split, configuration)
        else:
            whole = sample
            for piece in self._left(sample):
                whole = joined(whole, self._run(*piece, configuration), self.workload)
        errors = whole.errors
        quarters = quarter_errors_percent(errors)
        return Measurement(
            error_percent=max(quarters) if self.error == MAX4 else errors.percent,
            quarter_errors_percent=quarters,
            substitutions=int(errors.substitutions.sum()),
            deletions=int(errors.deletions.sum()),
            insertions=int(errors.insertions.sum()),
            reference_phones=int(errors.reference_phones.sum()),
            computed=whole.computed,
            seconds=whole.seconds,
        )

    def _run(self, utterances: NDArray[np.int64], split: Split, configuration: Configuration) -> Part:
        from dse.phones.decode import errors_of

        start = time.perf_counter()
        decoded, computed = [], []
        for batch in batches(split.lengths, self.batch_frames):
            bounds = split.offsets[batch.start : batch.stop + 1]
            features = split.features[bounds[0] : bounds[-1]]
            part = int(utterances[0]), len(utterances), batch.start
            logits, fractions = self.engine.run(features, bounds - bounds[0], configuration, part)
            scores = phone_state_scores(self.corpus, logits)
            decoded.append(self.decoder.decode(scores, split.lengths[batch]))
            computed.append((len(features), fractions))
        phones, counts = (np.concatenate(arrays) for arrays in zip(*decoded, strict=True))
        errors = errors_of(phones, counts, split.segment_phones, split.segment_counts)
        fractions = mean(computed, self.workload)
        seconds = time.perf_counter() - start
        return Part(utterances, len(self.split), errors, fractions, len(split.features), seconds)


def open_measurer(task: Task, split: str = "validation") -> Measurer:
    """Load, calibrate on training data and hold `split`. One thread: searches run one measurer per core.

    Raises ValueError or FileNotFoundError, in one line, for anything missing or damaged.
    """
    from dse.calibrate import calibration_of
    from dse.corpora.load import load_split

    require_gpu(task.device)
    task_workload(task)
    corpus = _open(task)
    checkpoint = load(task.checkpoint_path)
    if not checkpoint.decoder:
        raise ValueError(f"checkpoint {task.checkpoint_path} holds no decoder; import it again with --corpus")
    calibration = calibration_of(checkpoint, corpus)
    return Measurer(checkpoint, calibration, corpus, load_split(corpus, split), task.error, task.device, task.cache_mib)


def _open(task: Task) -> Corpus:
    return open_corpus(task.corpus, task.corpus_path, task.skip_bad)
