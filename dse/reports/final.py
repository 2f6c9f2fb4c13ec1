"""The final report: what a frozen front scored on the test split, beside what it had on validation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tabulate import tabulate

from dse.design.evaluation import Evaluation
from dse.design.objective import TEST_ERROR, error_name
from dse.design.pareto import front
from dse.phones.kinds import short_name
from dse.reports.table import spread
from dse.study.result import Study

MOST_ROWS = 12


def optimism_points(study: Study, point: Evaluation) -> float:
    """Points that a point loses on test over what it loses on validation, each against the baseline there.

    Above 0 where the search found it better on validation than it is. What the splits differ by in difficulty is out.
    """
    test, validation = (
        point.metrics[metric] - study.baseline.metrics[metric] for metric in (TEST_ERROR.metric, "error_percent")
    )
    return test - validation


def ranks(study: Study, metric: str) -> list[int]:
    """Rank from 1 of each of the front's points by a metric, least first; the earlier of equals first."""
    values = [point.metrics[metric] for point in study.front]
    order = sorted(range(len(values)), key=values.__getitem__)
    return [order.index(k) + 1 for k in range(len(values))]


def survivors(study: Study) -> int:
    """How many of the front's points no other one beats when the error is that on the test split."""
    swapped = [
        replace(point, metrics={**point.metrics, "error_percent": point.metrics[TEST_ERROR.metric]})
        for point in study.front
    ]
    return len(front(swapped, study.objectives))


def final_table(study: Study) -> str:
    """Validation against test, a row for each of some points of the front, and what all of them tell."""
    places = [ranks(study, metric) for metric in ("error_percent", TEST_ERROR.metric)]
    rows = []
    for number, point in spread(list(enumerate(study.front, start=1)), MOST_ROWS):
        errors = (point.metrics["error_percent"], point.metrics[TEST_ERROR.metric])
        moved = places[1][number - 1] - places[0][number - 1]
        rows.append((number, *(f"{e:.2f}" for e in errors), f"{optimism_points(study, point):+.2f}", f"{moved:+d}"))
    errors = (study.baseline.metrics["error_percent"], study.baseline.metrics[TEST_ERROR.metric])
    rows.append(("16 bit", *(f"{error:.2f}" for error in errors), "", ""))
    called = short_name(error_name(study.identity))
    headers = ("#", f"validation\n{called} %", f"test\n{called} %", "optimism\npoints", "change\nof rank")
    text = tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=("right",) * len(headers))
    return f"{text}\n{final_summary(study)}"


def final_summary(study: Study) -> str:
    """When the test split was spent, mean optimism, agreement of the orders, how much of the front stays one."""
    from scipy.stats import kendalltau

    run = study.finals[-1]
    optimism = np.mean([optimism_points(study, point) for point in study.front])
    times = "" if len(study.finals) == 1 else f", the last of {len(study.finals)} times"
    order = ""
    if len(study.front) > 1:  # fewer have no order, of which SciPy warns
        tau = kendalltau(*(ranks(study, metric) for metric in ("error_percent", TEST_ERROR.metric))).statistic
        order = f"; order of errors kept to a Kendall tau of {tau:.2f}"
    return (
        f"test split spent on {run.when}{times}: mean optimism {optimism:+.2f} points{order}; "
        f"{survivors(study)} of {len(study.front)} points are a front on test too"
    )
