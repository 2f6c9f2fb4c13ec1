"""Interfaces of what is evaluated: a task that any process can open, and the measurer that it opens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dse.design.utterance_errors import UtteranceErrors
from models.workload import Configuration, Workload


@dataclass(frozen=True)
class Measurement:
    """Result of one inference over a split: phone errors of its utterances, each matvec's computed fraction."""

    errors: UtteranceErrors
    computed: Mapping[str, float]
    seconds: float

    @property
    def error_percent(self) -> float:
        """Phone error rate of the whole split, in percent."""
        return self.errors.percent


class Measurer(Protocol):
    """Measurer that runs the quantized network over a split. Opened once per process."""

    @property
    def workload(self) -> Workload: ...
    def measure(self, configuration: Configuration) -> Measurement:
        """Run, decode and score the network at a configuration."""
        ...


class Openable(Protocol):
    """Object that opens a measurer; light and picklable until then.

    `open` raises InputError, in one line, for anything missing or damaged.
    """

    def open(self, split: str = "validation") -> Measurer:
        """Open the measurer of `split`."""
        ...

    def at(self, checkpoint: str) -> Openable:
        """The same with the weights of the checkpoint at a path, as retraining writes them."""
        ...


class Task(Openable, Protocol):
    """Task of an evaluation: a network on a corpus.

    Every member raises InputError, in one line, for anything missing or damaged.
    """

    @property
    def model(self) -> str: ...
    @property
    def preset(self) -> str: ...
    @property
    def corpus(self) -> str: ...
    @property
    def device(self) -> str: ...

    @property
    def workload(self) -> Workload:
        """Workload of the network. Loads no torch."""
        ...

    @property
    def fingerprint(self) -> dict[str, str]:
        """Identity, by content, of all that a measurement depends on besides the configuration."""
        ...

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines to tell before the first measurement, of the corpus and of what its figures are not worth."""
        ...

    @property
    def recorded_error_percent(self) -> float | None:
        """Error in percent that the float network had on the validation split, where that is recorded."""
        ...

    def speakers(self) -> tuple[str, ...]:
        """Speaker of each utterance of the validation split, in its order."""
        ...

    def at(self, checkpoint: str) -> Task: ...

    def within(self, row_scales: bool, zero_points: bool) -> Task:
        """The same task with a quantization scheme that platforms take: scales of rows or not, zero points or not."""
        ...

    def record(self) -> dict[str, Any]:
        """Fields from which the task can be made again, JSON-ready; paths are absolute."""
        ...
