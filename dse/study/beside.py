"""What a study's record holds beside the search's evaluations, each in an attribute of its own.

Speakers of the split's utterances; the files of chips that it was searched for; evaluations put aside, which the search
never asked for, of one more bit, of sensitivity, or which a beacon was still to score; beacons, which are retrained
networks; and the front's scores on the test split, with when it was frozen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from dse.design.evaluation import Evaluation
from dse.evaluator.pricing import ChipFile
from dse.study.record import from_record, require_of_study
from models.workload import Configuration, InputError, Workload

SPEAKERS, CHIPS = "speakers", "chips"
BEACON = "beacon:"  # and a number from 0
BEACON_FIELDS = ("checkpoint", "path", "seconds")
Aside = dict[tuple[Configuration, int | None], Evaluation]
ASIDE, FINAL = "aside:", "final:"  # and a number; of a front's scores another one, as in final:0:12


@dataclass(frozen=True)
class FinalRun:
    """One scoring of a frozen front on the test split: when it began (ISO 8601, UTC), its points, what they scored.

    `points` are the baseline's configuration and the front's; `scored` holds what is done, with errors on the test
    split, by configuration.
    """

    when: str
    points: tuple[Configuration, ...]
    scored: Mapping[Configuration, Evaluation] = field(default_factory=dict)

    @property
    def left(self) -> tuple[Configuration, ...]:
        """Points that are not scored yet: the run was interrupted."""
        return tuple(configuration for configuration in self.points if configuration not in self.scored)

    @property
    def alone(self) -> bool:
        """Whether it was on one point and the baseline only, as an export's are."""
        return len(self.points) <= 2

    def with_scored(self, evaluation: Evaluation) -> FinalRun:
        return replace(self, scored={**self.scored, evaluation.configuration: evaluation})

    def to_json(self) -> dict[str, Any]:
        return {"when": self.when, "points": [configuration.to_json() for configuration in self.points]}


@dataclass(frozen=True)
class Beacon:
    """A retrained network of a study; beacons are numbered from 1 in the order of their record.

    `checkpoint` is its content's hash, `path` where it lay when it was made. `seconds` are those of its retraining.
    """

    configuration: Configuration
    checkpoint: str
    path: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "configuration": self.configuration.to_json()}

    @classmethod
    def from_json(cls, data: Any) -> Beacon:
        """Read a record; what a later version holds besides is left out. Raises InputError."""
        try:
            beacon = cls(Configuration.from_json(data["configuration"]), *(data[name] for name in BEACON_FIELDS))
            texts = isinstance(beacon.checkpoint, str) and isinstance(beacon.path, str)
            whole = texts and type(beacon.seconds) in (int, float) and 0 <= beacon.seconds < math.inf
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(f"its beacon cannot be read: {data!r:.60}") from error
        if not whole:
            raise InputError(f"its beacon cannot be read: {data!r:.60}")
        return beacon


def test_errors(finals: Iterable[FinalRun]) -> dict[Configuration, float]:
    """Error in percent on the test split of everything that was scored there."""
    scores = (score for run in finals for score in run.scored.values())
    return {score.configuration: score.metrics["error_percent"] for score in scores if score.measured}


def read_speakers(value: Any) -> tuple[str, ...] | None:
    """Speaker of each utterance; None where a study of an earlier version holds none. Raises InputError."""
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InputError(f"its speakers cannot be read: they are {value!r:.60}")
    return tuple(value)


def read_chips(value: Any) -> dict[str, ChipFile]:
    """Files of chips by their content's hash; none where an earlier version held none. Raises InputError."""
    try:
        chips = {name: ChipFile(**file) for name, file in ({} if value is None else value).items()}
    except (TypeError, AttributeError) as error:
        raise InputError(f"its chips cannot be read: they are {value!r:.60}") from error
    if not all(isinstance(text, str) for chip in chips.values() for text in (chip.path, chip.text)):
        raise InputError(f"its chips cannot be read: they are {value!r:.60}")
    return chips


def read_aside(attributes: Mapping[str, Any], workload: Workload | None) -> Aside:
    """Evaluations put aside, by configuration and by the beacon that scored them. Raises InputError."""
    evaluations = (_evaluation(record, workload) for _, record in numbered(attributes, ASIDE))
    return {(evaluation.configuration, evaluation.beacon): evaluation for evaluation in evaluations}


def read_beacons(attributes: Mapping[str, Any], workload: Workload | None) -> tuple[Beacon, ...]:
    """Networks that were retrained, in the order of their numbers. Raises InputError."""
    beacons = tuple(Beacon.from_json(record) for _, record in numbered(attributes, BEACON))
    for beacon in beacons:
        if workload is not None and tuple(name for name, _ in beacon.configuration) != workload.names:
            raise InputError("its beacon cannot be read: its matvecs are not those of the workload")
    return beacons


def read_finals(attributes: Mapping[str, Any], workload: Workload | None) -> tuple[FinalRun, ...]:
    """Scores on the test split, first run first. Raises InputError."""
    runs = []
    for key, record in numbered(attributes, FINAL):
        try:
            when, points = record["when"], tuple(map(Configuration.from_json, record["points"]))
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(f"its run on the test split cannot be read: {record!r:.60}") from error
        scores = [_evaluation(score, workload) for _, score in numbered(attributes, f"{key}:")]
        if not isinstance(when, str) or any(score.configuration not in points for score in scores):
            raise InputError(f"its run on the test split cannot be read: {when!r:.60}, {len(scores)} scores")
        runs.append(FinalRun(when, points, {score.configuration: score for score in scores}))
    return tuple(runs)


def numbered(attributes: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Attributes called `prefix` and a number, in the order of the numbers."""
    numbers = sorted(int(n) for key in attributes if key.startswith(prefix) and (n := key[len(prefix) :]).isdecimal())
    for number in numbers:
        yield f"{prefix}{number}", attributes[f"{prefix}{number}"]


def _evaluation(record: Any, workload: Workload | None) -> Evaluation:
    evaluation = from_record(record)
    require_of_study(evaluation, None, workload)
    return evaluation
