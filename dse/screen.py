"""Screening: a candidate runs on growing samples of the split first, and on the rest only where they leave it a chance.

Its error on the whole split is estimated as the baseline's there plus their difference on the sample, utterance by
utterance, so that an easy sample flatters nobody. It counts as without a chance where even that error less two standard
errors breaks a limit, or leaves it no better in any objective than a point of the front. Of candidates right at that
border each stage drops about 2 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from dse.limits import Limit, violations
from dse.objective import OBJECTIVES, Objective, full_objective, minimised
from models.workload import Configuration

ERROR = OBJECTIVES["error"].metric
STANDARD_ERRORS = 2.0  # between the estimate of an error and the least to be reckoned with
# Of other metrics, eliminated operations for one, estimated on a quarter; a smaller sample has a wider margin.
MARGIN_FRACTION, MARGIN_SAMPLE = 0.01, 0.25


class Run(Protocol):
    """What any run of a candidate tells."""

    @property
    def reference_phones(self) -> int: ...
    @property
    def computed(self) -> Mapping[str, float]: ...
    @property
    def seconds(self) -> float: ...


class Sample(Run, Protocol):
    """What a run over a share of the split tells: phone errors of each of its utterances, computed fractions."""

    @property
    def fraction(self) -> float: ...
    @property
    def utterance_errors(self) -> Sequence[int]: ...


class Sampler(Protocol):
    def __hash__(self) -> int: ...
    def sample(self, configuration: Configuration, before: Any = None) -> Sample: ...


@dataclass(frozen=True)
class Screen:
    """What the candidates of a generation are held against; picklable.

    `front` holds objective values, smaller is better, of the front when the generation began.
    """

    baseline: Configuration
    baseline_error_percent: float
    objectives: tuple[Objective, ...]
    front: tuple[tuple[float, ...], ...]

    def error_percent(self, sample: Sample, baseline: Sample) -> tuple[float, float]:
        """A candidate's error on the whole split: the estimate, and the least to be reckoned with."""
        difference = np.subtract(sample.utterance_errors, baseline.utterance_errors)
        estimate = self.baseline_error_percent + 100.0 * float(difference.sum()) / sample.reference_phones
        # Of a sum over a sample drawn without replacement. Source: Cochran, Sampling Techniques, 1977, section 2.6.
        deviation = math.sqrt(len(difference) * (1.0 - sample.fraction)) * float(difference.std(ddof=1))
        return estimate, estimate - STANDARD_ERRORS * 100.0 * deviation / sample.reference_phones

    def reasons(
        self,
        exact: Mapping[str, float],
        estimated: Mapping[str, float],
        least_error: float,
        fraction: float,
        limits: Sequence[Limit],
    ) -> tuple[str, ...]:
        """Why a candidate has no chance; none where it has one.

        `exact` are the metrics known without inference, `estimated` those of a sample, this `fraction` of the split.
        """
        margin = MARGIN_FRACTION * math.sqrt((1.0 / fraction - 1.0) / (1.0 / MARGIN_SAMPLE - 1.0))
        at_best = {**exact, ERROR: least_error}
        for objective in (*self.objectives, *(full_objective(limit.objective) for limit in limits)):
            if objective.metric not in at_best:
                value = objective.minimised(estimated[objective.metric])
                at_best[objective.metric] = objective.minimised(value - margin * abs(value))
        screened = f"screened: error at least {least_error:.4g} % by {100 * fraction:.0f} % of the split"
        if broken := violations(limits, at_best):
            return tuple(f"{screened}; {violation.reason}" for violation in broken)
        values = minimised(self.objectives, at_best)
        if any(all(theirs <= mine for theirs, mine in zip(point, values, strict=True)) for point in self.front):
            return (f"{screened}; a point of the front is no worse in any objective",)
        return ()


@lru_cache(maxsize=8)
def baseline_sample(measurer: Sampler, baseline: Configuration, stage: int) -> Sample:
    """The baseline's sample after `stage` others, run once a process."""
    before = baseline_sample(measurer, baseline, stage - 1) if stage else None
    return measurer.sample(baseline, before)
