"""The test split is spent: a frozen front is scored on it, which no search touches, and once only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tqdm import tqdm

from dse.evaluator.measurement import Measurer, Task
from dse.exploration.worker import Job, Worker
from dse.exploration.workers import open_workers
from dse.study.beacon import checkpoint_of
from dse.study.beside import test_errors
from dse.study.result import Study
from dse.study.store import Store, open_alone
from models.workload import Configuration, InputError


@dataclass(frozen=True)
class OnTest:
    """A task whose workers open the test split."""

    task: Task

    def open(self, split: str = "test") -> Measurer:
        return self.task.open(split)

    def at(self, checkpoint: str) -> OnTest:
        return OnTest(self.task.at(checkpoint))


def spend(
    study: Study, task: Task, workers: int = 1, again: bool = False, points: Sequence[Configuration] | None = None
) -> Study:
    """Freeze the front, or `points` of it, and score them and the baseline on the test split; or give known scores.

    Once: what was scored is scored anew only `again`, and every time is stored with its points before the split is
    opened. A front may follow one point that was scored alone. An interrupted run goes on. Raises InputError where the
    split was spent on other points than these, and where a point fails on it.
    """
    if study.storage is None:
        raise InputError(f"study '{study.name}' has no storage to write its scores to")
    chosen = [point.configuration for point in study.front] if points is None else points
    if not chosen:
        raise InputError(f"the front of study '{study.name}' is empty: no evaluation keeps the study's limits")
    wanted = tuple(dict.fromkeys((study.baseline.configuration, *chosen)))
    with open_alone(study.storage, study.name, study.identity, study.objectives) as store:
        interrupted = bool(store.finals) and bool(store.finals[-1].left)
        if interrupted:
            _score(store, Worker(OnTest(task)), workers)
        known = test_errors(store.finals)
        new = [configuration for configuration in wanted if configuration not in known]
        alone = all(run.alone for run in store.finals)
        if new and store.finals and not again and not (alone and points is None):
            raise InputError(
                f"the test split of study '{study.name}' was spent on {store.finals[-1].when}, and {len(new)} of these "
                f"points were not among those: python -m dse.report study {study.name}{'' if alone else ' --again'} "
                "scores its front, and records that"
            )
        if new or (again and not interrupted):
            store.begin_final(wanted)
            _score(store, Worker(OnTest(task)), workers)
        return study.with_finals(store.finals)


def _score(store: Store, worker: Worker, workers: int) -> None:
    """Score what is left of the last run."""
    beacon = {evaluation.configuration: evaluation.beacon for evaluation in store.evaluations.values()}
    jobs = []
    for configuration in store.finals[-1].left:
        path = checkpoint_of(store.beacons, beacon.get(configuration))
        jobs.append(Job((), configuration, ruled=False, checkpoint=path))
    with open_workers(min(workers, len(jobs)), worker) as opened:
        done = opened.evaluate(jobs)
        for evaluation in tqdm(done, "test split", len(jobs), unit="point", disable=None, leave=False):
            if not evaluation.measured:
                raise InputError(f"a point fails on the test split: {'; '.join(evaluation.reasons)}")
            store.add_final(replace(evaluation, beacon=beacon.get(evaluation.configuration)))
