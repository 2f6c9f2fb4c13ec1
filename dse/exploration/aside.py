"""Evaluations beside a search: measured once, and kept in its record as none of its candidates."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from tqdm import tqdm

from dse.design.evaluation import Evaluation
from dse.evaluator.measurement import Task
from dse.exploration.worker import Job, Worker
from dse.exploration.workers import open_workers
from dse.study.beacon import checkpoint_of
from dse.study.prices import platforms_of
from dse.study.references import measured
from dse.study.reprice import repriced
from dse.study.result import Study
from dse.study.storage import StoreError
from dse.study.store import open_alone
from models.workload import Configuration


def measure_aside(
    study: Study,
    configurations: Iterable[Configuration],
    task: Task,
    workers: int = 1,
    what: str = "aside",
    beacon: int | None = None,
) -> dict[Configuration, Evaluation]:
    """Evaluations of the configurations on the validation split, with the prices of platforms that can run them.

    They are scored by the weights of the study's `beacon` of that number, or else by the base network. What the study
    holds is not run again; what is run is stored as soon as it is done, unless the storage is read-only.
    """
    wanted = tuple(dict.fromkeys(configurations))
    known = measured(study, beacon)
    if left := [configuration for configuration in wanted if configuration not in known]:
        path = checkpoint_of(study.beacons, beacon)
        jobs = [Job((), configuration, ruled=False, checkpoint=path) for configuration in left]
        with _keeping(study) as keep, open_workers(min(workers, len(jobs)), Worker(task)) as opened:
            done = opened.evaluate(jobs)
            for scored in tqdm(done, what, len(jobs), unit="evaluation", disable=None, leave=False):
                evaluation = replace(scored, beacon=beacon)
                known[evaluation.configuration] = evaluation
                keep(evaluation)
    platforms, workload = platforms_of(study), study.workload
    if workload is None or not platforms:
        return {configuration: known[configuration] for configuration in wanted}
    return {each: repriced(known[each], platforms, workload) for each in wanted}


@contextmanager
def _keeping(study: Study) -> Iterator[Callable[[Evaluation], None]]:
    """Give what stores an evaluation; where the storage takes none that is said once."""
    if study.storage is None:
        yield lambda evaluation: None
        return
    with open_alone(study.storage, study.name, study.identity, study.objectives) as store:
        refused = False

        def keep(evaluation: Evaluation) -> None:
            nonlocal refused
            if refused or not evaluation.measured or (evaluation.configuration, evaluation.beacon) in store.aside:
                return
            try:
                store.put_aside(evaluation)
            except StoreError as error:
                refused = True
                print(f"not kept: {error}", file=sys.stderr)

        yield keep
