"""Beacons of a study: retrained networks whose weights scored some of its candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dse.corpora.cache import cache_dir
from models.workload import Configuration, InputError, MissingError

BEACON = "beacon:"  # and a number from 0, an attribute each
TEXTS, NUMBERS = ("checkpoint", "path"), ("seconds", "before_percent", "after_percent")


@dataclass(frozen=True)
class Beacon:
    """A retrained network of a study; beacons are numbered from 1 in the order of their record.

    `checkpoint` is its content's hash, `path` where it lay when it was made. `seconds` are those of its retraining;
    `before_percent` and `after_percent` its validation PER at its own configuration.
    """

    configuration: Configuration
    checkpoint: str
    path: str
    seconds: float
    before_percent: float
    after_percent: float

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "configuration": self.configuration.to_json()}

    @classmethod
    def from_json(cls, data: Any) -> Beacon:
        """Read a record; what a later version holds besides is left out. Raises InputError."""
        try:
            configuration, texts = Configuration.from_json(data["configuration"]), [data[name] for name in TEXTS]
            numbers = [float(data[name]) for name in NUMBERS]
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(f"its beacon cannot be read: {data!r:.60}") from error
        if not all(isinstance(text, str) for text in texts) or not all(0 <= number < math.inf for number in numbers):
            raise InputError(f"its beacon cannot be read: {data!r:.60}")
        return cls(configuration, *texts, *numbers)

    @property
    def found(self) -> Path | None:
        """Where its checkpoint is now: at its path or in the user's cache; None where it is neither."""
        from models.checkpoint import content_hash

        for path in (Path(self.path), beacons_folder() / Path(self.path).name):
            if path.is_file() and content_hash(path) == self.checkpoint:
                return path
        return None


def beacons_folder() -> Path:
    """Folder of the retrained networks of all studies, named by what they are made of."""
    return cache_dir() / "beacons"


def checkpoint_of(beacons: Sequence[Beacon], number: int | None) -> str | None:
    """Path of the checkpoint of a beacon; None, the base network's, for None. Raises MissingError where it is gone."""
    if number is None:
        return None
    beacon = beacons[number - 1]
    if (path := beacon.found) is None:
        raise MissingError(f"beacon {number} is gone from {beacon.path}; the study's search command makes it again")
    return str(path)


def read_beacons(records: Sequence[Any], names: Sequence[str] | None) -> tuple[Beacon, ...]:
    """Beacons of their records. Raises InputError on one that cannot be read, or is of other matvecs than `names`."""
    beacons = tuple(map(Beacon.from_json, records))
    for beacon in beacons:
        if names is not None and tuple(name for name, _ in beacon.configuration) != tuple(names):
            raise InputError("its beacon cannot be read: its matvecs are not those of the workload")
    return beacons


def require_known(beacons: Sequence[Beacon], number: int | None) -> None:
    """Raises InputError where an evaluation was scored by a beacon that the study has no record of."""
    if number is not None and number > len(beacons):
        raise InputError(f"an evaluation was scored by beacon {number}, and the study has {len(beacons)}")
