"""Searches and measurements that experiments are made of."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from tqdm import tqdm

from dse.design.evaluation import Evaluation
from dse.design.objective import Objective
from dse.experiments.description import Experiment, Variation
from dse.exploration.aside import measure_aside
from dse.exploration.plan import make_plan
from dse.exploration.run import run_plan
from dse.exploration.settings import SearchSettings
from dse.exploration.worker import Job, Worker
from dse.exploration.workers import open_workers
from dse.study.references import uniform_configurations
from dse.study.result import Study, load_study
from models.workload import Configuration, InputError

SettingsOf = Callable[[Mapping[str, Any]], SearchSettings]  # of options as a settings file has them


@dataclass(frozen=True)
class Searched:
    """A search of an experiment and what it found."""

    variation: Variation
    study: Study

    @property
    def others(self) -> list[Objective]:
        """The objectives beside the error."""
        return [objective for objective in self.study.objectives if not objective.relative_limits]


def settings_of_all(experiment: Experiment, settings_of: SettingsOf) -> list[tuple[Variation, SearchSettings]]:
    """Each variation with its settings. Raises InputError where one cannot be planned, before the first is searched."""
    found = [(variation, settings_of(variation.options)) for variation in experiment.variations]
    for _, settings in found:
        make_plan(settings)
    return found


def search(settings: SearchSettings, name: str) -> Study:
    """The study of a search, which is run where it is not finished; `name` is what it goes by meanwhile.

    What a longer search of the same study found after as many evaluations is left out.
    """
    plan = make_plan(settings)
    print(f"{name}: study {plan.study}" if name else f"study {plan.study}", file=sys.stderr, flush=True)
    study = run_plan(plan)
    study = first_of(study, plan.evaluations)
    if not len(study.front):
        raise InputError(f"the search '{name}' has an empty front: {study}")
    return study


def first_of(study: Study, evaluations: int) -> Study:
    """The study as it was after so many evaluations: without what was evaluated, and retrained, later."""
    kept = study.evaluations[:evaluations]
    asked = {evaluation.configuration for evaluation in kept}
    beacons = tuple(takewhile(lambda beacon: beacon.configuration in asked, study.beacons))
    return replace(study, evaluations=kept, beacons=beacons)


def with_uniform(study: Study, settings: SearchSettings) -> Study:
    """The study with what uniform bits score beside it, measured where they are not yet."""
    task = make_plan(settings).task  # of the scheme that its platforms take
    measure_aside(study, uniform_configurations(study).values(), task, settings.processes, "uniform bits")
    assert study.storage is not None
    return replace(study, aside=load_study(study.name, study.storage).aside)


def measure(settings: SearchSettings, configurations: Sequence[Configuration], name: str) -> list[Evaluation]:
    """Evaluations of configurations, in their order. Raises InputError on one that cannot be measured."""
    jobs = [Job((), configuration, ruled=False) for configuration in configurations]
    task = make_plan(settings).task
    with open_workers(min(settings.processes, len(jobs)), Worker(task, settings.platforms)) as workers:
        done = tqdm(workers.evaluate(jobs), name, len(jobs), unit="configuration", disable=None, leave=False)
        found = {evaluation.configuration: evaluation for evaluation in done}
    for evaluation in found.values():
        if not evaluation.measured:
            raise InputError(f"{name}: {evaluation.reasons[0]}")
    return [found[configuration] for configuration in configurations]
