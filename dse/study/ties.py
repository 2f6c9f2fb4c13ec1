"""What the errors of a front can tell: the smallest network that loses nothing that can be seen."""

from __future__ import annotations

from dse.design.evaluation import Evaluation
from dse.design.objective import OBJECTIVES
from dse.study.result import Study

MARGIN_POINTS = 1.0
ERROR = OBJECTIVES["error"]


def tied_with_baseline(study: Study) -> Evaluation | None:
    """The smallest point of the front whose error is not surely above the baseline's; None where there is none."""
    bars = study.error_bars
    return _smallest([point for point in scored(study) if bars.difference(point, study.baseline).low <= 0])


def near_best(study: Study, margin_points: float = MARGIN_POINTS) -> Evaluation | None:
    """The smallest point of the front that is surely less than a margin worse than `least_error`; None without one."""
    best, bars = least_error(study), study.error_bars
    if best is None:
        return None
    return _smallest([point for point in scored(study) if bars.difference(point, best).high <= margin_points])


def least_error(study: Study) -> Evaluation | None:
    """The front's point of the least error, the first of equals, None where its errors of utterances are not known.

    And where error is none of the front's objectives: its least then says nothing of what the search could reach.
    """
    if ERROR not in study.objectives:
        return None
    best = min(study.front, key=lambda point: point.metrics[ERROR.metric], default=None)
    return best if best is not None and best in scored(study) else None


def scored(study: Study) -> list[Evaluation]:
    """Points of the front whose errors of every utterance are known, as the baseline's are; format 1 lacked them."""
    if study.baseline not in study.error_bars:
        return []
    return [point for point in study.front if point in study.error_bars]


def tied_with(study: Study, point: Evaluation) -> list[str]:
    """What a point's error cannot be told from, in words: 16 bit, and the point before it on the front."""
    bars, baseline = study.error_bars, study.baseline
    found = {} if point.configuration == baseline.configuration else {"16 bit": baseline}
    if point in study.front and (number := study.front.number(point)) > 1:
        found[f"point {number - 1}"] = study.front[number - 2]
    return [name for name, other in found.items() if point in bars and other in bars and bars.tied(point, other)]


def _smallest(points: list[Evaluation]) -> Evaluation | None:
    return min(points, key=lambda point: point.metrics["size_mib"], default=None)
