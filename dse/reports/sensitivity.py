"""Sensitivity: each gene moved alone, from a point, to each of its other choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tabulate import tabulate

from dse.design.evaluation import Evaluation
from dse.design.genes import recorded_space
from dse.design.objective import Objective
from dse.design.space import Choice, SearchSpace
from dse.evaluator.measurement import Task
from dse.exploration.aside import measure_aside
from dse.reports.labels import short_number
from dse.study.bootstrap import ErrorBars
from dse.study.references import measured
from dse.study.result import Study
from models.workload import Configuration, InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Move:
    """One gene at another choice than a point's, everything else as it is there."""

    gene: str
    before: Choice
    after: Choice
    configuration: Configuration

    @property
    def label(self) -> str:
        return f"{self.gene} {self.before} → {self.after}"


def space_of(study: Study) -> SearchSpace:
    """The study's search space. Raises InputError where its record tells it not."""
    if study.workload is None:
        raise InputError(f"study '{study.name}' holds no workload; run its search command once more")
    genes = study.identity.get("genes")
    if not isinstance(genes, Mapping):
        raise InputError(f"study '{study.name}' records no genes; run its search command once more")
    return recorded_space(study.workload, genes, study.identity.get("always skipped", ()))


def moves(study: Study, point: Evaluation) -> list[Move]:
    """Every gene's every other choice, from a point; those that change nothing of it are left out."""
    space = space_of(study)
    genome = space.encode(point.configuration)
    same = space.canonical(genome)
    found: list[Move] = []
    for position, gene in enumerate(space.genes):
        for choice, value in enumerate(gene.choices):
            moved = (*genome[:position], choice, *genome[position + 1 :])
            if space.canonical(moved) != same:
                before = gene.choices[genome[position]]
                found.append(Move(gene.name, before, value, space.decode(moved)))
    return found


def measure_moves(study: Study, point: Evaluation, task: Task, workers: int = 1) -> dict[Move, Evaluation]:
    """Evaluations of all moves; what the study holds is not run again, what is run is stored with it.

    All by the weights that scored the point.
    """
    every = moves(study, point)
    found = measure_aside(study, (move.configuration for move in every), task, workers, "sensitivity", point.beacon)
    return {move: found[move.configuration] for move in every}


def known_moves(study: Study, point: Evaluation) -> dict[Move, Evaluation]:
    """Those moves that the study holds an evaluation of."""
    known = measured(study, point.beacon)
    return {move: known[move.configuration] for move in moves(study, point) if move.configuration in known}


def sensitivity_frame(study: Study, point: Evaluation, evaluated: Mapping[Move, Evaluation]) -> pd.DataFrame:
    """A row a move: gene, before, after, then change of each shown metric, and the ends of the error's interval."""
    import pandas as pd

    bars = ErrorBars((point, *evaluated.values()), study.speakers)
    rows = []
    for move, evaluation in evaluated.items():
        row: dict[str, object] = {"gene": move.gene, "before": move.before, "after": move.after}
        for o in study.shown:
            if o.metric in evaluation.metrics and o.metric in point.metrics:
                row[f"change_of_{o.metric}"] = evaluation.metrics[o.metric] - point.metrics[o.metric]
        if point in bars and evaluation in bars:
            interval = bars.difference(evaluation, point)
            row |= {"change_of_error_low": interval.low, "change_of_error_high": interval.high}
        rows.append(row)
    return pd.DataFrame(rows)


def sensitivity_table(study: Study, point: Evaluation, evaluated: Mapping[Move, Evaluation]) -> str:
    """The same as text, gene by gene."""
    shown = [
        o for o in study.shown if any(o.metric in e.metrics for e in evaluated.values()) and o.metric in point.metrics
    ]
    bars = ErrorBars((point, *evaluated.values()), study.speakers)
    rows = []
    for move, evaluation in evaluated.items():
        changes = [_change(o, evaluation, point) for o in shown]
        told = bars.difference(evaluation, point).signed if point in bars and evaluation in bars else ""
        rows.append((move.gene, f"{move.before} → {move.after}", changes[0], told, *changes[1:]))
    heads = [f"Δ {o.name}\n{'points' if o.unit == '%' else o.unit}" for o in shown]
    headers = ("gene", "choice", heads[0], "95 %\ninterval", *heads[1:])
    align = ("left", "left", *("right",) * (len(headers) - 2))
    return str(tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=align))


def _change(objective: Objective, evaluation: Evaluation, point: Evaluation) -> str:
    if objective.metric not in evaluation.metrics:
        return "–"
    change = evaluation.metrics[objective.metric] - point.metrics[objective.metric]
    return ("+" if change > 0 else "-" if change < 0 else "") + short_number(abs(change))
