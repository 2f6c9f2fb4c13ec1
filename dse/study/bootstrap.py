"""Error bars of phone error rates, from a paired bootstrap over the stored errors of every utterance.

Speakers are resampled whole where there are enough of them: utterances of one speaker err alike, so that drawing them
one by one would make the bars too short for a speaker who was not heard before. Every point is scored on the same
draw, which is what lets differences of a fraction of a point be told from chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dse.design.evaluation import Evaluation

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95
RESAMPLES = 4000
FEWEST_SPEAKERS = 10  # with fewer their spread is too uncertain, and utterances are resampled instead

BAR_COLUMNS = (
    "error_low_percent", "error_high_percent", "over_baseline_low_points", "over_baseline_high_points",
    "tied_with_baseline", "over_before_low_points", "over_before_high_points", "tied_with_before",
)  # fmt: skip


@dataclass(frozen=True)
class Interval:
    """Interval of confidence CONFIDENCE, in points or percent, its ends included."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:.2f} to {self.high:.2f}"

    @property
    def signed(self) -> str:
        """The interval of a difference: '-0.12 to +0.80'."""
        return f"{self.low:+.2f} to {self.high:+.2f}"


class ErrorBars:
    """Intervals of the PER of evaluations, in percent, and of differences between two of them, in points.

    `evaluations` hold errors of the same utterances; `speakers` names each utterance's, None where they are not known.
    `unit` is what is resampled, speaker or utterance, `units` how many there are. The same draws every time.
    Intervals are percentiles, taken further out for few units by what Student's t has over the normal distribution.
    Source: Hesterberg, "What Teachers Should Know About the Bootstrap" (2015), section 4.3, expanded percentiles.
    """

    def __init__(self, evaluations: Sequence[Evaluation], speakers: Sequence[str] | None = None) -> None:
        scored = [e for e in evaluations if e.errors is not None]
        counts = [(e.errors.errors, e.errors.reference_phones) for e in scored if e.errors is not None]
        errors, phones = (np.array([count[k] for count in counts], float).T for k in range(2))  # [utterances, points]
        self._columns = {e.configuration: column for column, e in enumerate(scored)}
        self._known: dict[tuple[int, int | None], Interval] = {}
        groups = np.arange(len(errors))
        self.unit = "utterance"
        if speakers is not None and len({*speakers}) >= FEWEST_SPEAKERS and len(speakers) == len(errors):
            groups = np.unique(np.array(speakers), return_inverse=True)[1]
            self.unit = "speaker"
        self.units = int(groups.max(initial=-1)) + 1
        if not self.units:
            return
        drawn = np.random.default_rng(0).multinomial(self.units, [1 / self.units] * self.units, RESAMPLES).astype(float)
        self._percents = 100.0 * (drawn @ _sums(errors, groups)) / (drawn @ _sums(phones, groups))  # [draws, points]
        self._tail = _expanded_tail(self.units)

    def __contains__(self, point: Evaluation) -> bool:
        return point.configuration in self._columns

    def of(self, point: Evaluation) -> Interval:
        """Interval of a point's PER in percent."""
        return self._interval(self._columns[point.configuration])

    def difference(self, point: Evaluation, other: Evaluation) -> Interval:
        """Interval of a point's PER less another's, in points."""
        return self._interval(self._columns[point.configuration], self._columns[other.configuration])

    def tied(self, point: Evaluation, other: Evaluation) -> bool:
        """Whether the errors of two points cannot be told apart: the interval of their difference holds 0."""
        return 0.0 in self.difference(point, other)

    def frame(self, points: Sequence[Evaluation], baseline: Evaluation) -> pd.DataFrame:
        """A row a point: ends of its interval in percent, of those over the baseline and the point before in points.

        And whether it is tied with either: their errors cannot be told apart. None where that is not known.
        """
        import pandas as pd

        rows = []
        for before, point in zip((None, *points), points, strict=False):
            if point not in self or baseline not in self:
                rows.append(dict.fromkeys(BAR_COLUMNS))
                continue
            mine, over = self.of(point), self.difference(point, baseline)
            row: list[object] = [mine.low, mine.high, over.low, over.high, 0 in over]
            if before is not None and before in self:
                step = self.difference(point, before)
                row += [step.low, step.high, 0 in step]
            rows.append(dict(zip_longest(BAR_COLUMNS, row)))
        return pd.DataFrame(rows, columns=list(BAR_COLUMNS))

    def _interval(self, column: int, other: int | None = None) -> Interval:
        """Interval of a column, or of what it has over another one; pictures ask for each many times."""
        if (column, other) not in self._known:
            values = self._percents[:, column] - (0.0 if other is None else self._percents[:, other])
            low, high = np.quantile(values, (self._tail, 1 - self._tail))
            self._known[column, other] = Interval(float(low), float(high))
        return self._known[column, other]


def _sums(values: NDArray[np.float64], groups: NDArray[np.intp]) -> NDArray[np.float64]:
    """Sums over the utterances of each group: [groups, points]."""
    sums = np.zeros((groups.max(initial=-1) + 1, values.shape[1]))
    np.add.at(sums, groups, values)
    return sums


def _expanded_tail(units: int) -> float:
    from scipy.special import ndtr, stdtrit  # what scipy.stats takes for both, which alone loads for a second

    if units < 2:
        return 0.0
    reach = stdtrit(units - 1, (1 + CONFIDENCE) / 2) * math.sqrt(units / (units - 1))
    return float(ndtr(-reach))
