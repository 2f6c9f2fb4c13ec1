"""Searches of the whole spaces of models, with inference: what they find by when, and what they leave beside the front.

Each is dse's own search over error, size and eliminated operations, with a storage of its own, so that none has
anything of another. Hypervolumes are a study's own, up to the baseline's size and 10 points over its error; their
shares are of the hypervolume of all the model's searches pooled. What is left is looked for among the neighbours of
points spread over the final front, which one step of one gene makes: those count that dominate their point with an
error lower by more than one standard error of the paired difference.
"""

from __future__ import annotations

import tempfile
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dse.design.evaluation import Evaluation
from dse.design.objective import minimised, size_metrics
from dse.design.space import Genome, SearchSpace
from dse.exploration.aside import measure_aside
from dse.exploration.plan import Plan, make_plan
from dse.exploration.run import run_plan
from dse.exploration.settings import SearchSettings
from dse.study.bootstrap import ErrorBars
from dse.study.result import Study, load_study
from models.workload import Configuration, InputError

OBJECTIVES = ("error", "size", "ops")
MARKS = (100, 300, 1000)  # evaluations after which hypervolumes are told
AIM, AIM_AT = "nsga2", 300  # the searcher whose hypervolume the others are to reach, and when it has it
WITHIN = ("+1", "+3")  # points over the baseline's error
STANDARD_ERRORS = 4  # in a 95 % interval, from end to end


@dataclass(frozen=True)
class Search:
    """A finished search. Of the `tried` neighbours of its front's points, `better` dominate them."""

    searcher: str
    seed: int
    study: Study
    tried: int
    better: int


def whole_searches(
    models: Sequence[str],
    searchers: Sequence[str],
    seeds: int,
    evaluations: int,
    points: int,
    workers: int,
    folder: Path | None = None,
) -> None:
    """Run the searches and print a table for each model. `folder` keeps them, and what it holds is not run again."""
    with tempfile.TemporaryDirectory() as temporary:
        kept = folder or Path(temporary)
        kept.mkdir(parents=True, exist_ok=True)
        for model in models:
            found = []
            for seed in range(1, seeds + 1):
                for searcher in searchers:
                    storage = f"sqlite:///{kept}/{model}-{searcher}-{seed}.db"
                    settings = SearchSettings.of(
                        model=model, objectives=OBJECTIVES, searcher=searcher, seed=seed, workers=workers,
                        evaluations=evaluations, storage=storage,
                    )  # fmt: skip
                    found.append(_search(make_plan(settings), points))
            print_table(model, found, evaluations)


def _search(plan: Plan, points: int) -> Search:
    settings = plan.settings
    study = run_plan(plan)
    study = replace(study, evaluations=study.evaluations[: settings.evaluations])  # the folder's may be of a longer one
    print(f"{plan.workload.model} {settings.searcher}, seed {settings.seed}: {study}", flush=True)
    tried, better = _left(plan, study, points)
    if tried:
        print(f"  of {tried} neighbours of the front {better} dominate their point", flush=True)
    return Search(settings.searcher, settings.seed, study, tried, better)


def _left(plan: Plan, study: Study, points: int) -> tuple[int, int]:
    """How many neighbours of points of the front were tried, and how many dominate their point; none of AIM's are."""
    if plan.settings.searcher == AIM:
        return 0, 0
    front = study.front
    numbers = dict.fromkeys(np.linspace(0, len(front) - 1, min(points, len(front))).round().astype(int).tolist())
    pairs = [(front[number], near) for number in numbers for near in _smaller(plan, front[number])]
    stored = load_study(study.name, plan.settings.storage)  # with what was put aside before
    known = measure_aside(stored, [near for _, near in pairs], plan.task, plan.settings.processes, "neighbours")
    bars = ErrorBars([*(front[number] for number in numbers), *known.values()], study.speakers)
    better = [pair for pair in pairs if known[pair[1]].measured and _dominates(known[pair[1]], pair[0], study, bars)]
    return len(pairs), len(better)


def _smaller(plan: Plan, point: Evaluation) -> list[Configuration]:
    """Neighbours of a point, but for larger ones, which cannot dominate it."""
    size = point.metrics["size_mib"]
    near = [plan.space.decode(genome) for genome in _neighbours(plan.space, point.genome)]
    return [each for each in near if size_metrics(plan.workload, each)["size_mib"] <= size]


def _neighbours(space: SearchSpace, genome: Genome) -> Iterator[Genome]:
    """Canonical genomes of one gene's next choices, those with another effect."""
    seen = {space.canonical(genome)}
    for position, gene in enumerate(space.genes):
        for choice in (genome[position] - 1, genome[position] + 1):
            if 0 <= choice < len(gene.choices):
                near = space.canonical((*genome[:position], choice, *genome[position + 1 :]))
                if near not in seen:
                    seen.add(near)
                    yield near


def _dominates(one: Evaluation, other: Evaluation, study: Study, bars: ErrorBars) -> bool:
    """Whether an evaluation is nowhere worse than another, and its error lower by more than one standard error."""
    mine, theirs = (minimised(study.objectives, each.metrics) for each in (one, other))
    if not all(a <= b for a, b in zip(mine, theirs, strict=True)):
        return False
    difference = bars.difference(one, other)
    standard_error = (difference.high - difference.low) / STANDARD_ERRORS
    return one.metrics["error_percent"] - other.metrics["error_percent"] < -standard_error


def print_table(model: str, found: Sequence[Search], evaluations: int) -> None:
    """A row a search."""
    pooled = replace(found[0].study, evaluations=tuple(e for search in found for e in search.study.evaluations))
    best = pooled.hypervolume()
    marks = sorted({mark for mark in MARKS if mark <= evaluations} | {evaluations})
    aim_at = min(AIM_AT, evaluations)
    aims = [search.study.hypervolume(aim_at) for search in found if search.searcher == AIM]
    aim = float(np.median(aims)) if aims else None
    heads = ["searcher", "seed", *(f"hypervolume at {mark}" for mark in marks), "% of the pooled"]
    heads += [f"to {AIM}'s at {aim_at}", *(f"smallest within {within}, MiB" for within in WITHIN), "neighbours better"]
    print(f"\n**{model}**, up to {', '.join(f'{value:.4g}' for value in pooled.reference)}\n")
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for search in found:
        study = search.study
        cells = [search.searcher, str(search.seed), *(f"{study.hypervolume(mark):.1f}" for mark in marks)]
        cells += [f"{100 * study.hypervolume() / best:.2f}", "" if aim is None else _reached(study, aim)]
        cells += [_smallest(study, within) for within in WITHIN]
        cells.append(f"{search.better} of {search.tried}" if search.tried else "")
        print("| " + " | ".join(cells) + " |", flush=True)
    print()


def _reached(study: Study, aim: float) -> str:
    """Evaluations to a hypervolume."""
    counts = range(1, len(study.evaluations) + 1)
    first = bisect_left(counts, aim, key=study.hypervolume)
    return str(counts[first]) if first < len(counts) else "never"


def _smallest(study: Study, within: str) -> str:
    try:
        return f"{study.pick(error=within, minimize='size').metrics['size_mib']:.4f}"
    except InputError:
        return "none"
