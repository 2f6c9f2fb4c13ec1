"""Settings of a search: what to search, and how."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from dse.design.genes import DEFAULT_BITS, DELTA_LAYERS, SKIP_FIRST
from dse.design.rules import parse_rules
from dse.evaluator.measurement import Task
from dse.evaluator.pricing import split_specs
from dse.evaluator.task import NetworkTask
from dse.retraining.settings import RetrainSettings
from dse.study.storage import DEFAULT_STORAGE, require_address, require_study_name
from models.devices import CPU
from models.workload import InputError

SMALLEST_POPULATION = 4
TEXTS = ("objectives", "limits", "platforms", "skip", "genes", "freeze")
WHOLE_TEXTS = ("genes", "freeze")  # whose commas say more than where one ends
NUMBERS = ("weight_bits", "activation_bits", "delta")
DEFAULT_EVALUATIONS = 300
AT_LEAST = {
    "evaluations": 1,
    "seed": 0,
    "population": SMALLEST_POPULATION,
    "beacons": 0,
    "beacon_epochs": 1,
    "workers": 1,
    "stop_when_stalled": 1,
}
# Beyond them a search is drawn or started for hours before it begins; seeds are what Optuna's samplers take.
AT_MOST = {
    "evaluations": 10**7,
    "seed": 2**32 - 1,
    "population": 10**4,
    "beacons": 10**3,
    "beacon_epochs": 10**4,
    "workers": 10**3,
    "stop_when_stalled": 10**7,
}
OPTIONS_AS = {"from": "start"}  # the setting that an option of another name is
MAY_BE_NONE = ("evaluations", "workers", "stop_when_stalled")


@dataclass(frozen=True)
class SearchSettings:
    """What to search. What follows `beacon_epochs`, and the number of evaluations, is not part of the study's identity.

    `limits` and `platforms` are texts as on the command line: "error=+3", "bitfusion:level=ideal". A limit of
    error=+10 is added unless an error is limited or the limit is "none". Raises InputError on numbers out of range, a
    storage that keeps nothing, and a study whose name is not a folder's.
    """

    task: Task = field(default_factory=NetworkTask)
    objectives: tuple[str, ...] = ("error", "size")
    limits: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    evaluations: int | None = None  # None: DEFAULT_EVALUATIONS, of an exhaustive search all
    seed: int = 1
    population: int = 40
    searcher: str = "surrogate"
    weight_bits: tuple[int, ...] = DEFAULT_BITS
    activation_bits: tuple[int, ...] = DEFAULT_BITS
    delta: tuple[int, ...] | None = None  # None: DEFAULT_DELTA where something gains from eliminated operations
    skip: tuple[str, ...] = (SKIP_FIRST,)
    delta_genes: str = DELTA_LAYERS
    genes: tuple[str, ...] = ()  # as in "l2.weight_bits=4,8"
    freeze: tuple[str, ...] = ()  # as in "delta=0", or "bits" at the point that the search starts from
    start: str | None = None  # a point of another study to start from: "STUDY:NUMBER"
    beacons: int = 0  # candidates that are retrained, at most
    beacon_epochs: int = RetrainSettings.epochs
    workers: int | None = None  # None: one a core, one alone on a GPU
    stop_when_stalled: int | None = None  # so many evaluations in a row that bring nothing new end the search
    timeout: float | None = None  # in minutes
    cluster: str | None = None  # the address of a dask scheduler, whose workers take the place of processes here
    storage: str = DEFAULT_STORAGE
    study: str | None = None

    def __post_init__(self) -> None:
        for name in TEXTS:
            object.__setattr__(self, name, _texts(name, getattr(self, name)))
        for name in NUMBERS:
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, _numbers(name, value))
        for name in ("start", "study", "cluster"):
            if (text := getattr(self, name)) is not None and not isinstance(text, str):
                raise InputError(f"{name} is {text!r}, not a text")
        parse_rules(self.genes, self.freeze)
        require_address(self.storage)
        if self.study is not None:
            require_study_name(self.study)
        for name, least in AT_LEAST.items():
            value = getattr(self, name)
            if value is None and name in MAY_BE_NONE:
                continue
            if type(value) is not int:
                raise InputError(f"{name} is {value!r}, not a whole number")
            if value < least:
                raise InputError(f"{name} {value} is too small; it is at least {least}")
            if value > AT_MOST[name]:
                raise InputError(f"{name} {value} is too large; it is at most {AT_MOST[name]}")
        if self.timeout is not None and (type(self.timeout) not in (int, float) or not 0 < self.timeout < math.inf):
            raise InputError(f"timeout is {self.timeout!r}, not minutes above 0")

    @classmethod
    def of(cls, kind: Callable[..., Task] = NetworkTask, **given: Any) -> SearchSettings:
        """Make settings from their names and the task's own, side by side. Raises InputError on an unknown name."""
        own, its = ({item.name for item in fields(kind)} for kind in (cls, NetworkTask))
        for name in given:
            if name not in own | its:
                valid = sorted((own | its) - {"task"})
                near = difflib.get_close_matches(OPTIONS_AS.get(name, name), valid, 1)
                raise InputError(
                    f"no setting '{name}'; " + (f"{near[0]}?" if near else f"there are {', '.join(valid)}")
                )
        settings = {name: value for name, value in given.items() if name in own}
        if described := {name: value for name, value in given.items() if name in its}:
            settings["task"] = kind(**described)
        return cls(**{"task": kind(), **settings})

    @property
    def processes(self) -> int:
        """Number of processes that evaluate at once."""
        alone = self.task.device != CPU  # more of them share one GPU's memory, so only where asked for
        return self.workers or (1 if alone else os.cpu_count() or 1)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    """Several texts, or one that holds several, separated by commas."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{name} is {value!r}, not names")
    if name == "platforms":
        return split_specs(texts)
    if name in WHOLE_TEXTS:
        return tuple(texts)
    return tuple(part.strip() for text in texts for part in text.split(",") if part.strip())


def _numbers(name: str, value: Any) -> tuple[int, ...]:
    numbers = [value] if type(value) is int else value
    if not isinstance(numbers, list | tuple) or not all(type(number) is int for number in numbers):
        raise InputError(f"{name} is {value!r}, not whole numbers")
    return tuple(numbers)
