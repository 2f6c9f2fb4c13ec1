"""Beacons of a running search: candidates that are retrained, and the candidates that their weights score.

After the base network has scored a generation, it is gone through in the order in which it was asked for; see
`beacon_rule` for what is retrained, and whose weights score a candidate too. So any number of workers makes the same
study. What the base network scored waits aside until its beacon has; a retrained network is a file in the user's cache,
named by what it is made of, which any search finds again.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from dse import retraining, training
from dse.corpora.cache import make_folder
from dse.design.evaluation import Evaluation
from dse.design.limits import Limit
from dse.design.space import Genome
from dse.evaluator.evaluate import judge
from dse.evaluator.pricing import broken_rules
from dse.exploration.beacon_rule import BeaconRule
from dse.exploration.plan import Plan
from dse.exploration.progress import tell
from dse.exploration.worker import Job
from dse.exploration.workers import Workers
from dse.retraining.settings import RetrainSettings
from dse.retraining.task import retrain_task
from dse.study.beacon import beacons_folder, found
from dse.study.beside import Beacon
from dse.study.reprice import repriced
from models import sources_digest
from models.whole_file import whole_file
from models.workload import Configuration, InputError

if TYPE_CHECKING:
    from dse.study.store import Store


SOURCES = [Path(room.__file__).parent for room in (retraining, training) if room.__file__]  # and those of models


class Beacons:
    """Beacons of a search that has at most `plan.settings.beacons`; without any it does nothing."""

    def __init__(
        self, plan: Plan, store: Store, workers: Workers, limits: tuple[Limit, ...], baseline: Evaluation
    ) -> None:
        most = plan.settings.beacons
        self._plan, self._store, self._workers, self._limits = plan, store, workers, limits
        self._rule = BeaconRule(most, plan.space, plan.objectives, limits, baseline)
        self._settings = RetrainSettings(epochs=plan.settings.beacon_epochs)

    def follow(self, evaluations: Sequence[Evaluation]) -> None:
        """Walk over evaluations that are done, in the order in which they were asked for."""
        if self._plan.settings.beacons:
            for evaluation in evaluations:
                self._rule.place(evaluation)

    def hold(self, evaluation: Evaluation) -> bool:
        """Whether an evaluation by the base network is not the last word on its candidate; then it is kept aside."""
        if not self._plan.settings.beacons or not self._rule.concerns(evaluation):
            return False
        if (evaluation.configuration, None) not in self._store.aside:
            self._store.put_aside(evaluation)
        return True

    def waiting(self, genome: Genome, configuration: Configuration) -> Evaluation | None:
        """What the base network scored of a candidate before the search was interrupted."""
        held = self._store.aside.get((configuration, None)) if self._plan.settings.beacons else None
        if held is None or not held.measured:
            return None
        priced = repriced(held, self._plan.platforms, self._plan.workload, ruled=False)
        broken = broken_rules(self._plan.platforms, self._plan.workload, configuration)
        return judge(replace(priced, genome=genome), self._limits, broken)

    def score(
        self, generation: Sequence[Evaluation], waiting: Collection[Genome], go_on: Callable[[], bool]
    ) -> Iterator[Evaluation]:
        """Yield what becomes of the candidates that are waiting, in a generation as the base network or all scored it.

        The generation is whole and in its order. Nothing is begun once `go_on` says no.
        """
        if not self._plan.settings.beacons:
            return
        base = {evaluation.genome: evaluation for evaluation in generation}
        numbers: dict[Genome, int] = {}
        for evaluation in generation:
            nearest = self._rule.place(evaluation)
            if evaluation.genome not in waiting:
                continue
            if nearest is None:
                yield evaluation
                continue
            if not go_on():
                return
            numbers[evaluation.genome] = self._number(nearest)
        jobs = [
            Job(genome, base[genome].configuration, self._limits, checkpoint=str(self._path(number)))
            for genome, number in numbers.items()
        ]
        for scored in self._workers.evaluate(jobs, go_on):
            yield better(base[scored.genome], scored, numbers[scored.genome])

    def _number(self, configuration: Configuration) -> int:
        """Number of the beacon of a configuration, which is retrained where its checkpoint is not there."""
        for number, beacon in enumerate(self._store.beacons, start=1):
            if beacon.configuration == configuration:
                if found(beacon) is None:
                    self._again(number, beacon)
                return number
        from models.checkpoint import content_hash

        path, seconds = self._retrained(configuration, len(self._store.beacons) + 1)
        self._store.add_beacon(Beacon(configuration, content_hash(path), str(path), seconds))
        return len(self._store.beacons)

    def restore(self) -> None:
        """Retrain what is gone of all that scored the study, so that its points can be exported; warn where that fails.

        The search itself is done, on another processor perhaps, whose sums were others.
        """
        for beacon in self._store.beacons:
            try:
                self._number(beacon.configuration)
            except InputError as error:
                tell([f"warning: {error}"])

    def _path(self, number: int) -> Path:
        path = found(self._store.beacons[number - 1])
        assert path is not None  # it was there or made by `_number`
        return path

    def _again(self, number: int, beacon: Beacon) -> None:
        """Retrain a network whose checkpoint is gone or damaged. Raises InputError where it becomes another."""
        from models.checkpoint import content_hash

        path, _ = self._retrained(beacon.configuration, number, anew=True)
        if content_hash(path) != beacon.checkpoint:
            raise InputError(
                f"beacon {number} of study '{self._store.name}' is gone from {beacon.path}, or damaged there, and "
                "retraining makes another network here: search anew, under another --study"
            )

    def _retrained(self, configuration: Configuration, number: int, anew: bool = False) -> tuple[Path, float]:
        """The checkpoint of a configuration, and the seconds that took; of another search's, unless it is made anew."""
        made_of = [self._plan.identity["content"], configuration.to_json(), asdict(self._settings)]
        identity = [*made_of, sources_digest(*SOURCES)]
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        path = beacons_folder() / f"{self._plan.task.model}-{digest}.safetensors"
        make_folder(path.parent)
        with FileLock(path.with_suffix(".lock")):
            clock = Clock(path.with_suffix(".seconds"))
            if anew:
                path.unlink(missing_ok=True)
            if not path.exists():
                most, epochs = self._plan.settings.beacons, self._settings.epochs
                tell([f"beacon {number} of at most {most}: retraining a candidate, epochs: {epochs}"])
                retrain_task(self._plan.task, configuration, path, self._settings, clock.tell)
                clock.keep()
        return path, clock.seconds


class Clock:
    """Seconds spent on a retraining, in all processes, in a file beside it: its own bytes are the same in any time.

    They count from its first line on, which is told once the speech is there: that is made for any network.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._started = path, math.inf
        try:
            self.seconds = float(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.seconds = 0.0

    def keep(self) -> None:
        """Keep what was spent by now."""
        now = time.monotonic()
        self.seconds, self._started = self.seconds + max(0.0, now - self._started), now
        with whole_file(self._path) as beside:
            beside.write_text(str(self.seconds), encoding="utf-8")

    def tell(self, line: str) -> None:
        """Keep it at the end of an epoch, and show the epoch's line."""
        self.keep()
        tell([f"  {line}"])


def better(base: Evaluation, scored: Evaluation, number: int) -> Evaluation:
    """The better of what the base network and a beacon scored: what keeps the limits first, then the lesser error.

    Where the beacon's inference failed that is told.
    """
    if scored.status == "failed":
        return scored
    both = ((each.status != "ok", each.metrics["error_percent"]) for each in (base, scored))
    return base if next(both) <= next(both) else replace(scored, beacon=number, base=dict(base.metrics))
