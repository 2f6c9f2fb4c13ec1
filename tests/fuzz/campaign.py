"""Readers under mutated input: what they may do, and a run that counts what they do beside it."""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import forkserver, get_context
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

from models.workload import InputError

MOST_SECONDS = 5.0  # of the processor
MOST_BYTES = 1 << 30  # over what the process has with its modules loaded


@dataclass(frozen=True)
class Reader:
    """What is read, in three functions; a reader is one entry in the table of `readers`.

    make: sound input in a folder, and what a sound reading of it gives. damage: change it there, seeded.
    read: read it. wrong: what is wrong with a reading of damaged input that was not refused, given a sound one; None
    where that can be. Refused is what raises InputError, or what `read` returns None for.
    """

    make: Callable[[Path], Any]
    damage: Callable[[Path, Any, random.Random], None]
    read: Callable[[Path], Any]
    wrong: Callable[[Any, Any], str | None]


@dataclass
class Tally:
    """Counts of a run, and the faults: kind and first seed of each."""

    mutations: int = 0
    refused: int = 0
    read: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    seeds: dict[str, int] = field(default_factory=dict)

    def add(self, fault: str, seed: int) -> None:
        self.faults[fault] += 1
        self.seeds.setdefault(fault, seed)


class TooLongError(BaseException):
    """A reading takes longer than any may; no Exception, so that nobody takes it for one of theirs."""


def run(name: str, seeds: range) -> Tally:
    """Mutate and read, once a seed, in a process of its own whose memory and time have bounds."""
    processes = get_context("forkserver")
    processes.set_forkserver_preload(["readers"])  # once for all of them, it takes seconds
    with patch.dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)):  # Python 3.11's does not tell it where
        forkserver.ensure_running()
    with ProcessPoolExecutor(1, processes) as pool:
        return pool.submit(run_here, name, seeds).result()


def run_here(name: str, seeds: range) -> Tally:
    from readers import READERS

    reader, tally = READERS[name], Tally()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DSE_CACHE_DIR"] = folder
        sound = reader.make(Path(folder))
        reading = reader.read(Path(folder))
        signal.signal(signal.SIGPROF, _too_long)
        has = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (has + MOST_BYTES, resource.RLIM_INFINITY))
        for seed in seeds:
            reader.damage(Path(folder), sound, random.Random(seed))
            tally.mutations += 1
            try:
                signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
                found = reader.read(Path(folder))
                signal.setitimer(signal.ITIMER_PROF, 0)
                if found is None:
                    tally.refused += 1
                    continue
                tally.read += 1
                if wrong := reader.wrong(found, reading):
                    tally.add(f"passes: {wrong}", seed)
            except InputError as error:
                tally.refused += 1
                if "\n" in str(error):
                    tally.add("an error of several lines", seed)
            except TooLongError:
                tally.add(f"takes over {MOST_SECONDS:.0f} s", seed)
            except Exception as error:
                tally.add(f"{type(error).__name__} ({_place(error)})", seed)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
    return tally


def _place(error: BaseException) -> str:
    """The innermost lines of this project that the error passed."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    own = [f for f in frames if {"dse", "models", "platforms"} & set(Path(f.filename).parts)] or frames
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}"


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TooLongError
