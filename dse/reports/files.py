"""A study's front as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dse.design.evaluation import Evaluation
from dse.reports.plots import write_html, write_png
from dse.reports.table import summary, table
from dse.study.result import Study
from models.whole_file import whole_file

SCORING = (
    "phone error rate on 39 phones; silence kept and scored as a phone, adjacent silences merged; features are log-mel "
    "with the speaker's mean subtracted, standardised by the checkpoint's mean and deviation"
)


FILES = ("front.csv", "front.json", "front.html", "front.png")


def publish(study: Study, folder: Path) -> None:
    """Write the front's files and print it: first the files, which no terminal can stop."""
    paths = write_files(study, folder)
    print(summary(study))
    print()
    print(table(study))
    print()
    for path in paths:
        print(path)


def write_files(study: Study, folder: Path) -> list[Path]:
    """Write front.csv, front.json, front.html and front.png into `folder`, which is made as needed.

    Raises OSError naming the file that cannot be written; it is then as it was before.
    """
    paths = [folder / name for name in FILES]
    for path, write in zip(paths, (write_csv, write_json, write_html, write_png), strict=True):
        with whole_file(path) as beside:
            write(study, beside)
    return paths


def write_csv(study: Study, path: Path) -> None:
    """Write a row for each point of the front: its metrics, then each matvec's setting."""
    study.front.frame().to_csv(path, lineterminator="\r\n", encoding="utf-8")


def write_json(study: Study, path: Path) -> None:
    """Write the front in full: identity of the study, baseline, every point with configuration and metrics."""
    record = {
        "study": study.name,
        "identity": study.identity,
        "scoring": SCORING,
        "repriced": study.repriced,
        "objectives": [
            {"name": o.name, "metric": o.metric, "unit": o.unit, "direction": o.direction} for o in study.objectives
        ],
        "evaluations": len(study.evaluations),
        "baseline": _point(study.baseline),
        "front": [{"number": number, **_point(point)} for number, point in enumerate(study.front, start=1)],
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _point(evaluation: Evaluation) -> dict[str, Any]:
    record = evaluation.to_json()
    return {key: record[key] for key in ("metrics", "configuration", "computed", "genome")}
