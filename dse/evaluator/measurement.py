"""What an evaluation asks for: a task that any process can open, and the measurer that it then has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dse.design.evaluation import UtteranceErrors
from models.workload import Configuration, Workload


@dataclass(frozen=True)
class Measurement:
    """What one inference over a split tells: phone errors of its utterances, each matvec's computed fraction."""

    errors: UtteranceErrors
    computed: Mapping[str, float]
    seconds: float

    @property
    def error_percent(self) -> float:
        """PER of the whole split."""
        return self.errors.percent


class Measurer(Protocol):
    """Runs the quantized network over a split. Opened once per process."""

    @property
    def workload(self) -> Workload: ...
    def measure(self, configuration: Configuration) -> Measurement: ...


class Openable(Protocol):
    """Light and picklable until it is opened. Raises InputError, in one line, for anything missing or damaged."""

    def open(self, split: str = "validation") -> Measurer: ...


class Task(Openable, Protocol):
    """What is measured. All of it raises InputError, in one line, for anything missing or damaged."""

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
        """Loads no torch."""
        ...

    @property
    def fingerprint(self) -> dict[str, str]:
        """Content identity of what a measurement depends on besides the configuration."""
        ...

    def record(self) -> dict[str, Any]:
        """What makes it again, JSON-ready: paths, where there are any, from the root of the file system."""
        ...
