"""Search a model's design space for its Pareto front.

    from dse.search import SearchSettings, run_search
    result = run_search(SearchSettings(model="sru", objectives=("error", "size"), evaluations=100))

or, for a platform, `SearchSettings(platforms=("silago",), objectives=("error", "speedup"))`.

Running it again with the same settings continues where it stopped: the seed replays the search, and what is stored is
not evaluated again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from dse.evaluate import Evaluation, Measurer, judge
from dse.limits import Limit, parse_limits, resolve
from dse.objective import Objective, full_objective, minimised, objectives_named
from dse.pricing import broken_rules, common_bits, open_platforms, price, require
from dse.pricing import identity as platform_identity
from dse.progress import Progress
from dse.result import SearchResult
from dse.searchers import Outcome, searcher_named
from dse.space import DEFAULT_BITS, DEFAULT_DELTA, SKIP_FIRST, Genome, SearchSpace, search_space
from dse.workers import Job, Workers, open_workers
from models.workload import Workload
from platforms import Platform

if TYPE_CHECKING:
    from dse.store import Store

DEFAULT_STORAGE = "sqlite:///studies/dse.db"
# Without it most of a front is networks that nobody would ship. Source: Rezk et al., MOHAQ, stop at 24 % of about 16 %.
DEFAULT_LIMITS = ("error=+10",)
OFFSPRING_FRACTION = 0.25  # of the population, per generation; Source: Rezk et al., MOHAQ: 10 of 40
SMALLEST_POPULATION = 4


@dataclass(frozen=True)
class SearchSettings:
    """What to search. All but evaluations, workers, storage and study make up the study's identity.

    `limits` and `platforms` are texts as on the command line: "error=+3", "bitfusion:level=ideal". Raises ValueError
    on numbers out of range.
    """

    model: str = "sru"
    preset: str = "edge"
    checkpoint: str | None = None
    corpus: str = "synthetic"
    corpus_path: str | None = None
    objectives: tuple[str, ...] = ("error", "size")
    limits: tuple[str, ...] = DEFAULT_LIMITS
    platforms: tuple[str, ...] = ()
    evaluations: int = 300
    seed: int = 1
    population: int = 40
    searcher: str = "nsga2"
    weight_bits: tuple[int, ...] = DEFAULT_BITS
    activation_bits: tuple[int, ...] = DEFAULT_BITS
    delta: tuple[int, ...] = DEFAULT_DELTA
    skip: tuple[str, ...] = (SKIP_FIRST,)
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    storage: str = DEFAULT_STORAGE
    study: str | None = None

    def __post_init__(self) -> None:
        at_least = {"evaluations": 1, "seed": 0, "population": SMALLEST_POPULATION, "workers": 1}
        for name, least in at_least.items():
            if (value := getattr(self, name)) < least:
                raise ValueError(f"{name} {value} is too small; it is at least {least}")


class MeasureModule(Protocol):
    """What the search needs of `dse.measure`; anything with these four can stand in for it."""

    Task: Callable[..., Any]
    task_workload: Callable[[Any], Workload]
    task_fingerprint: Callable[[Any], dict[str, str]]
    open_measurer: Callable[[Any], Measurer]


@dataclass(frozen=True)
class Plan:
    """A search worked out without running anything: no inference, no torch."""

    settings: SearchSettings
    measure: MeasureModule
    task: Any
    workload: Workload
    space: SearchSpace
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    platforms: dict[str, Platform]
    identity: dict[str, Any]

    @property
    def study(self) -> str:
        """The given name, or one that the identity settles."""
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()
        return self.settings.study or f"{self.settings.model}-{self.settings.preset}-{digest[:8]}"


def make_plan(settings: SearchSettings, measure: MeasureModule | None = None) -> Plan:
    """Raises ValueError or FileNotFoundError on whatever is wrong with the settings, the checkpoint or the corpus."""
    chosen: Any = measure
    if chosen is None:
        import dse.measure as chosen
    platforms = open_platforms(settings.platforms)
    objectives = objectives_named(settings.objectives, platforms)
    limits = parse_limits(settings.limits, platforms)
    searcher_named(settings.searcher)
    task = chosen.Task(
        model=settings.model,
        preset=settings.preset,
        checkpoint=settings.checkpoint,
        corpus=settings.corpus,
        corpus_path=settings.corpus_path,
    )
    workload = chosen.task_workload(task)
    space = search_space(
        workload,
        settings.weight_bits,
        settings.activation_bits,
        settings.delta,
        settings.skip,
        pairs=common_bits(platforms),
    )
    limited = [full_objective(limit.objective) for limit in limits]
    require([*objectives, *limited], price(platforms, workload, space.base))
    identity = {
        "model": settings.model,
        "preset": settings.preset,
        "corpus": settings.corpus,
        "content": chosen.task_fingerprint(task),
        "objectives": [objective.name for objective in objectives],
        "limits": [str(limit) for limit in limits],
        "searcher": settings.searcher,
        "seed": settings.seed,
        "population": settings.population,
        "genes": {gene.name: list(gene.choices) for gene in space.genes},
        "always skipped": [name for name, setting in space.base if setting.skip],
    }
    if platforms:
        identity["platforms"] = platform_identity(settings.platforms)
    return Plan(settings, chosen, task, workload, space, objectives, limits, platforms, identity)


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
        open_workers(settings.workers, plan.measure.open_measurer, plan.task) as workers,
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
        asked: list[Genome] = []
        wanted = settings.population
        while len(asked) < settings.evaluations and (genomes := searcher.ask(wanted)):
            # A whole generation is asked even if only part fits, so that a longer run begins like a shorter one.
            genomes = genomes[: settings.evaluations - len(asked)]
            for genome in genomes:
                if genome in store.evaluations:
                    progress.count(store.evaluations[genome], stored=True)
            for evaluation in _evaluate_new(genomes, plan, store, baseline, limits, workers):
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
    )


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


def _evaluate_new(
    genomes: Sequence[Genome],
    plan: Plan,
    store: Store,
    baseline: Evaluation,
    limits: tuple[Limit, ...],
    workers: Workers,
) -> Iterator[Evaluation]:
    """The genomes that the store lacks, in the order they finish. The baseline's own genome needs no second run."""
    jobs = []
    for genome in genomes:
        configuration = plan.space.decode(genome)
        if genome in store.evaluations:
            continue
        if configuration == baseline.configuration:
            broken = broken_rules(plan.platforms, plan.workload, configuration)
            yield judge(replace(baseline, genome=genome), limits, broken)
        else:
            jobs.append(Job(genome, configuration, limits, plan.settings.platforms))
    yield from workers.evaluate(jobs)


def _outcome(evaluation: Evaluation, objectives: Sequence[Objective]) -> Outcome:
    if evaluation.status == "failed":
        return Outcome(evaluation.genome, None, math.inf)
    values = minimised(objectives, evaluation.metrics) if evaluation.measured else None
    return Outcome(evaluation.genome, values, evaluation.violation)


if __name__ == "__main__":
    from dse.search_command import main

    sys.exit(main())
