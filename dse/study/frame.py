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

BEACON_COLUMNS = ("beacon", "base_error_percent")  # none: the base network's weights
SETTING_FIELDS = tuple(field.name for field in fields(Setting))


def columns_of(baseline: Evaluation, objectives: Sequence[Objective] | None = None, beacons: bool = False) -> list[str]:
    """Columns of a study's tables, as the baseline has them: metrics, platforms' last, then each matvec's setting.

    With `objectives`, those that a front is published with: the worst quarter only where it is one, since the four
    quarters give it. With `beacons`, whose weights scored each, after the metrics.
    """
    metrics = sorted(baseline.metrics, key=lambda name: "." in name)
    if objectives is not None and MAX4 not in objectives:
        metrics = [name for name in metrics if name != MAX4.metric]
    metrics += BEACON_COLUMNS if beacons else ()
    return [*metrics, *(f"{matvec}.{name}" for matvec, _ in baseline.configuration for name in SETTING_FIELDS)]


def evaluations_frame(evaluations: Sequence[Evaluation], columns: Sequence[str]) -> pd.DataFrame:
    """Table of metrics, then weight_bits, act_bits, delta (steps), skip of every matvec; NaN where not measured."""
    import pandas as pd

    rows = []
    for evaluation in evaluations:
        base = evaluation.base or evaluation.metrics
        row: dict[str, object] = {**evaluation.metrics, "beacon": evaluation.beacon}
        row["base_error_percent"] = base.get("error_percent")
        for matvec, setting in evaluation.configuration:
            row |= {f"{matvec}.{name}": getattr(setting, name) for name in SETTING_FIELDS}
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(columns))
    return table.astype({"beacon": "Int64"}) if "beacon" in columns else table


def outcomes_frame(evaluations: Sequence[Evaluation], columns: Sequence[str]) -> pd.DataFrame:
    """Table of what became of each evaluation (status, reasons, violation, seconds), then `evaluations_frame`."""
    frame = evaluations_frame(evaluations, columns)
    outcomes: dict[str, list[Any]] = {
        "status": [evaluation.status for evaluation in evaluations],
        "reasons": ["; ".join(evaluation.reasons) for evaluation in evaluations],
        "violation": [evaluation.violation for evaluation in evaluations],
        "seconds": [evaluation.seconds for evaluation in evaluations],
    }
    for place, (name, column) in enumerate(outcomes.items()):
        frame.insert(place, name, column)
    return frame
