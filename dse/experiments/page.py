"""An experiment's page and files, and the index of all experiments."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate

from dse.experiments.description import FILE, Experiment
from dse.experiments.findings import Findings
from dse.reports.files import write_figure
from dse.reports.labels import short_number
from models.whole_file import whole_file
from models.workload import InputError, MissingError

RESULT, PAGE, INDEX = "result.json", "README.md", "README.md"
BEGIN, END = "<!-- experiments -->", "<!-- end of experiments -->"
SOURCES = ("dse", "models", "platforms")  # what the result depends on
UNITS = {  # by the endings of columns
    "_percent": "%",
    "_points": "points",
    "_mib": "MiB",
    "_kib": "KiB",
    "_pj_per_frame": "pJ/frame",
    "_uj": "µJ",
    "_us": "µs",
}
MOST_ROWS = 60  # of a table on the page


def write_findings(
    experiment: Experiment, findings: Findings, folder: Path, command: str, width_px: int | None
) -> list[Path]:
    """Write tables (CSV), pictures, the page, and what the index tells. Raises OSError naming what cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, table in findings.tables.items():
        paths.append(folder / f"{name}.csv")
        with whole_file(paths[-1]) as beside:
            table.to_csv(beside, index=False, lineterminator="\r\n", encoding="utf-8")
    for name, figure in findings.figures.items():
        paths += write_figure(figure, folder, name, width_px)
    result = {
        "answer": findings.answer,
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "figures": list(findings.figures),
        "tables": {name: findings.shown.get(name) for name in findings.tables},  # with the page's heading of each
    }
    paths.append(folder / RESULT)
    with whole_file(paths[-1]) as beside:
        beside.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return [*paths, write_page(experiment, folder)]


def write_page(experiment: Experiment, folder: Path) -> Path:
    """Write the page of the result and the tables that are in the folder.

    Raises MissingError where one of them is not, InputError where one cannot be read.
    """
    path = folder / RESULT
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        tables = {name: _read(folder / f"{name}.csv") for name in result["tables"]}
        text = page(experiment, tables, result, folder)
    except FileNotFoundError as error:
        raise MissingError(f"no {error.filename}; the same command without --page makes it") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} or a table is damaged or of an older version: {error!r}") from error
    with whole_file(folder / PAGE) as beside:
        beside.write_text(text, encoding="utf-8")
    return folder / PAGE


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def page(experiment: Experiment, tables: Mapping[str, pd.DataFrame], result: Mapping[str, Any], folder: Path) -> str:
    """The page in Markdown: question, answer, command, pictures, tables, what surprised."""
    parts = [f"# {experiment.title}", experiment.question, f"**{_sentence(result['answer'])}**"]
    parts.append(f"```bash\n{result['command']}\n```")
    at = f"{result['date']}, commit {result['commit']}" if result["commit"] else result["date"]
    described = f"[{FILE}]({FILE})" if (folder / FILE).exists() else f"`{experiment.source}`"
    parts.append(f"{at}. The searches are described in {described}.")
    parts += [f"![{name}]({name}.png)" for name in result["figures"] if (folder / f"{name}.png").exists()]
    for name, head in result["tables"].items():
        if head is None:
            continue
        table = tables[name]
        parts.append(f"{head}:")
        parts.append(markdown(table.head(MOST_ROWS)))
        if len(table) > MOST_ROWS:
            parts.append(f"{len(table) - MOST_ROWS} more rows in [{name}.csv]({name}.csv).")
    parts.append("Files: " + ", ".join(f"[{name}.csv]({name}.csv)" for name in tables) + ".")
    if experiment.surprise:
        parts += ["## What surprised", experiment.surprise]
    return "\n\n".join(parts) + "\n"


def markdown(table: pd.DataFrame) -> str:
    """A table in Markdown, numbers short, what is missing as a dash."""
    rows = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    heads = [_head(str(column)) for column in table.columns]
    return str(tabulate(rows, heads, tablefmt="github", disable_numparse=True))


def _head(column: str) -> str:
    """A column's name in words, its unit in brackets."""
    for ending, unit in UNITS.items():
        if column.endswith(ending):
            return f"{column.removesuffix(ending)} ({unit})".replace("_", " ")
    return column.replace("_", " ")


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "–" if pd.isna(value) else str(value) if isinstance(value, int) else short_number(float(value))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def write_index(root: Path, experiments: Sequence[Experiment]) -> Path | None:
    """Renew the experiments' part of the index in `root`, between its marks; None where it has no such part."""
    path = root / INDEX
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return None
    lines = ["| experiment | question | answer |", "|---|---|---|"]
    for experiment in experiments:
        result = root / experiment.name / RESULT
        if result.exists():
            answer = _sentence(json.loads(result.read_text(encoding="utf-8"))["answer"])
            lines.append(f"| [{experiment.name}]({experiment.name}/{PAGE}) | {experiment.question} | {answer} |")
    with whole_file(path) as beside:
        beside.write_text("\n".join([f"{before}{BEGIN}", *lines, f"{END}{after}"]), encoding="utf-8")
    return path


def commit() -> str | None:
    """The commit of the sources, marked where they are changed; None where they are no git repository."""
    root = Path(__file__).parents[2]

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", *SOURCES)
        return git("rev-parse", "--short", "HEAD") + "-changed" * bool(changed)
    except (OSError, subprocess.CalledProcessError):
        return None
