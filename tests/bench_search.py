"""A whole search against plain PyTorch, by searcher.

Run by hand on an idle machine:
    python tests/bench_search.py [models...] [--searchers surrogate,nsga2] [--seeds 1,2,3] [--evaluations 300]
A search is the command `python -m dse.search --objectives error,size,ops`, from its start to its written files, on all
cores, with the corpus made before. Plain PyTorch evaluates a few of the same candidates in one process with one thread
and decodes them as the search does; its time for all is extrapolated, and every ratio is to that. Hypervolumes are of
the fronts over error, size and eliminated operations, up to the baseline's size and 10 points over its error.
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
from pathlib import Path

import numpy as np
from bench_case import Case, timed
from bench_evaluate_rivals import PlainFakeQuantized

from dse.design.pareto import hypervolume
from dse.exploration.plan import make_plan
from dse.exploration.settings import SearchSettings
from dse.study.result import Study, load_study
from models.registry import MODELS
from models.workload import Configuration

OBJECTIVES = ("error", "size", "ops")
PLAIN_CANDIDATES = 4


def search(model: str, searcher: str, seed: int, evaluations: int, folder: Path) -> tuple[Study, float, float]:
    """The study, seconds and processor seconds of the command."""
    storage = f"sqlite:///{folder}/dse.db"
    options = f"--model {model} --objectives {','.join(OBJECTIVES)} --seed {seed} --evaluations {evaluations}"
    options += f" --searcher {searcher} --storage {storage} --out {folder}/out"
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "dse.search", *options.split()], check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    settings = SearchSettings.of(model=model, searcher=searcher, objectives=OBJECTIVES, seed=seed, storage=storage)
    return load_study(make_plan(settings).study, storage), seconds, busy


def plain_seconds(case: Case, configurations: Sequence[Configuration]) -> float:
    """Mean processor seconds of an evaluation; one thread."""
    split, decoder = case.measurer.split, case.measurer.decoder

    def evaluate(configuration: Configuration) -> None:
        logits = PlainFakeQuantized(case, configuration).run()
        decoder.error(logits, split.lengths, split.segment_phones, split.segment_counts)

    evaluate(configurations[0])
    return float(np.mean([timed(evaluate, configuration)[0] for configuration in configurations]))


def volume(study: Study, evaluations: int | None = None) -> float:
    """In points of error times MiB times percent, up to the baseline's size and 10 points over its error."""
    baseline = study.baseline.metrics
    reference = (baseline["error_percent"] + 10, baseline["size_mib"], 0.0)
    return hypervolume(study.evaluations[:evaluations], study.objectives, reference)


def report(model: str, searchers: Sequence[str], seeds: Sequence[int], evaluations: int) -> None:
    case = Case(model, "edge", 400)
    plain = None
    for seed in seeds:
        studies = []
        for searcher in searchers:
            with tempfile.TemporaryDirectory() as folder:
                study, seconds, busy = search(model, searcher, seed, evaluations, Path(folder))
            if plain is None:
                ran = [e.configuration for e in study.evaluations if e.measured]
                chosen = ran[:: max(1, len(ran) // PLAIN_CANDIDATES)][:PLAIN_CANDIDATES]
                plain = evaluations * plain_seconds(case, chosen)
                print(f"{model}: {evaluations} evaluations in plain PyTorch take {plain:.0f} s, one thread")
            print(
                f"  seed {seed}, {searcher}: {seconds:.0f} s ({busy:.0f} s of processors) {plain / seconds:.1f}x; "
                f"hypervolume {volume(study):.1f}",
                flush=True,
            )
            studies.append(study)
        if len(searchers) > 1:
            aim = volume(studies[-1])
            enough = [n for n in range(1, evaluations + 1) if volume(studies[0], n) >= aim]
            if enough:
                with tempfile.TemporaryDirectory() as folder:
                    _, seconds, _ = search(model, searchers[0], seed, enough[0], Path(folder))
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
