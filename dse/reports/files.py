"""A study's front as files."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse.design.evaluation import Evaluation
from dse.design.objective import PHONE_ERROR, error_name
from dse.exploration.plan import Plan
from dse.reports.page import write_report
from dse.reports.sensitivity import Move
from dse.reports.settings_file import SETTINGS_FILE, write_settings
from dse.reports.table import summary, table
from dse.study.bootstrap import BAR_COLUMNS
from dse.study.result import Study
from dse.study.ties import scored
from models.whole_file import whole_file
from models.workload import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go

SCORING = (
    "phone error rate on 39 phones; silence kept and scored as a phone, adjacent silences merged; features are log-mel "
    "with the speaker's mean subtracted, standardised by the checkpoint's mean and deviation"
)
OWN_SCORING = "features as the corpus has them, standardised by the checkpoint's mean and deviation"

FRAMES = (".csv", ".json", ".parquet")
FILES = ("front.csv", "front.json", "convergence.csv", "report.html")


def publish(study: Study, folder: Path, plan: Plan | None = None) -> None:
    """Write the front's files and print it: first the files, which no terminal can stop.

    With the plan of its search, the settings too.
    """
    paths = write_files(study, folder)
    if plan is not None:
        paths.append(folder / SETTINGS_FILE)
        write_settings(plan, paths[-1])
    print(summary(study))
    print()
    print(table(study))
    print()
    for path in paths:
        print(path)


def write_files(study: Study, folder: Path) -> list[Path]:
    """Write FILES into `folder`, which is made as needed.

    Raises OSError naming the file that cannot be written; it is then as it was before.
    """
    paths = [folder / name for name in FILES]
    for path, write in zip(paths, (write_csv, write_json, write_convergence, write_report), strict=True):
        with whole_file(path) as beside:
            write(study, beside)
    return paths


def write_csv(study: Study, path: Path) -> None:
    """Write a row for each point of the front: its metrics, intervals of its error, then each matvec's setting."""
    frame, points = study.front.frame(), list(study.front)
    if scored(study):
        bars = study.error_bars.frame(points, study.baseline)
        place = sum(column in study.baseline.metrics for column in frame.columns)
        for k, column in enumerate(BAR_COLUMNS):
            frame.insert(place + k, column, bars[column].to_numpy())
    frame.to_csv(path, lineterminator="\r\n", encoding="utf-8")


def write_json(study: Study, path: Path) -> None:
    """Write the front in full: identity of the study, baseline, every point with configuration and metrics.

    The hypervolume is in the product of the objectives' units, up to each one's reference.
    """
    error = error_name(study.identity)
    record = {
        "study": study.name,
        "identity": study.identity,
        "scoring": SCORING if error == PHONE_ERROR else f"{error}; {OWN_SCORING}",
        "repriced": study.repriced,
        "objectives": [
            {"name": o.name, "metric": o.metric, "unit": o.unit, "direction": o.direction, "reference": bound}
            for o, bound in zip(study.objectives, study.reference, strict=True)
        ],
        "hypervolume": (0.0, *study.convergence)[-1],
        "evaluations": len(study.evaluations),
        "baseline": _point(study.baseline),
        **({"beacons": [beacon.to_json() for beacon in study.beacons]} if study.beacons else {}),
        "front": [{"number": number, **_point(point)} for number, point in enumerate(study.front, start=1)],
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def write_convergence(study: Study, path: Path) -> None:
    """Write a row for each evaluation, in the order they were asked for: the hypervolume so far, also as a share.

    The hypervolume is as in front.json, the share in percent of the last one; there is none without a front.
    """
    volumes = study.convergence
    last = volumes[-1] if volumes else 0.0
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("evaluations", "hypervolume", "hypervolume_percent"))
        for number, volume in enumerate(volumes, start=1):
            rows.writerow((number, volume, 100 * volume / last if last else ""))


def _point(evaluation: Evaluation) -> dict[str, Any]:
    record = evaluation.to_json()
    record["metrics"] = dict(sorted(evaluation.metrics.items()))  # as a storage gives them back
    return {
        key: record[key] for key in ("metrics", "configuration", "computed", "genome", "scored_by") if key in record
    }


def write_pictures(study: Study, folder: Path, width_px: int | None) -> list[Path]:
    """Write every picture of the study as PNG, so wide; none without a width. Raises as `write_images` does."""
    if width_px is None:
        return []
    from dse.reports.images import write_images
    from dse.reports.pictures import pictures_of

    return write_images(((name, figure) for name, _, figure in pictures_of(study)), folder, width_px)


def write_sensitivity(
    study: Study, point: Evaluation, measured: Mapping[Move, Evaluation], folder: Path, name: str, width_px: int | None
) -> list[Path]:
    """Write NAME.csv, NAME.html and, with a width, NAME.png."""
    from dse.reports.pictures.sensitivity import draw
    from dse.reports.sensitivity import sensitivity_frame

    table = folder / f"{name}.csv"
    with whole_file(table) as beside:
        sensitivity_frame(study, point, measured).to_csv(beside, lineterminator="\r\n", encoding="utf-8", index=False)
    return [table, *write_figure(draw(study, point, measured), folder, name, width_px)]


def write_figure(figure: go.Figure, folder: Path, name: str, width_px: int | None) -> list[Path]:
    """Write NAME.html, which needs no network, and with a width NAME.png."""
    from dse.reports.images import write_images

    page = folder / f"{name}.html"
    with whole_file(page) as beside:
        figure.write_html(beside, include_plotlyjs=True)
    return [page, *(write_images([(name, figure)], folder, width_px) if width_px is not None else [])]


def require_frame(path: Path) -> None:
    """Check that a table of this name can be written. Raises InputError on another ending, or without pyarrow."""
    if path.suffix not in FRAMES:
        raise InputError(f"table {path} ends in none of {', '.join(FRAMES)}")
    if path.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise InputError(f"table {path}: Parquet needs the package pyarrow: pip install pyarrow")


def write_frame(study: Study, path: Path) -> None:
    """Write every evaluation of the study, a row each, see `Study.frame`; the name's ending tells how."""
    require_frame(path)
    frame = study.frame()
    with whole_file(path) as beside:
        if path.suffix == ".csv":
            frame.to_csv(beside, index=False, lineterminator="\r\n", encoding="utf-8")
        elif path.suffix == ".json":
            frame.to_json(beside, orient="records", indent=1)
        else:
            frame.to_parquet(beside, index=False)
