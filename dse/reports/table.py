"""A study as text: its front as a table, its counts as a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tabulate import tabulate

from dse.design.evaluation import Evaluation
from dse.design.objective import Objective
from dse.reports.labels import labels, short_number
from dse.study.result import Study

SHORT_NAMES = {"ops": "eliminated"}  # column heads that say more than the objective's name
MOST_REASONS = 3
MOST_ROWS = 24  # of a printed table; the files hold the whole front


def table(study: Study) -> str:
    """The front, best first objective first, over the baseline's row for reference.

    A longer front than MOST_ROWS shows that many points, evenly spread, its ends among them.
    """
    points = [(str(number), point) for number, point in enumerate(study.front, start=1)]
    if len(points) > MOST_ROWS:
        last = len(points) - 1
        points = [points[round(k * last / (MOST_ROWS - 1))] for k in range(MOST_ROWS)]
    shown = rows_of(study, points)
    left = len(study.front) - len(points)
    return f"{shown}\n({left} more of {len(study.front)} points in the files)" if left else shown


def rows_of(study: Study, points: Sequence[tuple[str, Evaluation]]) -> str:
    """Points under their names, over the baseline's row for reference."""
    baseline_error = study.baseline.metrics["error_percent"]
    groups = list(labels(study.baseline.configuration))
    columns = [_head(objective) for objective in study.shown]
    headers = ["#", *columns, *(group.replace(".", "\n") for group in groups)]
    headers.insert(2, "Δ error\npoints")
    rows = []
    for number, evaluation in [*points, ("16 bit", study.baseline)]:
        cells = [short_number(evaluation.metrics.get(objective.metric)) for objective in study.shown]
        cells.insert(1, f"{evaluation.metrics['error_percent'] - baseline_error:+.2f}")
        rows.append([number, *cells, *labels(evaluation.configuration).values()])
    align = ("right",) * (len(columns) + 2) + ("left",) * len(groups)
    return str(tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=align))


def summary(study: Study) -> str:
    """Counts in one line, then why evaluations failed and which infeasible one came nearest."""
    lines = [str(study)]
    failures = Counter(reason for e in study.evaluations if e.status == "failed" for reason in e.reasons)
    lines += [f"  failed: {count} × {reason}" for reason, count in failures.most_common(MOST_REASONS)]
    if study.retried:
        mended = sum(evaluation.status != "failed" for evaluation in study.retried)
        lines.append(f"  tried again: {len(study.retried)} that had failed, {mended} with success")
    infeasible = [e for e in study.evaluations if e.status == "infeasible" and e.violation > 0]
    if infeasible:
        nearest = min(infeasible, key=lambda evaluation: evaluation.violation)
        lines.append(f"  nearest infeasible: {'; '.join(nearest.reasons)}")
    return "\n".join(lines)


def _head(objective: Objective) -> str:
    """A column's head, the platform on top: 'silago / speedup / ×' in three lines."""
    name = SHORT_NAMES.get(objective.name, objective.name)
    return "\n".join((*name.rsplit(".", 1), objective.unit.removesuffix("/frame")))
