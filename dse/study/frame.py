"""Evaluations as tidy tables: a row each, units in the names of columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from dse.design.evaluation import Evaluation
from dse.design.objective import MAX4, Objective
from models.workload import Setting

if TYPE_CHECKING:
    import pandas as pd

SETTING_FIELDS = tuple(field.name for field in fields(Setting))


def metric_columns(baseline: Evaluation) -> list[str]:
    """Every metric that the baseline has, those of platforms last."""
    return sorted(baseline.metrics, key=lambda name: "." in name)


def point_columns(baseline: Evaluation, objectives: Sequence[Objective]) -> list[str]:
    """Columns that a front is published with: the worst quarter only as an objective, since the quarters give it."""
    return [name for name in metric_columns(baseline) if name != MAX4.metric or MAX4 in objectives]


def evaluations_frame(evaluations: Sequence[Evaluation], metrics: Sequence[str]) -> pd.DataFrame:
    """Table of `metrics`, then weight_bits, act_bits, delta (steps), skip of every matvec; NaN where not measured."""
    import pandas as pd

    rows = []
    for evaluation in evaluations:
        row: dict[str, object] = {name: evaluation.metrics.get(name) for name in metrics}
        for matvec, setting in evaluation.configuration:
            row |= {f"{matvec}.{name}": getattr(setting, name) for name in SETTING_FIELDS}
        rows.append(row)
    names = [
        f"{matvec}.{name}"
        for matvec, _ in (evaluations[0].configuration if evaluations else ())
        for name in SETTING_FIELDS
    ]
    return pd.DataFrame(rows, columns=[*metrics, *names])


def outcomes_frame(evaluations: Sequence[Evaluation], metrics: Sequence[str]) -> pd.DataFrame:
    """Table of what became of each evaluation (status, reasons, violation, seconds), then `evaluations_frame`."""
    frame = evaluations_frame(evaluations, metrics)
    outcomes: dict[str, list[Any]] = {
        "status": [evaluation.status for evaluation in evaluations],
        "reasons": ["; ".join(evaluation.reasons) for evaluation in evaluations],
        "violation": [evaluation.violation for evaluation in evaluations],
        "seconds": [evaluation.seconds for evaluation in evaluations],
    }
    for place, (name, column) in enumerate(outcomes.items()):
        frame.insert(place, name, column)
    return frame
