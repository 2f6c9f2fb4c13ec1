"""The record of a study: an Optuna study in any Optuna storage, one trial per evaluation.

Parameters are readable values (bits, thresholds), trial values are the objectives as people read them, everything else
is in the trial's user attributes. An ok evaluation is COMPLETE; an infeasible one is COMPLETE with a broken constraint
if it was measured, PRUNED if no inference was spent; a failed one is FAIL, and stays beside the success of a later try.
So `best_trials` and optuna-dashboard agree with our front.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from dse.errors import first_line
from dse.evaluate import Evaluation
from dse.objective import Objective, objectives_named, values
from dse.space import Genome, SearchSpace
from models.workload import MatVec, Workload

SQLITE = "sqlite:///"
# What SQLAlchemy imports for a database (2.1 psycopg, before psycopg2), where pip knows it by another name.
PIP_NAMES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
EVALUATION_FIELDS = ("genome", "configuration", "status", "reasons", "computed", "violation", "seconds")

optuna.logging.set_verbosity(optuna.logging.WARNING)


class StoreError(ValueError):
    """The storage cannot be opened, read or written."""


class Store:
    """Evaluations of one study, by genome. `settings` is what the study was made with."""

    def __init__(self, study: optuna.Study, url: str) -> None:
        self._study = study
        self._url = url
        with _one_line_errors(url):
            attributes = study.user_attrs
            trials = study.get_trials(deepcopy=False)
        if "settings" not in attributes:
            where = f"study '{study.study_name}' in {hide_password(url)}"
            raise StoreError(f"{where} holds no settings; it was not made by dse")
        self.settings: dict[str, Any] = attributes["settings"]
        self.baseline = Evaluation.from_json(attributes["baseline"]) if "baseline" in attributes else None
        self.workload = _workload(attributes["workload"]) if "workload" in attributes else None
        self.evaluations: dict[Genome, Evaluation] = {}
        for trial in trials:
            if "genome" in trial.user_attrs:
                evaluation = _from_trial(trial)
                before = self.evaluations.get(evaluation.genome)
                if before is None or before.status == "failed":
                    self.evaluations[evaluation.genome] = evaluation

    @property
    def name(self) -> str:
        return self._study.study_name

    @property
    def objectives(self) -> tuple[Objective, ...]:
        return objectives_named(self.settings["objectives"], self.settings.get("platforms", ()))

    def set_workload(self, workload: Workload) -> None:
        """What platforms need to price the evaluations later on."""
        with _one_line_errors(self._url, len(self.evaluations)):
            self._study.set_user_attr("workload", asdict(workload))
        self.workload = workload

    def set_baseline(self, evaluation: Evaluation) -> None:
        with _one_line_errors(self._url, len(self.evaluations)):
            self._study.set_user_attr("baseline", evaluation.to_json())
        self.baseline = evaluation

    def add(self, evaluation: Evaluation, space: SearchSpace) -> None:
        """Store at once, in one transaction; a success takes the place of a failure.

        Raises StoreError; nothing stored before is lost.
        """
        before = self.evaluations.get(evaluation.genome)
        if before is not None and before.status == evaluation.status == "failed":
            return  # it failed again; one record of that will do
        with _one_line_errors(self._url, len(self.evaluations)):
            self._study.add_trial(_to_trial(evaluation, space, self.objectives))
        self.evaluations[evaluation.genome] = evaluation


def open_study(url: str, name: str, settings: Mapping[str, Any], objectives: Sequence[Objective]) -> Store:
    """Open a study or start it. Raises StoreError if it was made with other settings, with every difference."""
    _make_directory(url)
    with _one_line_errors(url):
        study = optuna.create_study(
            storage=url, study_name=name, directions=[o.direction for o in objectives], load_if_exists=True
        )
        if "settings" not in study.user_attrs and not study.get_trials(deepcopy=False):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names([objective.metric for objective in objectives])
            study.set_user_attr("settings", dict(settings))
    store = Store(study, url)
    if different := differences(store.settings, settings):
        raise StoreError(f"study '{name}' in {hide_password(url)} was made with other settings: {'; '.join(different)}")
    return store


def load_study(url: str, name: str) -> Store:
    """Open a study that exists. Raises StoreError, naming the studies there are."""
    if url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).exists():
        raise StoreError(f"no storage at {url}")
    with _one_line_errors(url):
        names = optuna.get_all_study_names(storage=url)
        if name not in names:
            there = ", ".join(sorted(names)) or "none"
            raise StoreError(f"no study '{name}' in {hide_password(url)}; there are {there}")
        study = optuna.load_study(storage=url, study_name=name)
    return Store(study, url)


def hide_password(url: str) -> str:
    """The address of a storage as messages may tell it."""
    return re.sub("([?&]password=)[^&]*", r"\1***", re.sub("(://[^/:@]*:).*@", r"\1***@", url))


def differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """'field: stored X, now Y' for every field that differs, nested fields joined by dots."""
    found = []
    for field in dict.fromkeys((*stored, *now)):
        before, after = stored.get(field), now.get(field)
        if isinstance(before, dict) or isinstance(after, dict):
            found += [f"{field}.{difference}" for difference in differences(before or {}, after or {})]
        elif before != after:
            found.append(f"{field}: stored {_shown(before)}, now {_shown(after)}")
    return found


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _to_trial(evaluation: Evaluation, space: SearchSpace, objectives: Sequence[Objective]) -> FrozenTrial:
    state = TrialState.COMPLETE
    if evaluation.status == "failed":
        state = TrialState.FAIL
    elif not evaluation.measured:
        state = TrialState.PRUNED
    record = evaluation.to_json()
    distributions: dict[str, BaseDistribution] = {
        gene.name: CategoricalDistribution(gene.choices) for gene in space.genes
    }
    return create_trial(
        state=state,
        params=space.values(evaluation.genome),
        distributions=distributions,
        values=list(values(objectives, evaluation.metrics)) if state == TrialState.COMPLETE else None,
        user_attrs={field: record[field] for field in EVALUATION_FIELDS} | evaluation.metrics,
        system_attrs={} if evaluation.status == "failed" else {"constraints": [evaluation.violation]},
    )


def _from_trial(trial: FrozenTrial) -> Evaluation:
    attributes = trial.user_attrs
    record = {field: attributes[field] for field in EVALUATION_FIELDS}
    metrics = {name: value for name, value in attributes.items() if name not in record}
    return Evaluation.from_json({**record, "metrics": metrics})


def _workload(data: Mapping[str, Any]) -> Workload:
    return Workload(**{**data, "matvecs": tuple(MatVec(**matvec) for matvec in data["matvecs"])})


def _make_directory(url: str) -> None:
    if url.startswith(SQLITE) and (path := url.removeprefix(SQLITE)):
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the directory of {url}: {error.strerror}") from error


@contextmanager
def _one_line_errors(url: str, stored: int | None = None) -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise
    except ImportError as error:
        module = getattr(error.__cause__, "name", None) or error.name or str(error)
        raise StoreError(
            f"the storage {hide_password(url)} needs the package {module}: "
            f"pip install '{PIP_NAMES.get(module, module)}'"
        ) from error
    except (SQLAlchemyError, optuna.exceptions.OptunaError, OSError, ValueError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error
        reason = first_line(getattr(cause, "orig", None) or cause)
        doing = "open" if stored is None else "write to"
        kept = f"; the {stored} evaluations stored before are safe" if stored else ""
        raise StoreError(f"cannot {doing} the storage {hide_password(url)}: {reason}{kept}") from error
