"""Time and size of the report of a large study.

Run by hand: python tests/bench_report.py [--points 500] [--evaluations 3000]
Prints seconds for the whole page, for error bars alone, and for the page with one error bar a question as a plain loop
would ask it, and the page's size.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))

import numpy as np
from large_study import enlarged
from searches import search

from dse.reports.page import write_report
from dse.study.bootstrap import RESAMPLES, ErrorBars


def loop_seconds(evaluations, speakers, questions=20):
    """Seconds of a bootstrap that draws anew for every point, as SciPy's does, for all the points."""
    names = np.unique(np.array(speakers), return_inverse=True)[1]
    rng = np.random.default_rng(0)
    start = time.perf_counter()
    for evaluation in evaluations[:questions]:
        errors, phones = (
            np.bincount(names, counts) for counts in (evaluation.errors.errors, evaluation.errors.reference_phones)
        )
        percents = []
        for _ in range(RESAMPLES):
            drawn = rng.integers(0, len(errors), len(errors))
            percents.append(100 * errors[drawn].sum() / phones[drawn].sum())
        np.quantile(percents, (0.025, 0.975))
    return (time.perf_counter() - start) * len(evaluations) / min(questions, len(evaluations))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=500, help="default %(default)s")
    parser.add_argument("--evaluations", type=int, default=3000, help="default %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = enlarged(search(Path(folder), evaluations=12), arguments.points, arguments.evaluations)
        start = time.perf_counter()
        bars = ErrorBars((study.baseline, *study.front), study.speakers)
        for point in study.front:
            bars.of(point), bars.difference(point, study.baseline)
        bars_seconds = time.perf_counter() - start
        start = time.perf_counter()
        write_report(study, Path(folder, "report.html"))
        seconds = time.perf_counter() - start
        plain = loop_seconds(list(study.front), study.speakers)
        size = Path(folder, "report.html").stat().st_size / 2**20
    print(f"{len(study.front)} points of {len(study.evaluations)} evaluations: page {seconds:.1f} s, {size:.1f} MiB")
    print(
        f"error bars of all points: {bars_seconds:.2f} s; "
        f"in a loop {plain:.1f} s, {plain / bars_seconds:.0f} times as long"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
