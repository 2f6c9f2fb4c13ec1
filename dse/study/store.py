"""The record of a study in any Optuna storage: opened, read, written; see `record` for what is written."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import optuna
from optuna.storages import RDBStorage

from dse.design.evaluation import Evaluation
from dse.design.limits import parse_limits
from dse.design.objective import Objective, objectives_named
from dse.design.space import Genome, SearchSpace
from dse.evaluator.pricing import ChipFile
from dse.study import beside
from dse.study.beside import Beacon, FinalRun
from dse.study.differences import differences
from dse.study.locks import locked
from dse.study.record import (
    ASKED,
    FORMAT,
    from_record,
    from_trial,
    read_identity,
    read_workload,
    require_metrics,
    require_of_study,
    to_trial,
)
from dse.study.storage import StoreError, hide_password, make_directory, require_address, sqlite_file, uncollected
from dse.study.storage_errors import one_line_errors
from models.workload import Configuration, InputError, Workload

OPENING = "opening"  # makes tables where there are none, which two processes must not do at once
KEPT_BY_OPTUNA = 200  # evaluations; its own copy of each takes more memory than ours

optuna.logging.set_verbosity(optuna.logging.ERROR)  # what is wrong with a storage is told in one line, below


class Store:
    """Evaluations of one study, by genome. Raises StoreError where the record cannot be read.

    `identity` is what makes it the same study as another, `task` what makes its measurer again.
    """

    def __init__(self, storage: RDBStorage, name: str, url: str) -> None:
        self._storage, self.name, self._url = storage, name, url
        where = f"study '{name}' in {hide_password(url)}"
        with one_line_errors(url), uncollected():
            study = optuna.load_study(study_name=name, storage=storage)
            attributes = study.user_attrs
            trials = study.get_trials(deepcopy=False)
            self._forget()
        if not attributes.keys() & {"identity", "settings"}:
            raise StoreError(f"{where} holds no identity; it was not made by dse")
        try:
            self.identity, worst_quarter = read_identity(attributes)
            self.objectives = objectives_named(self.identity["objectives"], self.identity.get("platforms", ()))
            parse_limits(self.identity["limits"], self.identity.get("platforms", ()))
            self.task: dict[str, Any] | None = attributes.get("task")
            if self.task is not None and not isinstance(self.task, dict):
                raise InputError(f"its task cannot be read: it is {self.task!r}")
            self.baseline = from_record(attributes["baseline"], worst_quarter) if "baseline" in attributes else None
            if self.baseline is not None:
                require_metrics(self.baseline, self.objectives)
            self.workload = read_workload(attributes["workload"]) if "workload" in attributes else None
            self.searcher: Any = attributes.get("searcher")
            self.speakers = beside.read_speakers(attributes.get(beside.SPEAKERS))
            self.chips = beside.read_chips(attributes.get(beside.CHIPS))
            self.beacons = beside.read_beacons(attributes, self.workload)
            self.aside = beside.read_aside(attributes, self.workload)
            self.finals = beside.read_finals(attributes, self.workload)
            self.evaluations: dict[Genome, Evaluation] = {}
            self.asked: dict[Genome, int] = {}
            for trial in trials:
                if "genome" in trial.user_attrs:
                    where = f"trial {trial.number} of study '{name}' in {hide_password(url)}"
                    evaluation = from_trial(trial, worst_quarter)
                    require_of_study(evaluation, self.identity.get("genes"), self.workload)
                    before = self.evaluations.get(evaluation.genome)
                    if before is None or before.status == "failed":
                        self.evaluations[evaluation.genome] = evaluation
                        self._asked(evaluation.genome, trial.system_attrs.get(ASKED))
        except InputError as error:
            raise StoreError(f"{where}: {error}") from error

    def set_workload(self, workload: Workload) -> None:
        """Store what platforms need to price the evaluations later on."""
        self._set("workload", asdict(workload))
        self.workload = workload

    def set_task(self, task: dict[str, Any]) -> None:
        """Store what makes the measurer again: for the test split, and for export."""
        if task != self.task:
            self._set("task", task)
            self.task = task

    def set_baseline(self, evaluation: Evaluation) -> None:
        self._set("baseline", evaluation.to_json())
        self.baseline = evaluation

    def set_searcher(self, state: dict[str, Any]) -> None:
        """Store how far the searcher is, see `exploration.recall`."""
        self._set("searcher", state)
        self.searcher = state

    def set_speakers(self, speakers: Sequence[str]) -> None:
        """Store the speaker of every utterance that errors are counted of."""
        self._set(beside.SPEAKERS, list(speakers))
        self.speakers = tuple(speakers)

    def set_chips(self, chips: Mapping[str, ChipFile]) -> None:
        """Store the files of chips of the user's own, for prices of what is measured later on."""
        if chips != self.chips:
            self._set(beside.CHIPS, {content: asdict(chip) for content, chip in chips.items()})
            self.chips = dict(chips)

    def put_aside(self, evaluation: Evaluation) -> None:
        """Store an evaluation that is none of the search's candidates, or not yet."""
        self._set(f"{beside.ASIDE}{len(self.aside)}", evaluation.to_json())
        self.aside[evaluation.configuration, evaluation.beacon] = evaluation

    def add_beacon(self, beacon: Beacon) -> None:
        """Store a network that was retrained, before it scores anything."""
        self._set(f"{beside.BEACON}{len(self.beacons)}", beacon.to_json())
        self.beacons = (*self.beacons, beacon)

    def begin_final(self, points: Sequence[Configuration]) -> None:
        """Store that a front is frozen and the test split is spent on it, before it is opened."""
        run = FinalRun(datetime.now(UTC).isoformat(timespec="seconds"), tuple(points))
        self._set(f"{beside.FINAL}{len(self.finals)}", run.to_json())
        self.finals = (*self.finals, run)

    def add_final(self, evaluation: Evaluation) -> None:
        """Store what one of the last frozen points scores on the test split."""
        *before, run = self.finals
        self._set(f"{beside.FINAL}{len(before)}:{len(run.scored)}", evaluation.to_json())
        self.finals = (*before, run.with_scored(evaluation))

    def _forget(self) -> None:
        """Open the study anew: each Optuna study keeps a copy of every trial that it read or wrote."""
        self._study, self._added = optuna.load_study(study_name=self.name, storage=self._storage), 0

    def _asked(self, genome: Genome, number: Any) -> None:
        if isinstance(number, int):
            self.asked[genome] = number

    def _set(self, attribute: str, value: Any) -> None:
        with self._writing():
            self._study.set_user_attr(attribute, value)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Tell, where writing fails, how much of what was stored is there to be read."""
        try:
            with one_line_errors(self._url, "write to"):
                yield
        except StoreError as error:
            raise StoreError(f"{error}{self._left()}") from error

    def _left(self) -> str:
        if not (stored := len(self.evaluations)):
            return ""
        before = f"the {stored} evaluations stored before"
        try:
            left = len(find_study(self._url, self.name).evaluations)
        except StoreError as error:
            return f"; {before} cannot be read: {error}"
        return f"; of {before} {left} are left" if left < stored else f"; {before} are safe"

    def add(self, evaluation: Evaluation, space: SearchSpace, asked: int | None = None) -> None:
        """Store at once, in one transaction; a success takes the place of a failure.

        `asked`: how many genomes the searcher had asked before this one. Raises StoreError, telling what is left.
        """
        before = self.evaluations.get(evaluation.genome)
        if before is not None and before.status == evaluation.status == "failed":
            return  # it failed again; one record of that will do
        trial = to_trial(evaluation, space, self.objectives, asked)
        with self._writing():
            if self._added == KEPT_BY_OPTUNA:
                self._forget()
            self._study.add_trial(trial)
            self._added += 1
        self.evaluations[evaluation.genome] = evaluation
        self._asked(evaluation.genome, asked)


@contextmanager
def open_alone(
    url: str,
    name: str,
    identity: Mapping[str, Any],
    objectives: Sequence[Objective],
    waiting: Callable[[], object] = lambda: None,
) -> Iterator[Store]:
    """Open a study or start it, for one search at a time: a later one calls `waiting` and waits until the other ends.

    Raises StoreError, without waiting, if the study has another identity.
    """

    def wait() -> None:
        open_study(url, name, identity, objectives)
        waiting()

    make_directory(url)
    with locked(url, f"search of {name}", wait):
        yield open_study(url, name, identity, objectives)


def open_study(url: str, name: str, identity: Mapping[str, Any], objectives: Sequence[Objective]) -> Store:
    """Open a study or start it. Raises StoreError if it has another identity, with every difference."""
    require_address(url)
    make_directory(url)
    with locked(url, OPENING), one_line_errors(url):
        storage = RDBStorage(url)
        if name in optuna.get_all_study_names(storage=storage):  # writes nothing, so that a storage may be read-only
            study = optuna.load_study(storage=storage, study_name=name)
        else:
            study = optuna.create_study(
                storage=storage, study_name=name, directions=[o.direction for o in objectives], load_if_exists=True
            )
        if not study.user_attrs.keys() & {"identity", "settings"} and not study.get_trials(deepcopy=False):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names([objective.metric for objective in objectives])
            study.set_user_attr("format", FORMAT)
            study.set_user_attr("identity", dict(identity))
    store = Store(storage, name, url)
    if different := differences(store.identity, identity):
        raise StoreError(f"study '{name}' in {hide_password(url)} was made with other settings: {'; '.join(different)}")
    return store


def find_study(url: str, name: str) -> Store:
    """Open a study that exists. Raises StoreError, naming the studies there are."""
    require_address(url)
    if (file := sqlite_file(url)) and not file.exists():
        raise StoreError(f"no storage at {url}")
    with locked(url, OPENING), one_line_errors(url):
        storage = RDBStorage(url)
        if name not in (names := optuna.get_all_study_names(storage=storage)):
            there = ", ".join(sorted(names)) or "none"
            raise StoreError(f"no study '{name}' in {hide_password(url)}; there are {there}")
    return Store(storage, name, url)
