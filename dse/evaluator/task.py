"""Task of a trained network on a corpus. Light: networks and speech are loaded when it is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse.evaluator.measurement import Measurer, Task
from models.devices import CPU, require_known
from models.quantization.scheme import COMPENSATED, MATRIX, ROW, Scheme, scheme_of
from models.workload import InputError, Workload

if TYPE_CHECKING:
    from dse.corpora.base import Corpus

CACHE_MIB = 512  # of prefixes: 12 to 17 outputs of the embedded networks; twice as much saves little more

PATHS = ("checkpoint", "corpus_path")
HOW = ("device", "cache_mib")  # how it is run, which is no part of what it is


@dataclass(frozen=True)
class NetworkTask:
    """Task of a trained network on a corpus; `checkpoint` None is the shipped one.

    `rounding`, `scales` and `zero_points` are the quantization scheme, see `models.quantization.scheme`; what is None
    is the best that the platforms of a search take. `device` is where networks run, `cache_mib` the memory of a process
    for prefixes that candidates share; neither changes a result. Raises InputError on an unknown device or scheme and a
    negative cache.
    """

    model: str = "sru"
    preset: str = "edge"
    checkpoint: str | None = None
    corpus: str = "synthetic"
    corpus_path: str | None = None
    skip_bad: bool = False
    rounding: str = COMPENSATED
    scales: str | None = None
    zero_points: bool | None = None
    device: str = CPU
    cache_mib: int = CACHE_MIB

    def __post_init__(self) -> None:
        for name in ("model", "preset", "checkpoint", "corpus", "corpus_path", "device"):
            value = getattr(self, name)
            if isinstance(value, os.PathLike):
                object.__setattr__(self, name, os.fspath(value))
            elif not isinstance(value, str) and (value is not None or name not in PATHS):
                raise InputError(f"{name} is {value!r}, not a text")
        self.scheme  # noqa: B018  an unknown one is reported at once
        require_known(self.device)
        if type(self.cache_mib) is not int or self.cache_mib < 0:
            raise InputError(f"cache_mib {self.cache_mib} is too small; it is at least 0")

    @property
    def scheme(self) -> Scheme:
        """Quantization scheme of what is evaluated."""
        zero_points = True if self.zero_points is None else self.zero_points
        return scheme_of(self.rounding, self.scales or ROW, zero_points)

    def within(self, row_scales: bool, zero_points: bool) -> NetworkTask:
        """The same task with a scheme that platforms take. Raises InputError where another one was asked for."""
        for what, wanted, taken in (
            (f"a scale a {ROW}", self.scales == ROW, row_scales),
            ("zero points", self.zero_points is True, zero_points),
        ):
            if wanted and not taken:
                raise InputError(f"{what}: not every platform of this search takes them; leave the option out")
        return replace(
            self,
            scales=self.scales or (ROW if row_scales else MATRIX),
            zero_points=zero_points if self.zero_points is None else self.zero_points,
        )

    def at(self, checkpoint: str) -> NetworkTask:
        """The same task with another checkpoint's weights; it keeps no prefixes, so that several take little memory."""
        return replace(self, checkpoint=checkpoint, cache_mib=0)

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
        return replace(spec.workload(), stored=self.scheme.stored)

    @property
    def fingerprint(self) -> dict[str, str]:
        from dse.corpora import corpus_record
        from dse.evaluator.calibrate import CALIBRATION_PER_SPEAKER
        from dse.phones.kinds import ERROR_NAMES, VITERBI, kind_of
        from models.checkpoint import content_hash, load

        card = load(self.checkpoint_path).card  # a damaged one is refused here, before anything is planned on it
        corpus = self.open_corpus()
        # notes, skipped and repaired utterances
        told = {key: str(value) for key, value in corpus_record(corpus).items() if key != "name"}
        if (kind := kind_of(card.get("decoder"))) != VITERBI:
            told["error"] = ERROR_NAMES[kind]
        return told | {
            "checkpoint": content_hash(self.checkpoint_path),
            "validation": corpus.fingerprint("validation"),
            "quantization": str(self.scheme),
            "calibration": f"train, first {CALIBRATION_PER_SPEAKER} a speaker, {corpus.fingerprint('train')}",
        }

    @property
    def remarks(self) -> tuple[str, ...]:
        from dse.evaluator.remarks import remarks, untaken
        from models.checkpoint import load

        checkpoint = load(self.checkpoint_path)
        return (
            *remarks(self.model, checkpoint.card, self.open_corpus()),
            *untaken(checkpoint.learned, self.scheme),
        )

    @property
    def recorded_error_percent(self) -> float | None:
        from dse.evaluator.remarks import recorded_error
        from models.checkpoint import read_card

        return recorded_error(read_card(self.checkpoint_path)[1], self.open_corpus())

    def open_corpus(self) -> Corpus:
        from dse.corpora import open_corpus

        return open_corpus(self.corpus, self.corpus_path, self.skip_bad)

    def speakers(self) -> tuple[str, ...]:
        from dse.corpora.load import load_split

        return load_split(self.open_corpus(), "validation").speakers

    def open(self, split: str = "validation") -> Measurer:
        """Load the network, calibrate it on training data and load `split`.

        The measurer runs on one thread: searches run one measurer per core.
        """
        from dse.evaluator.measure import open_measurer

        self.workload  # noqa: B018  a wrong model is reported before the corpus is read
        checkpoint, corpus = self.checkpoint_path, self.open_corpus()
        return open_measurer(checkpoint, corpus, split, self.scheme, self.device, self.cache_mib)

    def record(self) -> dict[str, Any]:
        paths = {name: str(Path(path).absolute()) for name in PATHS if (path := getattr(self, name)) is not None}
        return {name: value for name, value in (asdict(self) | paths).items() if name not in HOW}


def recorded_task(record: Mapping[str, Any], kind: Callable[..., Task] = NetworkTask, **changes: Any) -> Task:
    """Make the task of a `record`, with the fields in `changes` replaced; unknown fields are left out."""
    known = {field.name for field in fields(NetworkTask)}
    return kind(**{name: value for name, value in {**record, **changes}.items() if name in known})
