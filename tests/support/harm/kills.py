"""Processes of a search killed at random moments, two searches at once, and the clock stepped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from harm.search import EVALUATION_SECONDS, MissingForFaultError, Search

STARTING_SECONDS = 2.0
EVALUATIONS_BETWEEN = 20  # two kills, at most
CLOCK_STEP_SECONDS = 86400
CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

static time_t step(void) {  /* FAKE_STEP seconds, once the file FAKE_STEP_WHEN is there */
    struct stat found;
    const char *when = getenv("FAKE_STEP_WHEN"), *by = getenv("FAKE_STEP");
    return when && by && stat(when, &found) == 0 ? atol(by) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += step();
    return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}
"""


def parent_killed(search: Search, moments: int = 50) -> int:
    return _killed(search, moments, os.kill)


def group_killed(search: Search, moments: int = 50) -> int:
    return _killed(search, moments, os.killpg)


def _killed(search: Search, moments: int, send: Callable[[int, int], None]) -> int:
    """Start and kill, until the study is whole; then begin with a new one.

    Half of the kills come while it starts, the others after some evaluations; random at any rate.
    """
    for _ in range(moments):
        search.start()
        starting = search.random.random() < 0.5
        if starting or search.reaches(search.random.randrange(1, EVALUATIONS_BETWEEN)):
            time.sleep(search.random.uniform(0, STARTING_SECONDS if starting else EVALUATION_SECONDS))
            search.kill(send)
            search.account()
        else:
            search.end()
            search.begin_anew()
    search.finish()
    return moments


def workers_killed(search: Search, moments: int = 50) -> int:
    """Kill workers of running searches at random moments, whatever they do."""
    killed = 0
    process = search.start()
    while killed < moments:
        time.sleep(search.random.uniform(0, STARTING_SECONDS / 2))
        if process.poll() is not None:
            search.end()
            search.begin_anew()
            process = search.start()
        elif workers := workers_of(process.pid):
            os.kill(search.random.choice(workers), signal.SIGKILL)
            killed += 1
            search.account()
    search.end()
    search.finish()
    return killed


def workers_of(parent: int) -> list[int]:
    """Processes that the search has spawned, but for multiprocessing's own."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = path.joinpath("cmdline").read_bytes()
            status = path.joinpath("stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(status[1]) == parent and b"spawn_main" in line:
            found.append(int(path.name))
    return found


def two_of_one_study(search: Search) -> int:
    first = search.start()
    search.wait_for(5)
    later = search.start()
    search.account()
    search.end(first)
    search.end(later)
    search.finish()
    return 1


def two_in_one_new_database(search: Search, times: int = 5) -> int:
    for _ in range(times):
        both = [search.start(), search.start("--seed", "1000")]
        for process in both:
            search.end(process)
        search.begin_anew()
    return times


def clock_stepped(search: Search) -> int:
    """A day on and back, as the search sees the clock."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise MissingForFaultError("no C compiler, for a clock that can be stepped")
    library, when = search.folder / "clock.so", search.folder / "step"
    build = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), "-x", "c", "-", "-ldl"]
    subprocess.run(build, input=CLOCK, text=True, check=True)
    search.environment |= {
        "LD_PRELOAD": str(library),
        "FAKE_STEP": str(CLOCK_STEP_SECONDS),
        "FAKE_STEP_WHEN": str(when),
    }
    search.start()
    search.wait_for(8)
    when.touch()
    search.wait_for(12)
    when.unlink()
    search.end()
    search.environment.clear()
    search.finish()
    return 2
