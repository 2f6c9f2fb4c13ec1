"""The loop of a search: ask, evaluate, store, tell.

Running it again with the same settings continues where it stopped: the seed replays the search, and what is stored is
not evaluated again. What failed is: a success takes the failure's place, and the search goes on from it anew; what was
bred from the failure stays as it was judged.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dse.design.evaluation import Evaluation
from dse.design.limits import Limit, resolve
from dse.design.objective import Objective, minimised
from dse.design.space import Genome
from dse.evaluator.evaluate import judge, unmeasured
from dse.evaluator.pricing import broken_rules, chip_files
from dse.evaluator.remarks import doubts
from dse.exploration.beacons import Beacons
from dse.exploration.patience import Patience
from dse.exploration.plan import Plan, make_plan
from dse.exploration.progress import Progress, tell
from dse.exploration.recall import last_asked, recall, remember
from dse.exploration.settings import SearchSettings
from dse.exploration.worker import Job, Worker
from dse.exploration.workers import Workers, open_workers
from dse.searchers import Outcome, Problem, searcher_named
from dse.study.convergence import GrowingFront, reference_of
from dse.study.result import Study, study_of
from dse.study.storage import StoreError
from models.workload import Configuration, InputError, Workload

if TYPE_CHECKING:
    from dse.study.store import Store

OFFSPRING_FRACTION = 0.25  # of the population, per generation; Source: Rezk et al., MOHAQ: 10 of 40


def run_search(settings: SearchSettings) -> Study:
    """Run a search, or go on with it, until `settings.evaluations` distinct genomes are evaluated or its patience ends.

    Every evaluation is stored as soon as it is done. The study holds all that was stored, also of longer runs.
    Raises InputError, or StoreError where the storage fails; KeyboardInterrupt passes through and loses only the
    evaluations under way.
    """
    return run_plan(make_plan(settings))


def run_plan(plan: Plan) -> Study:
    """`run_search` on settings worked out before; waits while another process searches the same study.

    The task's remarks go to stderr before anything is evaluated.
    """
    from dse.study.store import open_alone

    tell(plan.task.remarks)

    def waiting() -> None:
        print(f"study {plan.study} is being searched by another process; waiting until it ends", file=sys.stderr)

    with open_alone(plan.settings.storage, plan.study, plan.identity, plan.objectives, waiting) as store:
        with suppress(StoreError):  # where a finished search's storage is read-only; else the next write tells
            store.set_task(plan.task.record())
            store.set_chips(chip_files(plan.settings.platforms))
        if store.workload is None:
            store.set_workload(plan.workload)
        return _search(plan, store)


def _search(plan: Plan, store: Store) -> Study:
    settings, begun = plan.settings, time.monotonic()
    with (
        _open_workers(plan) as workers,
        Progress(plan.evaluations, plan.objectives) as progress,
    ):
        baseline = store.baseline or _measure_baseline(plan, store, workers)
        tell(doubts(plan.task.recorded_error_percent, baseline))
        if store.speakers is None:
            with suppress(StoreError):
                store.set_speakers(plan.task.speakers())
        limits = resolve(plan.limits, baseline.metrics)
        reference = reference_of(plan.objectives, limits, baseline)
        progress.reach(reference)
        patience = Patience(plan, limits, baseline, GrowingFront(plan.objectives, reference), begun)
        problem = Problem(
            plan.space,
            len(plan.objectives),
            start=_runnable(plan.start, plan),
            known=lambda genome: _known(genome, plan, limits),
        )
        searcher = searcher_named(settings.searcher)(problem, settings.seed, settings.population)
        known = {genome: e for genome, e in store.evaluations.items() if e.status != "failed"}
        failed_before = store.evaluations.keys() - known.keys()

        def outcome(genome: Genome) -> Outcome:
            return _outcome(store.evaluations[genome], plan.objectives)

        asked = recall(searcher, store, plan.evaluations, outcome)
        for genome in asked:
            progress.count(known[genome], stored=True)
        beacons = Beacons(plan, store, workers, limits, baseline)
        beacons.follow([known[genome] for genome in asked])
        offspring = max(1, round(settings.population * OFFSPRING_FRACTION))
        wanted, ended = offspring if asked else settings.population, None
        last = last_asked(store, asked, plan.evaluations)
        while len(asked) < plan.evaluations:
            if ended := patience.ending([store.evaluations[genome] for genome in asked]):
                break
            if not (genomes := last or searcher.ask(wanted)):
                ended = "exhausted"
                break
            # A whole generation is asked even if only part fits, so that a longer run begins like a shorter one.
            whole, genomes = genomes, genomes[: plan.evaluations - len(asked)]
            numbers = {genome: number for number, genome in enumerate(genomes, start=len(asked))}
            new = [genome for genome in genomes if genome not in known]
            for genome in genomes:
                if genome in known:
                    progress.count(known[genome], stored=True)
            left, base = set(new), dict[Genome, Evaluation]()

            def done(evaluation: Evaluation, left: set[Genome] = left, numbers: dict[Genome, int] = numbers) -> None:
                left.discard(evaluation.genome)
                store.add(evaluation, plan.space, numbers[evaluation.genome])
                progress.count(evaluation)

            for evaluation in _evaluate(new, plan, baseline, limits, workers, beacons, patience.lasts):
                if beacons.hold(evaluation):
                    base[evaluation.genome] = evaluation
                else:
                    done(evaluation)
            if left == base.keys():
                generation = [base.get(genome) or store.evaluations[genome] for genome in genomes]
                for evaluation in beacons.score(generation, base.keys(), patience.lasts):
                    done(evaluation)
            if left:
                ended = "timed out"
                break
            asked += genomes
            searcher.tell([outcome(genome) for genome in genomes])
            wanted = offspring
            if new and genomes == whole:
                remember(searcher, asked, store)
        if ended != "timed out":
            beacons.restore()
    study = study_of(store, baseline, settings.storage)
    by_genome = {evaluation.genome: evaluation for evaluation in study.evaluations}
    in_order = dict.fromkeys((*asked, *by_genome))
    return replace(
        study,
        evaluations=tuple(by_genome[genome] for genome in in_order),
        ended=ended,
        retried=tuple(by_genome[genome] for genome in asked if genome in failed_before),
    )


def _open_workers(plan: Plan) -> Workers:
    settings = plan.settings
    if settings.cluster is None:
        return open_workers(settings.processes, Worker(plan.task, settings.platforms))
    from dse.exploration.cluster import Cluster, SameContent

    task = SameContent(plan.task, tuple(plan.identity["content"].items()))
    return Cluster(settings.cluster, Worker(task, settings.platforms))


def _runnable(genomes: Sequence[Genome], plan: Plan) -> list[Genome]:
    return [g for g in genomes if not broken_rules(plan.platforms, plan.workload, plan.space.decode(g))]


def _measure_baseline(plan: Plan, store: Store, workers: Workers) -> Evaluation:
    """Measure 16 bit everywhere, whether the space holds it or not, whatever limits and platforms' rules say."""
    (baseline,) = workers.evaluate([Job((), plan.space.base, ruled=False)])
    if baseline.status == "failed":
        raise InputError(f"the 16-bit baseline cannot be measured: {baseline.reasons[0]}")
    store.set_baseline(baseline)
    return baseline


def _evaluate(
    genomes: Sequence[Genome],
    plan: Plan,
    baseline: Evaluation,
    limits: tuple[Limit, ...],
    workers: Workers,
    beacons: Beacons,
    go_on: Callable[[], bool],
) -> Iterator[Evaluation]:
    """Yield evaluations by the base network in the order they finish, as long as `go_on` says so.

    The baseline's own genome needs no second run, nor has what waits for a beacon since the search was interrupted.
    """
    jobs = []
    for genome in genomes:
        configuration = plan.space.decode(genome)
        if configuration == baseline.configuration:
            broken = broken_rules(plan.platforms, plan.workload, configuration)
            yield judge(replace(baseline, genome=genome), limits, broken)
        elif waiting := beacons.waiting(genome, configuration):
            yield waiting
        else:
            jobs.append(Job(genome, configuration, limits))
    # The longest first, so that workers end a generation together.
    yield from workers.evaluate(sorted(jobs, key=lambda job: -_products(plan.workload, job.configuration)), go_on)


def _products(workload: Workload, configuration: Configuration) -> int:
    """8-bit products per frame; a 16-bit operand is multiplied as two of 8 bits."""
    return sum(
        matvec.macs_per_frame * math.prod(2 if bits > 8 else 1 for bits in configuration[matvec.name].operand_bits)
        for matvec in workload
    )


def _known(genome: Genome, plan: Plan, limits: tuple[Limit, ...]) -> Outcome:
    """What is known of a genome without inference: its size, and the prices that depend on none."""
    priced = unmeasured(plan.space.decode(genome), plan.workload, limits, genome, plan.platforms)
    told = (o.minimised(priced.metrics.get(o.metric, math.nan)) for o in plan.objectives)
    return Outcome(genome, tuple(told), priced.violation)


def _outcome(evaluation: Evaluation, objectives: Sequence[Objective]) -> Outcome:
    if evaluation.status == "failed":
        return Outcome(evaluation.genome, None, math.inf)
    values = minimised(objectives, evaluation.metrics) if evaluation.measured else None
    return Outcome(evaluation.genome, values, evaluation.violation)
