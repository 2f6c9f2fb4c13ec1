"""What the errors of a front can tell: the smallest network that loses nothing that can be seen."""

from __future__ import annotations

from dse.design.evaluation import Evaluation
from dse.study.result import Study

MARGIN_POINTS = 1.0


def tied_with_baseline(study: Study) -> Evaluation | None:
    """The smallest point of the front whose error is not surely above the baseline's; None where there is none."""
    bars = study.error_bars
    return _smallest([point for point in scored(study) if bars.difference(point, study.baseline).low <= 0])


def near_best(study: Study, margin_points: float = MARGIN_POINTS) -> Evaluation | None:
    """The smallest point of the front that is surely less than a margin worse than the best: the whole interval is."""
    points, bars = scored(study), study.error_bars
    best = min(points, key=lambda point: point.metrics["error_percent"], default=None)
    return None if best is None else _smallest([p for p in points if bars.difference(p, best).high <= margin_points])


def scored(study: Study) -> list[Evaluation]:
    """Points of the front whose errors of every utterance are known, as the baseline's are; format 1 lacked them."""
    if study.baseline not in study.error_bars:
        return []
    return [point for point in study.front if point in study.error_bars]


def _smallest(points: list[Evaluation]) -> Evaluation | None:
    return min(points, key=lambda point: point.metrics["size_mib"], default=None)
