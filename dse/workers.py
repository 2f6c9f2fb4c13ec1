"""Evaluate many configurations at once, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Protocol, Self

from dse.evaluate import Evaluation, Measurer, evaluate, failed
from dse.limits import Limit
from dse.space import Genome
from models.workload import Configuration

OpenMeasurer = Callable[[Any], Measurer]


@dataclass(frozen=True)
class Job:
    """One evaluation to make; picklable."""

    genome: Genome
    configuration: Configuration
    limits: tuple[Limit, ...]


class Workers(Protocol):
    """Context manager; `evaluate` yields evaluations in the order they finish."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def evaluate(self, jobs: Sequence[Job]) -> Iterator[Evaluation]: ...


def open_workers(count: int, open_measurer: OpenMeasurer, task: Any) -> Workers:
    """One worker is this process itself; more are processes of their own, each opening the measurer once."""
    return InProcess(open_measurer, task) if count == 1 else Processes(count, open_measurer, task)


class InProcess:
    def __init__(self, open_measurer: OpenMeasurer, task: Any) -> None:
        self._open_measurer = open_measurer
        self._task = task

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _measurer.cache_clear()

    def evaluate(self, jobs: Sequence[Job]) -> Iterator[Evaluation]:
        for job in jobs:
            yield _evaluate(self._open_measurer, self._task, job)


class Processes:
    """Spawned worker processes.

    One that dies breaks its pool: the pool is rebuilt and what was under way is tried again; if it breaks once more,
    the rest goes one at a time, and what then kills its worker is failed. So a worker killed from outside changes no
    result.
    """

    def __init__(self, count: int, open_measurer: OpenMeasurer, task: Any) -> None:
        self._count = count
        self._open_measurer = open_measurer
        self._task = task
        self._pool = self._new_pool(count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._pool.shutdown()
            return
        # Left in haste (Ctrl-C, full disk): nobody waits for evaluations that will not be stored.
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()

    def evaluate(self, jobs: Sequence[Job]) -> Iterator[Evaluation]:
        lost = yield from self._attempt(jobs)
        if lost:
            self._rebuild(self._count)
            lost = yield from self._attempt(lost)
        if lost:
            for job in lost:
                self._rebuild(1)
                if (yield from self._attempt([job])):
                    yield failed(job.configuration, "its worker process died (killed, or out of memory)", job.genome)
            self._rebuild(self._count)

    def _attempt(self, jobs: Sequence[Job]) -> Generator[Evaluation, None, list[Job]]:
        """Yields what finishes; returns the jobs that were under way or waiting when a worker died."""
        futures: dict[Future[Evaluation], Job] = {}
        lost: list[Job] = []
        for job in jobs:
            try:
                futures[self._pool.submit(_evaluate, self._open_measurer, self._task, job)] = job
            except BrokenProcessPool:
                lost.append(job)
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                lost.append(futures[future])
        return [job for job in jobs if job in lost]

    def _rebuild(self, count: int) -> None:
        self._pool.shutdown()
        self._pool = self._new_pool(count)

    def _new_pool(self, count: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)


@lru_cache(maxsize=1)
def _measurer(open_measurer: OpenMeasurer, task: Any) -> Measurer:
    return open_measurer(task)


def _evaluate(open_measurer: OpenMeasurer, task: Any, job: Job) -> Evaluation:
    return evaluate(job.configuration, _measurer(open_measurer, task), job.limits, job.genome)


def _start_worker() -> None:
    """Ctrl-C is the parent's to handle; a parent that is killed takes its workers along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
