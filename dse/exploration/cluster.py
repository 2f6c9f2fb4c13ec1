"""Evaluate on the workers of a dask scheduler, on this machine or many.

    dask scheduler
    dask worker tcp://host:8786 --nthreads 1 --nworkers 2

Every worker needs this package, the checkpoint and the corpus under the same paths. Whoever reaches the scheduler can
run code on it: keep it on a network of your own.
"""

from __future__ import annotations

import ctypes
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from dse.design.evaluation import Evaluation, failed, first_line
from dse.evaluator.measurement import Measurer, Task
from dse.exploration.worker import Job, Worker, evaluate_here
from dse.exploration.workers import always
from models.workload import InputError

if TYPE_CHECKING:
    from distributed import Future

PATIENCE_SECONDS = 5
LOST = "the connection to the dask scheduler is lost; the same command goes on once it and its workers are back"
# Of glibc's mallopt, and the values to which it adapts by itself. Source: man mallopt.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
TRIM_BYTES, MMAP_BYTES = 64 << 20, 32 << 20

_one_at_a_time = threading.Lock()


class Cluster:
    """Connect to the scheduler of a dask cluster, at once.

    Raises InputError, in one line, where distributed is not installed, the scheduler does not answer or has no workers.
    """

    def __init__(self, address: str, worker: Worker) -> None:
        try:
            import distributed
        except ImportError:
            raise InputError("a cluster needs the package distributed: pip install distributed") from None
        if not re.fullmatch(r"\w+://.+", address):
            raise InputError(f"cluster '{address}' is no address of a dask scheduler, as in tcp://HOST:8786")
        self._worker = worker
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # a lost connection is told below
        try:
            self._client = distributed.Client(address, timeout=PATIENCE_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(f"no dask scheduler answers at {address}: {first_line(error)}") from error
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
        except TimeoutError:
            self._client.close()
            raise InputError(
                f"the dask scheduler at {address} has no workers; start some with dask worker {address} --nthreads 1"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def evaluate(self, jobs: Sequence[Job], go_on: Callable[[], bool] = always) -> Iterator[Evaluation]:
        """Yield evaluations as they finish; one that keeps killing its worker is failed.

        Once `go_on` says no, what is under way is given up with the rest: the scheduler alone knows what has begun.

        Raises InputError where a worker cannot open, or the connection is lost.
        """
        from distributed import KilledWorker, as_completed
        from distributed.comm import CommClosedError

        submitted = {self._submit(job): job for job in jobs if go_on()}
        for future in as_completed(submitted, loop=self._client.loop):
            job = submitted[future]
            try:
                yield future.result()
            except KilledWorker:
                yield failed(job.configuration, "its dask workers died (killed, or out of memory)", job.genome)
            except (CancelledError, CommClosedError) as error:  # lost before the result was fetched, or meanwhile
                raise InputError(LOST) from error
            except ImportError as error:
                raise InputError(f"a dask worker lacks a package: {error}") from error
            if not go_on():
                self._client.cancel(list(submitted))
                return

    def _submit(self, job: Job) -> Future:
        try:
            return self._client.submit(_evaluate_alone, self._worker, job, pure=False)
        except Exception as error:  # of which kind depends on the version of distributed
            if self._client.status == "running":
                raise
            raise InputError(LOST) from error


@dataclass(frozen=True)
class SameContent:
    """A task that opens only where checkpoint and corpus are those that the search began with."""

    task: Task
    content: tuple[tuple[str, str], ...]

    def open(self, split: str = "validation") -> Measurer:
        """Open the task. Raises InputError, in one line, where checkpoint or corpus are others."""
        here = self.task.fingerprint
        for name, expected in self.content:
            if here[name] != expected:
                raise InputError(f"the {name} of a dask worker is not that of the search: {here[name]}, not {expected}")
        _keep_freed_memory()
        return self.task.open(split)

    def at(self, checkpoint: str) -> SameContent:
        raise InputError("beacons are retrained on this machine, where a cluster's workers find them not")


def _keep_freed_memory() -> None:
    """dask has its workers return freed memory at once, which makes an evaluation 5 to 10 times slower: undo that."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_TRIM_THRESHOLD, TRIM_BYTES)
        mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)


def _evaluate_alone(worker: Worker, job: Job) -> Evaluation:
    # Threads of one worker share its measurer.
    with _one_at_a_time:
        return evaluate_here(worker, job)
