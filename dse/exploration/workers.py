"""Evaluate many configurations at once, in this process or in several."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection
from types import ModuleType, TracebackType
from typing import Protocol, Self

from dse.design.evaluation import Evaluation, failed
from dse.exploration.worker import Job, Worker, evaluate_here, open_here
from models.engines.prefix_cache import inner_layers, prefixes

CRASHES_BEFORE_FAILED = 2
KILLS_BEFORE_FAILED = 10
# What others send; a process that breaks by itself ends by another signal, or with a status. The kernel sends SIGKILL
# to a process that takes too much memory, which is why kills have a bound too.
SENT = frozenset(-number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM))
JOBS_AHEAD = 3  # of which a free worker takes one; few, so that the longest still start early


def always() -> bool:
    return True


class Workers(Protocol):
    """Context manager; `evaluate` yields evaluations in the order they finish.

    It begins none once `go_on` says no; those under way are yielded all the same.
    """

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def evaluate(self, jobs: Sequence[Job], go_on: Callable[[], bool] = always) -> Iterator[Evaluation]: ...


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

    def evaluate(self, jobs: Sequence[Job], go_on: Callable[[], bool] = always) -> Iterator[Evaluation]:
        for job in jobs:
            if not go_on():
                return
            yield self._worker.evaluate(job)


class Processes:
    """Spawned worker processes, each an executor of its own, so that a death tells which evaluation it was.

    What was under way in a worker that died is tried again at once, in a new one. Workers killed from outside change no
    result; an evaluation that crashes its worker twice, or whose worker is killed ten times, is failed.
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

    def evaluate(self, jobs: Sequence[Job], go_on: Callable[[], bool] = always) -> Iterator[Evaluation]:
        if jobs and not self._opened:
            self._opened = True
            with _main_apart(self._worker):
                for executor in self._executors:  # all at once, though the first job, the baseline, is one alone
                    executor.submit(_open_ahead, self._worker)
        waiting = deque(jobs)
        free = list(range(len(self._executors)))
        running: dict[Future[Evaluation], tuple[Job, int]] = {}
        deaths: dict[Job, list[int]] = defaultdict(list)

        def submit() -> None:
            while waiting and free and go_on():
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
                    deaths[job].append(self._renew(worker))
                    if reason := _why_failed(deaths[job]):
                        ended.append(failed(job.configuration, reason, job.genome))
                    else:
                        waiting.appendleft(job)
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
            except BrokenProcessPool:  # it died while it had nothing to do
                self._renew(worker)
                self._begun[worker] = set(_begins(job))
                return self._executors[worker].submit(evaluate_here, self._worker, job)

    def _renew(self, worker: int) -> int:
        """Take a new process in place of one that died, whose exit code is returned."""
        processes = list((self._executors[worker]._processes or {}).values())
        self._executors[worker].shutdown()
        self._executors[worker], self._begun[worker] = _new_executor(), set()
        return next((process.exitcode for process in processes if process.exitcode is not None), 0)


def _why_failed(exit_codes: Sequence[int]) -> str | None:
    """Why an evaluation whose workers ended with these codes is failed, or None where it is tried again."""
    kills = sum(code in SENT for code in exit_codes)
    if kills < KILLS_BEFORE_FAILED and len(exit_codes) - kills < CRASHES_BEFORE_FAILED:
        return None
    how = ", ".join(signal.Signals(-code).name if code < 0 else f"status {code}" for code in dict.fromkeys(exit_codes))
    memory = ": killed, or out of memory" if -signal.SIGKILL in exit_codes else ""
    return f"its worker process died {len(exit_codes)} times ({how}{memory})"


def _begins(job: Job) -> list[Hashable]:
    names = tuple(name for name, _ in job.configuration)
    return [(job.checkpoint, prefix) for prefix in prefixes(inner_layers(names), job.configuration)]


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
