"""A study as text: its front as a table, its counts as a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from tabulate import tabulate

from dse.design.evaluation import Evaluation
from dse.design.objective import Objective
from dse.reports.labels import labels, short_number
from dse.study.convergence import late_gain
from dse.study.result import Study
from dse.study.ties import MARGIN_POINTS, least_error, near_best, scored, tied_with_baseline

SHORT_NAMES = {"ops": "eliminated"}  # column heads that say more than the objective's name
TIED = "="
T = TypeVar("T")
MOST_REASONS = 3
MOST_ROWS = 24  # of a printed table; the files hold the whole front


def table(study: Study) -> str:
    """The front, best first objective first, over the baseline's row for reference.

    A longer front than MOST_ROWS shows that many points, evenly spread, its ends among them.
    """
    points = spread([(str(number), point) for number, point in enumerate(study.front, start=1)], MOST_ROWS)
    shown = rows_of(study, points)
    left = len(study.front) - len(points)
    lines = [shown]
    if scored(study):
        lines.append(f"{TIED} error tied with that of 16 bit; intervals of 95 %: bootstrap over {_units(study)}")
    return "\n".join((*lines, f"({left} more of {len(study.front)} points in the files)") if left else lines)


def spread(rows: Sequence[T], most: int) -> list[T]:
    """At most so many rows, evenly spread, the first and the last among them."""
    last = len(rows) - 1
    return list(rows) if len(rows) <= most else [rows[round(k * last / (most - 1))] for k in range(most)]


def rows_of(study: Study, points: Sequence[tuple[str, Evaluation]], over: tuple[str, Evaluation] | None = None) -> str:
    """Points under their names, over the baseline's row; errors are compared with `over`, else with the baseline."""
    name, reference = over or ("", study.baseline)
    groups = list(labels(study.baseline.configuration))
    columns = [_head(objective) for objective in study.shown]
    columns += ["beacon"] * bool(study.beacons)
    headers = ["#", *columns, *(group.replace(".", "\n") for group in groups)]
    headers[2:2] = [f"Δ error{f' to {name}' * bool(name)}\npoints", "95 %\ninterval"]
    rows = []
    for number, evaluation in [*points, ("16 bit", study.baseline)]:
        cells = [short_number(evaluation.metrics.get(objective.metric)) for objective in study.shown]
        cells += [str(evaluation.beacon or "")] * bool(study.beacons)
        cells[1:1] = _compared(study, evaluation, reference)
        rows.append([number, *cells, *labels(evaluation.configuration).values()])
    if not scored(study):
        headers.pop(3)
        rows = [[*row[:3], *row[4:]] for row in rows]
    align = ("right",) * (len(headers) - len(groups)) + ("left",) * len(groups)
    return str(tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=align))


def _compared(study: Study, evaluation: Evaluation, reference: Evaluation) -> list[str]:
    """Difference of an error to the reference's, and its interval, marked where it is tied."""
    cells = [f"{evaluation.metrics['error_percent'] - reference.metrics['error_percent']:+.2f}", ""]
    bars = study.error_bars
    if evaluation in bars and reference in bars and evaluation.configuration != reference.configuration:
        interval = bars.difference(evaluation, reference)
        cells[1] = f"{TIED} " * (0 in interval) + interval.signed
    return cells


def ties(study: Study) -> list[str]:
    """The front's smallest network that loses nothing to be seen, and its smallest surely near its best, a line each.

    The interval of each is that of what it is compared with, which is named.
    """
    best = least_error(study)
    tied = tied_with_baseline(study)
    better = tied is not None and study.error_bars.difference(tied, study.baseline).high < 0
    found = [("better than 16 bit" if better else "tied with 16 bit", tied, study.baseline, "16 bit")]
    if best is not None:
        margin, name = f"less than {MARGIN_POINTS:g} point worse", f"point {study.front.number(best)}"
        found.append((f"{margin} than its least error", near_best(study), best, name))
    return [
        f"  smallest of the front {what}: point {study.front.number(point)}, {point.metrics['size_mib']:.3f} MiB, "
        f"{point.metrics['error_percent']:.2f} %, {_over(study, point, reference, name)}"
        for what, point, reference, name in found
        if point is not None
    ]


def _over(study: Study, point: Evaluation, reference: Evaluation, name: str) -> str:
    if point.configuration == reference.configuration:
        return f"{name} itself"
    return f"{study.error_bars.difference(point, reference).signed} points over {name}"


def _units(study: Study) -> str:
    bars = study.error_bars
    return f"{bars.units} {bars.unit}s"


def summary(study: Study) -> str:
    """Counts, then failures, the nearest infeasible evaluation, beacons, ties, the late gain, the test split."""
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
    if study.beacons:
        scored_by = sum(evaluation.beacon is not None for evaluation in study.evaluations)
        minutes = sum(beacon.seconds for beacon in study.beacons) / 60
        lines.append(
            f"  {len(study.beacons)} beacons, retrained in {minutes:.1f} minutes, scored {scored_by} evaluations, "
            f"{sum(point.beacon is not None for point in study.front)} of the front"
        )
    lines += ties(study)
    if late := late_gain(study.convergence):
        last, percent = late
        lines.append(
            f"  the last {last} of {len(study.evaluations)} evaluations added {percent:.1f} % of the hypervolume"
        )
    return "\n".join((*lines, *(f"  test split {run}" for run in spent(study))))


def spent(study: Study) -> list[str]:
    """When the test split was spent and on how much of this front, each time."""
    return [
        f"spent on {run.when}, on {sum(point.configuration in frozen for point in study.front)} of "
        f"{len(study.front)} points of this front{'; interrupted' if run.left else ''}"
        for run in study.finals
        for frozen in [{*run.points}]
    ]


def _head(objective: Objective) -> str:
    """A column's head, the platform on top: 'silago / speedup / ×' in three lines."""
    name = SHORT_NAMES.get(objective.name, objective.name)
    return "\n".join((*name.rsplit(".", 1), objective.unit.removesuffix("/frame")))
