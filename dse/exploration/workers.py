"""Evaluate many configurations at once, in this process or in several."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection
from types import ModuleType, TracebackType
from typing import Protocol, Self

from dse.design.evaluation import Evaluation, failed
from dse.exploration.worker import Job, Worker, evaluate_here, open_here
from models.engines.prefix_cache import inner_layers, prefixes

DEATHS_BEFORE_FAILED = 2
JOBS_AHEAD = 3  # of which a free worker takes one; few, so that the longest still start early


class Workers(Protocol):
    """Context manager; `evaluate` yields evaluations in the order they finish."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def evaluate(self, jobs: Sequence[Job]) -> Iterator[Evaluation]: ...


def open_workers(count: int, worker: Worker) -> Workers:
    """Open workers: one is this process itself, more are processes of their own, each opening the task once."""
    return InProcess(worker) if count == 1 else Processes(count, worker)


class InProcess:
    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.close()

    def evaluate(self, jobs: Sequence[Job]) -> Iterator[Evaluation]:
        for job in jobs:
            yield self._worker.evaluate(job)


class Processes:
    """Spawned worker processes, each an executor of its own, so that a death tells which evaluation it was.

    What was under way in a worker that died is tried once more in a new one: a worker killed from outside changes no
    result, an evaluation that kills its worker twice is failed.
    """

    def __init__(self, count: int, worker: Worker) -> None:
        self._worker = worker
        self._executors = [_new_executor() for _ in range(count)]
        self._opened = False
        self._begun: list[set[Hashable]] = [set() for _ in range(count)]  # first layers that each worker has run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Left in haste (Ctrl-C, full disk) nobody waits for evaluations that will not be stored.
        haste = kind is not None
        for executor in self._executors:
            processes = list((executor._processes or {}).values())
            executor.shutdown(wait=not haste, cancel_futures=haste)
            if haste:
                for process in processes:
                    process.kill()

    def evaluate(self, jobs: Sequence[Job]) -> Iterator[Evaluation]:
        if jobs and not self._opened:
            self._opened = True
            with _main_apart(self._worker):
                for executor in self._executors:  # all at once, though the first job, the baseline, is one alone
                    executor.submit(_open_ahead, self._worker)
        waiting = deque(jobs)
        free = list(range(len(self._executors)))
        running: dict[Future[Evaluation], tuple[Job, int]] = {}
        deaths: Counter[Job] = Counter()

        def submit() -> None:
            while waiting and free:
                worker = free.pop()
                job = self._take(waiting, worker)
                running[self._submit(job, worker)] = (job, worker)

        submit()
        while running:
            ended, broken = [], None
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job, worker = running.pop(future)
                free.append(worker)
                try:
                    ended.append(future.result())
                except BrokenProcessPool:
                    deaths[job] += 1
                    if deaths[job] < DEATHS_BEFORE_FAILED:
                        waiting.appendleft(job)
                    else:
                        reason = f"its worker process died {deaths[job]} times (killed, or out of memory)"
                        ended.append(failed(job.configuration, reason, job.genome))
                except Exception as error:  # a bug: what ended beside it is stored all the same
                    broken = error
            if broken is not None:
                yield from ended
                raise broken
            submit()  # before the caller stores what ended, which takes it a while
            yield from ended

    def _take(self, waiting: deque[Job], worker: int) -> Job:
        """Take, of the next few jobs, the one whose prefix this worker has run and the others have not."""
        ahead = [_begins(job) for job in islice(waiting, JOBS_AHEAD)]

        def gain(place: int) -> int:
            known = [sum(beginning in begun for beginning in ahead[place]) for begun in self._begun]
            own = known.pop(worker)
            return own - max(known, default=0)

        place = max(range(len(ahead)), key=gain)  # the first of equals: the longest
        self._begun[worker].update(ahead[place])
        job = waiting[place]
        del waiting[place]
        return job

    def _submit(self, job: Job, worker: int) -> Future[Evaluation]:
        with _main_apart(self._worker):
            try:
                return self._executors[worker].submit(evaluate_here, self._worker, job)
            except BrokenProcessPool:
                self._executors[worker].shutdown()
                self._executors[worker] = _new_executor()
                self._begun[worker] = set(_begins(job))
                return self._executors[worker].submit(evaluate_here, self._worker, job)


def _begins(job: Job) -> list[Hashable]:
    names = tuple(name for name, _ in job.configuration)
    return prefixes(inner_layers(names), job.configuration)


@contextlib.contextmanager
def _main_apart(worker: Worker) -> Iterator[None]:
    """Start processes without the user's script, which would run again in each of them, its search included.

    Nothing that is sent to them comes from there, unless the task's class does.
    """
    main = sys.modules["__main__"]
    if type(worker.task).__module__ != "__main__":
        sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _new_executor() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)


def _open_ahead(worker: Worker) -> None:
    """Open a worker ahead of its first job, which meets the same error if there is one."""
    with contextlib.suppress(Exception):
        open_here(worker)


def _start_worker() -> None:
    """Prepare a worker process: Ctrl-C is the parent's to handle, and a parent that is killed takes it along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
