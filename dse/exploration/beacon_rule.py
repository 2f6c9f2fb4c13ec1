"""Rule of beacon-based search: which candidates are retrained, and whose weights else score a candidate.

Source: Rezk et al., MOHAQ (arXiv 2108.01192): a promising candidate that is far from every beacon is retrained and
becomes one; its weights, quantized as each candidate asks, also score the candidates that it is the nearest beacon of.
Near is told by weights' widths alone: a step is a doubling, matvecs' steps are summed, and a beacon is far beyond 5 of
the 24 steps between the papers' extremes (8 matrices from 2 to 16 bit). Promising is an error of 19 to 30 % where
16 bit has 16 %. In what follows the rule differs, each with its reason:

- Far is the same share of the steps between the extremes of the search's own space. Other spaces have other numbers of
  matvecs and widths; with 2 and 3 bit alone nothing would ever be 5 steps apart.
- Promising begins two points above the baseline, not three: compensated rounding loses less than three points with
  2-bit weights everywhere, and retraining wins most of two back. It ends where the papers' does, 14 points above.
- Limits on errors are judged after the beacon: it can make feasible what breaks them. All others must be kept.
- No candidate is retrained that one asked for before beats in all objectives: what retraining gains there, it gains
  from a better start elsewhere.
- Every candidate worse than the baseline is scored by the nearest beacon, which takes another inference; only
  retraining, which takes minutes, is for promising ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dse.design.evaluation import Evaluation
from dse.design.limits import Limit, violations
from dse.design.objective import Objective, full_objective, minimised
from dse.design.space import SearchSpace
from models.workload import Configuration

ERROR = "error_percent"
# Source: Rezk et al., MOHAQ: 5 steps where the extremes, 2 and 16 bit in 8 matrices, are 24 apart.
FAR_SHARE = 5 / 24
LEAST_POINTS, MOST_POINTS = 2.0, 14.0  # over the baseline's error; see above


def distance(one: Configuration, other: Configuration) -> float:
    """Sum over the matvecs of the doublings between the widths of their weights."""
    return sum(abs(math.log2(mine.operand_bits[0] / other[name].operand_bits[0])) for name, mine in one)


def extent(space: SearchSpace) -> float:
    """Distance of the two configurations of a space that are farthest apart."""
    steps = 0.0
    for name, _ in space.base:
        widths = {setting.operand_bits[0] for setting in space.settings_of(name)}
        steps += math.log2(max(widths) / min(widths))
    return steps


def far(space: SearchSpace) -> float:
    """Distance beyond which a candidate of a space is far from a beacon."""
    return FAR_SHARE * extent(space)


@dataclass
class BeaconRule:
    """The rule of one search, walked over its candidates in the order in which they were asked for.

    `beacons` are the configurations that were retrained by then. All depends on what the base network scores alone.
    `limits` are absolute.
    """

    most: int
    space: SearchSpace
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    baseline: Evaluation
    beacons: list[Configuration] = field(default_factory=list)
    _values: list[tuple[float, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._far = far(self.space)
        self._others = [limit for limit in self.limits if not full_objective(limit.objective).relative_limits]

    def concerns(self, evaluation: Evaluation) -> bool:
        """Whether a beacon may score a candidate, given what the base network scores."""
        if not evaluation.measured or evaluation.status == "failed":
            return False
        metrics = base_metrics(evaluation)
        return metrics[ERROR] > self.baseline.metrics[ERROR] and not violations(self._others, metrics)

    def place(self, evaluation: Evaluation) -> Configuration | None:
        """The beacon that scores the next candidate, or None where the base network alone does.

        It is the candidate's own configuration where that is retrained, as from now on.
        """
        found = None
        if self.concerns(evaluation):
            found = self._nearest(evaluation.configuration)
            if self._to_retrain(evaluation, found):
                found = evaluation.configuration
                self.beacons.append(found)
        if evaluation.measured:
            self._values.append(minimised(self.objectives, base_metrics(evaluation)))
        return None if found == self.baseline.configuration else found

    def _nearest(self, configuration: Configuration) -> Configuration:
        """The nearest beacon; the base network is one, at the baseline's widths. The first of equals."""
        return min((self.baseline.configuration, *self.beacons), key=lambda beacon: distance(configuration, beacon))

    def _to_retrain(self, evaluation: Evaluation, nearest: Configuration) -> bool:
        points = base_metrics(evaluation)[ERROR] - self.baseline.metrics[ERROR]
        return (
            len(self.beacons) < self.most
            and LEAST_POINTS <= points <= MOST_POINTS
            and distance(evaluation.configuration, nearest) > self._far
            and not self._beaten(minimised(self.objectives, base_metrics(evaluation)))
        )

    def _beaten(self, values: Sequence[float]) -> bool:
        return any(all(other <= mine for other, mine in zip(others, values, strict=True)) for others in self._values)


def base_metrics(evaluation: Evaluation) -> Mapping[str, float]:
    """What the base network scored, whichever weights scored the evaluation in the end."""
    return evaluation.metrics if evaluation.beacon is None else evaluation.base
