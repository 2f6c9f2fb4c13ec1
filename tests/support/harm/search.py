"""A search in a process of its own that faults are done to, with account of what is lost and what is made twice."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import fake_task
import optuna
from fake_task import FakeTask, key_of

from dse.design.space import Genome
from dse.exploration.plan import make_plan
from dse.exploration.run import run_search
from dse.exploration.settings import SearchSettings
from dse.study.record import from_trial
from dse.study.result import Study, load_study
from dse.study.store import StoreError, find_study

POPULATION, OBJECTIVES = 12, ("error", "size", "ops")
EVALUATION_SECONDS = 0.05
PATIENCE_SECONDS = 600


class MissingForFaultError(Exception):
    """What the fault needs is not on this machine."""


@dataclass
class Search:
    """A search of `evaluations` in `folder`; the same command each time it is started.

    lost: evaluations that were stored and are no longer there. double: those measured though they were stored, or
    stored twice. message: last line on stderr of a run that did not end well.
    """

    folder: Path
    evaluations: int = 60
    workers: int = 2
    database_url: str = ""
    argv: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    lost: int = 0
    double: int = 0
    message: str = ""
    process: subprocess.Popen[str] | None = None
    seed: int = 1
    random: random.Random = field(default_factory=lambda: random.Random(0))
    fronts: set[str] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)
    _lines_known: int = 0

    @property
    def storage(self) -> str:
        return self.database_url or f"sqlite:///{self.database}"

    @property
    def database(self) -> Path:
        return self.folder / "storage" / f"dse{self.seed}.db"

    @property
    def study(self) -> str:
        return make_plan(settings(self.storage, self.evaluations, self.seed)).study

    @property
    def _log(self) -> Path:
        return self.folder / "measured.log"

    def start(self, *argv: str, seconds: float = EVALUATION_SECONDS) -> subprocess.Popen[str]:
        """Start the command, as leader of a process group of its own, beside one that runs already if there is one."""
        options = f"--evaluations {self.evaluations} --population {POPULATION} --objectives {','.join(OBJECTIVES)}"
        options += f" --seed {self.seed} --workers {self.workers} --storage {self.storage}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fake_search", *options.split(), *self.argv, *argv],
            cwd=self.folder,
            env=self.surroundings(seconds),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self.process

    def surroundings(self, seconds: float = EVALUATION_SECONDS) -> dict[str, str]:
        """Environment of processes that measure."""
        paths = [str(Path(fake_task.__file__).parent), os.environ.get("PYTHONPATH", "")]
        fake = {"FAKE_SECONDS": str(seconds), "FAKE_LOG": str(self._log)}
        return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **fake, **self.environment}

    def end(self, process: subprocess.Popen[str] | None = None) -> int:
        """Wait until it ends: exit status. What it said last is kept."""
        process = process or self.process
        assert process is not None
        _, told = process.communicate(timeout=PATIENCE_SECONDS)
        if process.returncode != 0 and told.strip():
            self.message = told.strip().splitlines()[-1].replace(str(self.folder), "…")
        return process.returncode

    def kill(self, send: Callable[[int, int], None] = os.kill) -> None:
        assert self.process is not None
        send(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=PATIENCE_SECONDS)

    def stop(self) -> None:
        """Leave nothing running behind."""
        if self.process is not None and self.process.poll() is None:
            self.kill(os.killpg)

    def finish(self) -> None:
        """Let the same command go on to its end, and compare its front with an undisturbed one: same, other or none."""
        self.account()
        self.start(seconds=0)
        if self.end() != 0:
            self.fronts.add("none")
            return
        self.account()
        self.double += sum(times - 1 for times in self.stored().values())
        same = points(load_study(self.study, self.storage)) == undisturbed(self.evaluations, self.seed)
        self.fronts.add("same" if same else "other")

    def begin_anew(self) -> None:
        """Finish this study and go on with one of another seed, in a database of its own."""
        self.finish()
        self.seed += 1
        self._known = set()

    def account(self) -> None:
        """Count what was lost, and made twice, since the last time."""
        now, lines = set(self.stored()), self.measured()
        self.lost += len(self._known - now)
        self.double += sum(key in self._known for key in lines[self._lines_known :])
        self._known, self._lines_known = now, len(lines)

    def stored(self) -> Counter[str]:
        """Configurations with a stored measurement, and how often; none where the storage cannot be read."""
        try:
            baseline = find_study(self.storage, self.study).baseline
        except StoreError:
            return Counter()
        trials = optuna.load_study(study_name=self.study, storage=self.storage).get_trials(deepcopy=False)
        evaluations = [from_trial(trial) for trial in trials]
        found = Counter(key_of(evaluation.configuration) for evaluation in evaluations if evaluation.measured)
        if baseline is not None:
            found[key_of(baseline.configuration)] = 1  # is an attribute, and a trial too where the space holds it
        gc.collect()  # closes the connections, of which a file system that shall be remounted must have none
        return found

    def measured(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    def wait_for(self, evaluations: int) -> None:
        """Wait until so many more are measured."""
        if not self.reaches(evaluations):
            raise AssertionError(f"the search ended before: {self.process and self.process.communicate()}")

    def reaches(self, evaluations: int) -> bool:
        """Wait until so many more are measured: whether the search goes on until then."""
        deadline, enough = time.monotonic() + PATIENCE_SECONDS, len(self.measured()) + evaluations
        while len(self.measured()) < enough:
            assert self.process is not None and time.monotonic() < deadline
            if self.process.poll() is not None:
                return False
            time.sleep(0.01)
        return True


def settings(storage: str, evaluations: int, seed: int) -> SearchSettings:
    given = {"evaluations": evaluations, "population": POPULATION, "objectives": OBJECTIVES, "seed": seed}
    return SearchSettings(FakeTask(), storage=storage, workers=1, **given)


@lru_cache
def undisturbed(evaluations: int, seed: int) -> list[tuple[Genome, dict[str, float]]]:
    with tempfile.TemporaryDirectory() as folder:
        return points(run_search(settings(f"sqlite:///{folder}/dse.db", evaluations, seed)))


def points(study: Study) -> list[tuple[Genome, dict[str, float]]]:
    return [(point.genome, point.metrics) for point in study.front]
