"""Search a model's design space for its Pareto front.

    from dse.search import SearchSettings, run_search
    result = run_search(SearchSettings(model="sru", objectives=("error", "size"), evaluations=100))

or, for a platform, `SearchSettings(platforms=("silago",), objectives=("error", "speedup"))`.

Running it again with the same settings continues where it stopped: the seed replays the search, and what is stored is
not evaluated again. What failed is: a success takes the failure's place, and the search goes on from it anew; what was
bred from the failure, and what was screened meanwhile, stays as it was judged.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dse.evaluate import Evaluation, judge
from dse.limits import Limit, resolve
from dse.objective import Objective, minimised
from dse.pareto import front
from dse.plan import MeasureModule, Plan, SearchSettings, make_plan
from dse.pricing import broken_rules, price
from dse.progress import Progress
from dse.result import SearchResult
from dse.screen import Screen
from dse.searchers import Outcome, searcher_named
from dse.space import Genome
from dse.workers import Job, Workers, open_workers
from models.workload import Configuration, Workload

if TYPE_CHECKING:
    from dse.store import Store

__all__ = ["MeasureModule", "Plan", "SearchSettings", "make_plan", "run_plan", "run_search"]

OFFSPRING_FRACTION = 0.25  # of the population, per generation; Source: Rezk et al., MOHAQ: 10 of 40


def run_search(settings: SearchSettings, measure: MeasureModule | None = None) -> SearchResult:
    """Run a search, or go on with it, until `settings.evaluations` distinct genomes are evaluated.

    Every evaluation is stored as soon as it is done. The result holds all that the study has, also from longer runs.
    Raises ValueError, or StoreError where the storage fails; KeyboardInterrupt passes through and loses only the
    evaluations under way.
    """
    return run_plan(make_plan(settings, measure))


def run_plan(plan: Plan) -> SearchResult:
    """`run_search` on settings worked out before."""
    from dse.store import open_study

    settings = plan.settings
    store = open_study(settings.storage, plan.study, plan.identity, plan.objectives)
    if store.workload is None:
        store.set_workload(plan.workload)
    with (
        _open_workers(plan) as workers,
        Progress(settings.evaluations, plan.objectives) as progress,
    ):
        baseline = store.baseline or _measure_baseline(plan, store, workers)
        limits = resolve(plan.limits, baseline.metrics)
        searcher = searcher_named(settings.searcher)(
            plan.space,
            objectives=len(plan.objectives),
            seed=settings.seed,
            population=settings.population,
            start=_runnable(plan.space.uniform(), plan),
        )
        known = {genome: e for genome, e in store.evaluations.items() if e.status != "failed"}
        failed_before = store.evaluations.keys() - known.keys()
        asked: list[Genome] = []
        wanted = settings.population
        while len(asked) < settings.evaluations and (genomes := searcher.ask(wanted)):
            # A whole generation is asked even if only part fits, so that a longer run begins like a shorter one.
            genomes = genomes[: settings.evaluations - len(asked)]
            new = [genome for genome in genomes if genome not in known]
            for genome in genomes:
                if genome in known:
                    progress.count(known[genome], stored=True)
            screen = _screen(plan, baseline, [store.evaluations[genome] for genome in asked])
            for evaluation in _evaluate(new, plan, baseline, limits, workers, screen):
                store.add(evaluation, plan.space)
                progress.count(evaluation)
            asked += genomes
            searcher.tell([_outcome(store.evaluations[genome], plan.objectives) for genome in genomes])
            wanted = max(1, round(settings.population * OFFSPRING_FRACTION))
    in_order = dict.fromkeys((*asked, *store.evaluations))
    return SearchResult(
        study=plan.study,
        settings=store.settings,
        objectives=plan.objectives,
        baseline=baseline,
        evaluations=tuple(store.evaluations[genome] for genome in in_order),
        exhausted=len(asked) < settings.evaluations,
        workload=plan.workload,
        retried=tuple(store.evaluations[genome] for genome in asked if genome in failed_before),
    )


def _open_workers(plan: Plan) -> Workers:
    settings, measure = plan.settings, plan.measure
    if settings.cluster is None:
        return open_workers(settings.processes, measure.open_measurer, plan.task)
    from dse.cluster import Cluster, SameContent

    content = tuple(plan.identity["content"].items())
    return Cluster(settings.cluster, SameContent(measure.open_measurer, measure.task_fingerprint, content), plan.task)


def _runnable(genomes: Sequence[Genome], plan: Plan) -> list[Genome]:
    return [g for g in genomes if not broken_rules(plan.platforms, plan.workload, plan.space.decode(g))]


def _measure_baseline(plan: Plan, store: Store, workers: Workers) -> Evaluation:
    """16 bit everywhere, whether the space holds it or not, and whatever the limits say."""
    (baseline,) = workers.evaluate([Job((), plan.space.base, ())])
    if baseline.status == "failed":
        raise ValueError(f"the 16-bit baseline cannot be measured: {baseline.reasons[0]}")
    prices = price(plan.platforms, plan.workload, baseline.configuration, baseline.computed)
    baseline = replace(baseline, metrics={**baseline.metrics, **prices})
    store.set_baseline(baseline)
    return baseline


def _screen(plan: Plan, baseline: Evaluation, before: Sequence[Evaluation]) -> Screen | None:
    """Of what was evaluated in the generations before, so that it is the same for any number of workers."""
    if not plan.settings.screening:
        return None
    points = tuple(minimised(plan.objectives, evaluation.metrics) for evaluation in front(before, plan.objectives))
    return Screen(baseline.configuration, baseline.metrics["error_percent"], plan.objectives, points)


def _evaluate(
    genomes: Sequence[Genome],
    plan: Plan,
    baseline: Evaluation,
    limits: tuple[Limit, ...],
    workers: Workers,
    screen: Screen | None,
) -> Iterator[Evaluation]:
    """In the order they finish. The baseline's own genome needs no second run."""
    jobs = []
    for genome in genomes:
        configuration = plan.space.decode(genome)
        if configuration == baseline.configuration:
            broken = broken_rules(plan.platforms, plan.workload, configuration)
            yield judge(replace(baseline, genome=genome), limits, broken)
        else:
            jobs.append(Job(genome, configuration, limits, plan.settings.platforms, screen))
    # The longest first, so that workers end a generation together.
    yield from workers.evaluate(sorted(jobs, key=lambda job: -_products(plan.workload, job.configuration)))


def _products(workload: Workload, configuration: Configuration) -> int:
    """8-bit products per frame; a 16-bit operand is multiplied as two of 8 bits."""
    return sum(
        matvec.macs_per_frame * math.prod(2 if bits > 8 else 1 for bits in configuration[matvec.name].operand_bits)
        for matvec in workload
    )


def _outcome(evaluation: Evaluation, objectives: Sequence[Objective]) -> Outcome:
    if evaluation.status == "failed":
        return Outcome(evaluation.genome, None, math.inf)
    # What a sample of the split lets expect of a screened candidate guides the search as well.
    values = minimised(objectives, evaluation.metrics) if evaluation.computed else None
    return Outcome(evaluation.genome, values, evaluation.violation)


if __name__ == "__main__":
    from dse.search_command import main

    sys.exit(main())
