"""How a search went on: the hypervolume after each evaluation, as files, pictures and the progress bar tell it."""

import csv
import io
import json
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from searches import search

from dse.design.evaluation import Evaluation
from dse.design.limits import Limit
from dse.design.objective import objectives_named
from dse.design.pareto import front, hypervolume
from dse.exploration.progress import Progress
from dse.reports.files import write_files
from dse.reports.pictures.progress import hypervolume_by_evaluation
from dse.reports.table import summary
from dse.study.convergence import GrowingFront, convergence, late_gain, reference_of
from dse.study.result import load_study
from models.workload import Configuration

NAMES = ("error", "size", "ops", "compression", "max4")


def made(rng, objectives, status="ok"):
    """An evaluation with values on a coarse grid, so that ties and equals come up."""
    metrics = {o.metric: float(rng.integers(1, 8)) for o in objectives}
    return Evaluation(tuple(rng.integers(9, size=8)), Configuration(()), status, metrics=metrics)


@pytest.mark.parametrize("count", range(1, 6))
def test_it_is_the_hypervolume_of_the_front_of_all_so_far(count):
    rng = np.random.default_rng(count)
    objectives = objectives_named(NAMES[:count])
    reference = tuple(7.0 if o.direction == "minimize" else 2.0 for o in objectives)
    evaluations = [made(rng, objectives, "infeasible" if k % 7 == 3 else "ok") for k in range(80)]
    volumes = convergence(evaluations, objectives, reference)
    assert volumes == pytest.approx([hypervolume(evaluations[:k], objectives, reference) for k in range(1, 81)])
    assert volumes[-1] > volumes[0] and all(before <= after for before, after in pairwise(volumes))
    growing = GrowingFront(objectives, reference)
    for k, evaluation in enumerate(evaluations, start=1):
        growing.add(evaluation)
        points = front(evaluations[:k], objectives)
        assert len(growing) == len(points)
        assert not points or growing.best == points[0].metrics[objectives[0].metric]


def test_its_reference_is_frozen_limits_or_else_the_baselines_values(whole):
    limits = (Limit("error", 20.0), Limit("ops", 30.0))
    metrics = whole.baseline.metrics
    assert reference_of(whole.objectives, limits, whole.baseline) == (20.0, metrics["size_mib"], 30.0)
    assert reference_of(whole.objectives, (), whole.baseline)[0] == metrics["error_percent"] + 10
    assert replace(whole, evaluations=whole.evaluations[:5]).reference == whole.reference


@pytest.mark.parametrize("workers", [1, 2])
def test_a_loaded_study_has_its_evaluations_as_they_were_asked_for(whole, tmp_path, workers):
    study = search(tmp_path, workers=workers)
    loaded = load_study(study.name, study.storage)
    assert [e.genome for e in loaded.evaluations] == [e.genome for e in whole.evaluations]
    assert loaded.convergence == study.convergence == whole.convergence
    assert study.convergence[-1] == pytest.approx(study.hypervolume())


def test_it_lies_beside_the_results_with_its_reference(whole, tmp_path):
    write_files(whole, tmp_path)
    with (tmp_path / "convergence.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["evaluations"]) for row in rows] == list(range(1, 41))
    assert [float(row["hypervolume"]) for row in rows] == list(whole.convergence)
    assert float(rows[-1]["hypervolume_percent"]) == 100 > float(rows[11]["hypervolume_percent"]) > 0
    record = json.loads((tmp_path / "front.json").read_text())
    assert [objective["reference"] for objective in record["objectives"]] == list(whole.reference)
    assert record["hypervolume"] == whole.convergence[-1]


@pytest.mark.parametrize("count", [0, 12])
def test_without_a_front_it_is_nothing(tmp_path, count):
    study = search(tmp_path, limits=("error=1",))
    write_files(replace(study, evaluations=study.evaluations[:count]), tmp_path / "out")
    rows = (tmp_path / "out" / "convergence.csv").read_text().splitlines()
    assert rows[1:] == [f"{k},0.0," for k in range(1, count + 1)]
    assert json.loads((tmp_path / "out" / "front.json").read_text())["hypervolume"] == 0


def test_the_picture_shows_where_it_grew(whole):
    (line,) = hypervolume_by_evaluation(whole).data
    shares = [100 * whole.convergence[place - 1] / whole.convergence[-1] for place in line.x]
    assert list(line.y) == shares and (line.x[0], line.x[-1], line.y[-1]) == (1, 40, 100)
    assert len({*whole.convergence}) <= len(line.x) <= len({*whole.convergence}) + 1


def test_the_progress_bar_tells_it(whole, monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(40, whole.objectives) as progress:
        progress.reach(whole.reference)
        for evaluation in reversed(whole.evaluations):
            progress.count(evaluation)
    best = whole.front[0].metrics["error_percent"]
    told = f"front {len(whole.front)}, best error {best:.4g} %, hypervolume {whole.convergence[-1]:.4g}]"
    assert told in terminal.getvalue()


@pytest.mark.parametrize(
    ("volumes", "gain"),
    [
        ((), None),
        ((1.0, 2.0), None),
        ((0.0, 0.0, 0.0), None),
        ((1.0, 1.0, 4.0), (1, 75.0)),
        ((0.0, 0.0, 4.0), (1, 100.0)),
        ((1.0, 3.0, 3.0, 3.0, 3.0), (1, 0.0)),
        ((*[1.0] * 199, 99.2, *[100.0] * 100), (100, 0.8)),
    ],
)
def test_what_the_last_third_added(volumes, gain):
    assert late_gain(volumes) == (gain and (gain[0], pytest.approx(gain[1])))


def test_the_summary_tells_what_the_last_third_added(whole):
    gain = 100 * (1 - whole.hypervolume(40 - 13) / whole.hypervolume())
    assert f"  the last 13 of 40 evaluations added {gain:.1f} % of the hypervolume" in summary(whole).splitlines()
    assert "hypervolume" not in summary(replace(whole, evaluations=whole.evaluations[:2]))
