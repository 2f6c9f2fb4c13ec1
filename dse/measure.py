"""One candidate's inference: checkpoint, corpus split and configuration in, phone errors and computed fractions out."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dse.corpora import Corpus, corpus_record, open_corpus
from dse.device import CPU, require_gpu, require_same
from dse.evaluate import MAX4, WHOLE
from dse.senones import phone_state_scores
from models.checkpoint import content_hash, load, read_card, shipped_path
from models.registry import preset
from models.workload import Configuration, Workload

if TYPE_CHECKING:
    from dse.data import Split
    from dse.phones import PhoneErrors
    from models.calibration import Calibration
    from models.checkpoint import Checkpoint

# Calibration reads the first utterances of every training speaker: all speakers, about 2 minutes of speech here.
CALIBRATION_PER_SPEAKER = 2
QUARTERS = 4


@dataclass(frozen=True)
class Task:
    """Everything a worker needs to open a measurer. `checkpoint` None is the shipped one.

    `error` is what a candidate's error is: of the whole split, or "max4", the worst of its four quarters. `device` is
    where networks run; it decides nothing else.
    """

    model: str
    preset: str
    checkpoint: str | None
    corpus: str
    corpus_path: str | None
    skip_bad: bool = False
    error: str = WHOLE
    device: str = CPU

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
    corpus = _open(task)
    record = corpus_record(corpus)
    told = {key: str(value) for key, value in record.items() if key != "name"}  # notes, skipped and repaired utterances
    return told | {
        "checkpoint": content_hash(task.checkpoint_path),
        "validation": corpus.fingerprint("validation"),
        "calibration": f"train, first {CALIBRATION_PER_SPEAKER} a speaker, {corpus.fingerprint('train')}",
    }


@dataclass(frozen=True, eq=False)
class Part:
    """What a run over part of a split tells: errors of each of its utterances, computed fractions of its frames."""

    errors: PhoneErrors
    computed: dict[str, float]
    frames: int
    seconds: float

    @property
    def utterance_errors(self) -> list[int]:
        return _errors(self.errors).tolist()

    @property
    def reference_phones(self) -> int:
        return int(self.errors.reference_phones.sum())


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
    ) -> None:
        """Raises ValueError where `device` does not give the CPU's integers."""
        from dse.decode import Decoder

        self.workload = checkpoint.spec.workload()
        self.decoder = Decoder.from_arrays(dict(checkpoint.decoder))
        self.engine = checkpoint.spec.engine(checkpoint.weights, calibration, device)
        if device != CPU:
            compiled = checkpoint.spec.engine(checkpoint.weights, calibration)
            require_same(self.engine, compiled, split, self.workload, device)
        self.corpus, self.split, self.error = corpus, split, error

    @cached_property
    def _quarter(self) -> Split:
        return self.split.take(range(0, len(self.split), QUARTERS))

    @cached_property
    def _rest(self) -> Split:
        return self.split.take(u for u in range(len(self.split)) if u % QUARTERS)

    def sample(self, configuration: Configuration) -> Part:
        """The first quarter: every fourth utterance. Raises ValueError as `measure` does."""
        return self._run(self._quarter, configuration)

    def measure(self, configuration: Configuration, sample: Part | None = None) -> Measurement:
        """What `sample` ran of the split is not run again.

        Raises ValueError where the configuration does not fit the network or its outputs are not finite.
        """
        if sample is None or not len(self._rest):
            whole = self._run(self.split, configuration)
        else:
            whole = _joined(sample, self._run(self._rest, configuration))
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

    def _run(self, split: Split, configuration: Configuration) -> Part:
        start = time.perf_counter()
        logits, computed = self.engine.run(split.features, split.offsets, configuration)
        scores = phone_state_scores(self.corpus, logits)
        errors = self.decoder.error(scores, split.lengths, split.segment_phones, split.segment_counts)
        return Part(errors, computed, len(split.features), time.perf_counter() - start)


def _joined(quarter: Part, rest: Part) -> Part:
    """Both in the order of the whole split; every element of an input counts alike, so every frame does."""
    from dse.phones import PhoneErrors

    utterances = len(quarter.errors.reference_phones) + len(rest.errors.reference_phones)
    in_quarter = np.arange(utterances) % QUARTERS == 0

    def both(name: str) -> NDArray[np.int64]:
        joined = np.empty(utterances, np.int64)
        joined[in_quarter], joined[~in_quarter] = getattr(quarter.errors, name), getattr(rest.errors, name)
        return joined

    frames = quarter.frames + rest.frames
    return Part(
        PhoneErrors(*(both(field.name) for field in fields(PhoneErrors))),
        {
            name: (quarter.frames * fraction + rest.frames * rest.computed[name]) / frames
            for name, fraction in quarter.computed.items()
        },
        frames,
        quarter.seconds + rest.seconds,
    )


def _errors(errors: PhoneErrors) -> NDArray[np.int64]:
    return errors.substitutions + errors.deletions + errors.insertions


def quarter_errors_percent(errors: PhoneErrors) -> tuple[float, ...]:
    """PER of four disjoint quarters of the utterances: utterance u is in quarter u mod 4, so each has all speakers.

    A quarter without a reference phone, as of fewer than four utterances, is left out.
    Source: Rezk et al., MOHAQ, who take the largest of four as a candidate's error.
    """
    counts = _errors(errors)
    quarters = ((counts[q::QUARTERS].sum(), errors.reference_phones[q::QUARTERS].sum()) for q in range(QUARTERS))
    return tuple(100.0 * float(wrong) / float(phones) for wrong, phones in quarters if phones)


def calibrate(checkpoint: Checkpoint, split: Split) -> Calibration:
    """Ranges of the float network on training utterances."""
    import torch

    from models.calibration import Recorder

    network = checkpoint.network()
    recorder = Recorder(checkpoint.spec.workload().names)
    with torch.no_grad():
        network(torch.tensor(split.features), torch.tensor(split.offsets), recorder)
    return recorder.calibration()


def open_measurer(task: Task, split: str = "validation") -> Measurer:
    """Load, calibrate on training data and hold `split`. One thread: searches run one measurer per core.

    Raises ValueError or FileNotFoundError, in one line, for anything missing or damaged.
    """
    import torch

    from dse.data import load_split

    require_gpu(task.device)
    torch.set_num_threads(1)
    task_workload(task)
    corpus = _open(task)
    checkpoint = load(task.checkpoint_path)
    if not checkpoint.decoder:
        raise ValueError(f"checkpoint {task.checkpoint_path} holds no decoder; import it again with --corpus")
    calibration = calibrate(checkpoint, load_split(corpus, "train", CALIBRATION_PER_SPEAKER))
    return Measurer(checkpoint, calibration, corpus, load_split(corpus, split), task.error, task.device)


def _open(task: Task) -> Corpus:
    return open_corpus(task.corpus, task.corpus_path, task.skip_bad)
