"""Worker of one process: measurers and platforms, opened at the first job that needs them."""

from __future__ import annotations

from dataclasses import dataclass, field

from dse.design.evaluation import Evaluation
from dse.design.limits import Limit
from dse.design.space import Genome
from dse.evaluator.evaluate import evaluate
from dse.evaluator.measurement import Measurer, Openable
from dse.evaluator.pricing import open_platforms
from models.workload import Configuration
from platforms import Platform


@dataclass(frozen=True)
class Job:
    """One evaluation to make; picklable. Limits are absolute; `ruled` off is for the baseline, see `evaluate`.

    `checkpoint` is the path of a beacon's weights, None the task's own.
    """

    genome: Genome
    configuration: Configuration
    limits: tuple[Limit, ...] = ()
    ruled: bool = True
    checkpoint: str | None = None


@dataclass
class Worker:
    """A task and platforms as specs; picklable, and opened by whatever process it is used in."""

    task: Openable
    platforms: tuple[str, ...] = ()
    _measurers: dict[str | None, Measurer] = field(default_factory=dict, compare=False, repr=False)
    _platforms: dict[str, Platform] | None = field(default=None, compare=False, repr=False)

    def open(self, checkpoint: str | None = None) -> tuple[Measurer, dict[str, Platform]]:
        """The measurer of a checkpoint, None for the task's own, and the platforms; all stay open."""
        if checkpoint not in self._measurers:
            task = self.task if checkpoint is None else self.task.at(checkpoint)
            self._measurers[checkpoint] = task.open()
        if self._platforms is None:
            self._platforms = open_platforms(self.platforms)
        return self._measurers[checkpoint], self._platforms

    def close(self) -> None:
        self._measurers, self._platforms = {}, None

    def evaluate(self, job: Job) -> Evaluation:
        measurer, platforms = self.open(job.checkpoint)
        return evaluate(job.configuration, measurer, job.limits, job.genome, platforms, job.ruled)

    def __getstate__(self) -> tuple[Openable, tuple[str, ...]]:
        return self.task, self.platforms

    def __setstate__(self, state: tuple[Openable, tuple[str, ...]]) -> None:
        self.task, self.platforms = state
        self.close()


_here: Worker | None = None  # of this process, if it is one that works for another


def open_here(worker: Worker) -> Worker:
    """Open this process' own worker, which stays open from job to job while task and platforms are the same."""
    global _here
    if _here != worker:
        _here = worker
    _here.open()
    return _here


def evaluate_here(worker: Worker, job: Job) -> Evaluation:
    return open_here(worker).evaluate(job)
