"""A result as a table and as files."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tabulate import tabulate

from dse.evaluate import Evaluation
from dse.objective import Objective
from dse.result import SearchResult
from models.workload import Configuration, Setting

SHORT_NAMES = {"ops": "eliminated"}  # column heads that say more than the objective's name

LARGE, SMALL = 1e3, 1e-2  # beyond these a number is written with all its digits, or only the first
SCORING = (
    "phone error rate on 39 phones; silence kept and scored as a phone, adjacent silences merged; features are log-mel "
    "with the speaker's mean subtracted, standardised by the checkpoint's mean and deviation"
)
MOST_REASONS = 3
MOST_ROWS = 24  # of a printed table; the files hold the whole front


def label(setting: Setting) -> str:
    """'W4A8', with 'd16' for a delta threshold of 16 steps; 'skip' for a path left at 16 bit."""
    bits = "skip" if setting.skip else f"W{setting.weight_bits}A{setting.act_bits}"
    return f"{bits}d{setting.delta}" if setting.delta else bits


def labels(configuration: Configuration) -> dict[str, str]:
    """A label for each group of matvecs that share genes: 'l1.recurrent_f' and 'l1.candidate' are 'l1.recurrent'.

    'W4A8+skip' is a group of which a part is skipped.
    """
    found: dict[str, list[str]] = {}
    for name, setting in configuration:
        group = name.partition("_")[0].replace("candidate", "recurrent")
        known = found.setdefault(group, [])
        if label(setting) not in known:
            known.append(label(setting))
    return {group: "+".join(known) for group, known in found.items()}


def describe(configuration: Configuration) -> str:
    """One line: 'l0.input W8A8 · output W4A8d16'."""
    return " · ".join(f"{group} {text}" for group, text in labels(configuration).items())


def table(result: SearchResult) -> str:
    """The front, best first objective first, over the baseline's row for reference.

    A longer front than MOST_ROWS shows that many points, evenly spread, its ends among them.
    """
    baseline_error = result.baseline.metrics["error_percent"]
    groups = list(labels(result.baseline.configuration))
    columns = [_head(objective) for objective in result.shown]
    headers = ["#", *columns, *(group.replace(".", "\n") for group in groups)]
    headers.insert(2, "Δ error\npoints")
    rows = []
    points = _numbered(result.front)
    if len(points) > MOST_ROWS:
        last = len(points) - 1
        points = [points[round(k * last / (MOST_ROWS - 1))] for k in range(MOST_ROWS)]
    for number, evaluation in [*points, ("16 bit", result.baseline)]:
        cells = [short_number(evaluation.metrics.get(objective.metric)) for objective in result.shown]
        cells.insert(1, f"{evaluation.metrics['error_percent'] - baseline_error:+.2f}")
        rows.append([number, *cells, *labels(evaluation.configuration).values()])
    align = ("right",) * (len(columns) + 2) + ("left",) * len(groups)
    shown = tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=align)
    left = len(result.front) - len(points)
    return f"{shown}\n({left} more of {len(result.front)} points in the files)" if left else shown


def summary(result: SearchResult) -> str:
    """Counts in one line, then why evaluations failed and which infeasible one came nearest."""
    counts = [f"{len(result.evaluations)} evaluations"]
    others = ("infeasible", "screened", "failed")
    counts += [f"{number} {status}" for status in others if (number := result.count(status))]
    objectives = ", ".join(objective.name for objective in result.objectives)
    lines = [f"study {result.study}: {', '.join(counts)}; {len(result.front)} on the front over {objectives}"]
    failures = Counter(reason for e in result.evaluations if e.status == "failed" for reason in e.reasons)
    lines += [f"  failed: {count} × {reason}" for reason, count in failures.most_common(MOST_REASONS)]
    if result.retried:
        mended = sum(evaluation.status != "failed" for evaluation in result.retried)
        lines.append(f"  tried again: {len(result.retried)} that had failed, {mended} with success")
    infeasible = [evaluation for evaluation in result.evaluations if evaluation.status == "infeasible"]
    if infeasible:
        nearest = min(infeasible, key=lambda evaluation: evaluation.violation)
        lines.append(f"  nearest infeasible: {'; '.join(nearest.reasons)}")
    return "\n".join(lines)


def write_files(result: SearchResult, folder: Path) -> list[Path]:
    """front.csv, front.json, front.html and front.png in `folder`, which is made as needed."""
    from dse.plot import write_html, write_png

    folder.mkdir(parents=True, exist_ok=True)
    writers = {"front.csv": write_csv, "front.json": write_json, "front.html": write_html, "front.png": write_png}
    paths = []
    for name, write in writers.items():
        write(result, folder / name)
        paths.append(folder / name)
    return paths


def write_csv(result: SearchResult, path: Path) -> None:
    """One row per point of the front: its metrics, then each matvec's setting."""
    fields = ("weight_bits", "act_bits", "delta", "skip")
    columns = [f"{name}.{field}" for name, _ in result.baseline.configuration for field in fields]
    metrics = list(result.baseline.metrics)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["number", *metrics, *columns])
        for number, evaluation in _numbered(result.front):
            settings = [getattr(setting, field) for _, setting in evaluation.configuration for field in fields]
            writer.writerow([number, *(evaluation.metrics[metric] for metric in metrics), *settings])


def write_json(result: SearchResult, path: Path) -> None:
    """The front in full: settings of the study, baseline, and every point with configuration and metrics."""
    record = {
        "study": result.study,
        "settings": result.settings,
        "scoring": SCORING,
        "repriced": result.repriced,
        "objectives": [
            {"name": o.name, "metric": o.metric, "unit": o.unit, "direction": o.direction} for o in result.objectives
        ],
        "evaluations": len(result.evaluations),
        "baseline": _point(result.baseline),
        "front": [{"number": int(number), **_point(evaluation)} for number, evaluation in _numbered(result.front)],
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _point(evaluation: Evaluation) -> dict[str, Any]:
    record = evaluation.to_json()
    return {key: record[key] for key in ("metrics", "configuration", "computed", "genome")}


def _numbered(evaluations: Iterable[Evaluation]) -> list[tuple[str, Evaluation]]:
    return [(str(number), evaluation) for number, evaluation in enumerate(evaluations, start=1)]


def _head(objective: Objective) -> str:
    """A column's head, the platform on top: 'silago / speedup / ×' in three lines."""
    name = SHORT_NAMES.get(objective.name, objective.name)
    return "\n".join((*name.rsplit(".", 1), objective.unit.removesuffix("/frame")))


def short_number(value: float | None) -> str:
    """Two or three decimals, none of a large number, the first digits of a small one."""
    if value is None:
        return "–"
    if abs(value) >= LARGE:
        return f"{value:,.0f}"
    if 0 < abs(value) < SMALL:
        return f"{value:.3g}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
