"""When a search ends before its last evaluation: where that is hopeless, brings nothing new, or takes too long."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from dse.design.evaluation import Evaluation
from dse.design.limits import Limit
from dse.design.objective import full_objective
from dse.exploration.plan import Plan
from dse.study.convergence import GrowingFront

FAR = (
    0.1  # of the limit, beyond it; assumed: quantized networks win a few points of a hundred over the baseline at most
)
STALLED_PERCENT = 0.1  # of the hypervolume: less than what seeds differ by
# Of a study's `ended`: what is said of it.
ENDINGS = {
    "exhausted": "no new genome was found; the search ends before {evaluations} evaluations",
    "hopeless": "the search gave up before {evaluations} evaluations: none comes near the limit on the error, and "
    "neither does 16 bit",
    "stalled": "the search ends before {evaluations} evaluations: its last {settings.stop_when_stalled} added less "
    f"than {STALLED_PERCENT} % of the hypervolume",
    "timed out": "the search ends after {settings.timeout:g} minutes, before {evaluations} evaluations; the same "
    "command goes on from there",
}


class Patience:
    """Patience of a search that began at `begun`, in seconds of `time.monotonic`."""

    def __init__(self, plan: Plan, limits: tuple[Limit, ...], baseline: Evaluation, front: GrowingFront, begun: float):
        settings = plan.settings
        self._limits, self._baseline, self._population = limits, baseline, settings.population
        self._last, self._front, self._volumes = settings.stop_when_stalled, front, list[float]()
        self._until = math.inf if settings.timeout is None else begun + 60 * settings.timeout

    def lasts(self) -> bool:
        """Whether there is time to begin one more evaluation."""
        return time.monotonic() < self._until

    def ending(self, evaluations: Sequence[Evaluation]) -> str | None:
        """Why the search should end after these evaluations, whole generations in the order they were asked for.

        Only time makes it differ from one run of a search to another.
        """
        if hopeless(self._limits, self._baseline, evaluations, self._population):
            return "hopeless"
        if self._last is not None:
            self._volumes += map(self._front.add, evaluations[len(self._volumes) :])
            if stalled(self._volumes, self._last):
                return "stalled"
        return None if self.lasts() else "timed out"


def stalled(volumes: Sequence[float], last: int) -> bool:
    """Whether the last so many evaluations added less than STALLED_PERCENT of the hypervolume, given after each one.

    Without any hypervolume there is nothing yet that could stall.
    """
    return len(volumes) > last and volumes[-1] - volumes[-1 - last] < STALLED_PERCENT / 100 * volumes[-1]


def hopeless(limits: Sequence[Limit], baseline: Evaluation, evaluations: Sequence[Evaluation], population: int) -> bool:
    """Whether a search should give up after these evaluations, in whatever order.

    So it is when a population was measured and, as the baseline, all of it is FAR from a limit on an error. Limits of
    other metrics are no reason: these get better with every generation.
    """
    measured = [evaluation for evaluation in evaluations if evaluation.measured]
    if len(measured) < population:
        return False
    objectives = ((full_objective(limit.objective), limit.bound) for limit in limits)
    return any(
        all(e.metrics[objective.metric] > bound * (1 + FAR) for e in (baseline, *measured))
        for objective, bound in objectives
        if objective.relative_limits
    )
