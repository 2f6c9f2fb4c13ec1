"""A whole search against plain PyTorch, by searcher, with and without screening, and what that does to the front.

Run by hand on an idle machine:
    python tests/bench_search.py [models...] [--searchers surrogate,nsga2] [--seeds 1,2,3] [--evaluations 300]
A search is the command `python -m dse.search --objectives error,size,ops`, from its start to its written files, on all
cores, with the corpus made before. Plain PyTorch evaluates a few of the same candidates in one process with one thread
and decodes them as the search does; its time for all is extrapolated, and every ratio is to that. Hypervolumes are of
the fronts over error, size and eliminated operations, up to the baseline's size and 10 points over its error.
Screened candidates are run on the whole split afterwards: `wrongly` counts those that belong on the front of all.
A seed's last line tells when the first searcher has the hypervolume that the last one ends at, and times that search.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench_case import Case, timed
from bench_evaluate_rivals import PlainFakeQuantized

from dse.evaluate import Evaluation, judge
from dse.objective import eliminated_percent
from dse.pareto import front, hypervolume
from dse.plan import SearchSettings, make_plan
from dse.result import SearchResult, load_result
from models.registry import MODELS
from models.workload import Configuration

OBJECTIVES = ("error", "size", "ops")
PLAIN_CANDIDATES = 4


def search(
    model: str, searcher: str, seed: int, evaluations: int, screening: bool, folder: Path
) -> tuple[SearchResult, float, float]:
    """The result, seconds and processor seconds of the command."""
    storage = f"sqlite:///{folder}/dse.db"
    options = f"--model {model} --objectives {','.join(OBJECTIVES)} --seed {seed} --evaluations {evaluations}"
    options += f" --searcher {searcher}"
    options += f" --screening {'on' if screening else 'off'} --storage {storage} --out {folder}/out"
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "dse.search", *options.split()], check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    settings = SearchSettings(
        model=model, searcher=searcher, objectives=OBJECTIVES, seed=seed, screening=screening, storage=storage
    )
    return load_result(storage, make_plan(settings).study), seconds, busy


def plain_seconds(case: Case, configurations: Sequence[Configuration]) -> float:
    """Mean processor seconds of an evaluation; one thread."""
    split, decoder = case.measurer.split, case.measurer.decoder

    def evaluate(configuration: Configuration) -> None:
        logits = PlainFakeQuantized(case, configuration).run()
        decoder.error(logits, split.lengths, split.segment_phones, split.segment_counts)

    evaluate(configurations[0])
    return float(np.mean([timed(evaluate, configuration)[0] for configuration in configurations]))


def volume(result: SearchResult, evaluations: int | None = None) -> float:
    """In points of error times MiB times percent, up to the baseline's size and 10 points over its error."""
    baseline = result.baseline.metrics
    reference = (baseline["error_percent"] + 10, baseline["size_mib"], 0.0)
    return hypervolume(result.evaluations[:evaluations], result.objectives, reference)


def wrongly_screened(case: Case, result: SearchResult) -> int:
    measured: list[Evaluation] = []
    for evaluation in (e for e in result.evaluations if e.status == "screened"):
        measurement = case.measurer.measure(evaluation.configuration)
        metrics = evaluation.metrics | {
            "error_percent": measurement.error_percent,
            "eliminated_percent": eliminated_percent(case.workload, measurement.computed),
        }
        measured.append(judge(replace(evaluation, status="ok", metrics=metrics), result.limits))
    whole = {e.genome for e in front([*result.front, *measured], result.objectives)}
    return sum(e.genome in whole for e in measured)


def report(model: str, searchers: Sequence[str], seeds: Sequence[int], evaluations: int) -> None:
    case = Case(model, "edge", 400)
    plain = None
    for seed in seeds:
        unscreened = []
        for searcher in searchers:
            with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
                off, off_seconds, off_busy = search(model, searcher, seed, evaluations, False, Path(one))
                on, on_seconds, on_busy = search(model, searcher, seed, evaluations, True, Path(other))
            if plain is None:
                ran = [e.configuration for e in off.evaluations if e.measured]
                chosen = ran[:: max(1, len(ran) // PLAIN_CANDIDATES)][:PLAIN_CANDIDATES]
                plain = evaluations * plain_seconds(case, chosen)
                print(f"{model}: {evaluations} evaluations in plain PyTorch take {plain:.0f} s, one thread")
            volumes = volume(off), volume(on)
            screened = sum(e.status == "screened" for e in on.evaluations)
            print(
                f"  seed {seed}, {searcher}: whole {off_seconds:.0f} s ({off_busy:.0f} s of processors) "
                f"{plain / off_seconds:.1f}x; screened {on_seconds:.0f} s ({on_busy:.0f} s) {plain / on_seconds:.1f}x; "
                f"hypervolume {volumes[0]:.1f} and {volumes[1]:.1f} ({100 * (volumes[1] / volumes[0] - 1):+.2f} %); "
                f"{screened} of {evaluations} screened, wrongly {wrongly_screened(case, on)}",
                flush=True,
            )
            unscreened.append(off)
        if len(searchers) > 1:
            aim = volume(unscreened[-1])
            enough = [n for n in range(1, evaluations + 1) if volume(unscreened[0], n) >= aim]
            if enough:
                with tempfile.TemporaryDirectory() as folder:
                    _, seconds, _ = search(model, searchers[0], seed, enough[0], False, Path(folder))
                after = f"after {enough[0]} evaluations, {seconds:.0f} s, {plain / seconds:.1f}x"
            else:
                after = "never"
            print(f"  seed {seed}: {searchers[0]} has {searchers[-1]}'s last hypervolume {after}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS), help=f"of {', '.join(MODELS)}")
    parser.add_argument("--searchers", default="surrogate,nsga2", help="default %(default)s")
    parser.add_argument("--seeds", default="1", help="default %(default)s")
    parser.add_argument("--evaluations", type=int, default=300, help="default %(default)s")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores")
    for model in arguments.models:
        seeds = [int(seed) for seed in arguments.seeds.split(",")]
        report(model, arguments.searchers.split(","), seeds, arguments.evaluations)


if __name__ == "__main__":
    main()
