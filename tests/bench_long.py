"""A long search: memory of its processes, size of its record and time to go on with it, as a table and a picture.

Run by hand: python tests/bench_long.py [--model sru] [--evaluations 5000] [--fake] [--out studies/long]
Runs the command `dse.search` with a storage of its own and looks at its processes once a second. Memory is flat where
the workers' grows by less than 5 % from the end of the warm-up, a tenth of the evaluations, to the end; the search
holds what it has evaluated, at most 20 KiB each. The record grows linearly where the second half of the evaluations
takes as many bytes each as the first, within 10 %. Then the same command runs again, which replays the search from it.
--fake takes the network of the tests, which costs next to nothing.
Ends with status 1 where one of them does not hold.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]
SUPPORT = ROOT / "tests/support"
STUDY = "long"
WARM_UP = 0.1  # of all evaluations
MEMORY_GROWTH, SEARCH_KIB, RECORD_CHANGE, RESUME_SECONDS = 0.05, 20.0, 0.10, 10.0
KIB_PER_MIB, MIB, PAGE_BYTES = 1024, 1 << 20, os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    seconds: float
    evaluations: int
    search_mib: float
    workers_mib: float  # of all together
    record_mib: float


def command(arguments: argparse.Namespace, folder: Path) -> list[str]:
    module = "fake_search" if arguments.fake else "dse.search"
    options = f"--model {arguments.model} --objectives error,size,ops --evaluations {arguments.evaluations}"
    options += f" --study {STUDY} --storage sqlite:///{folder}/dse.db --out {folder}/out"
    if arguments.workers:
        options += f" --workers {arguments.workers}"
    return [sys.executable, "-m", module, *options.split()]


def watch(argv: list[str], folder: Path, every_seconds: float) -> list[Sample]:
    """Run the command and look at it. Raises CalledProcessError where it fails."""
    start, samples = time.perf_counter(), []
    with subprocess.Popen(argv, env=surroundings(), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(every_seconds)
            with suppress(OSError):
                samples.append(sample(process.pid, folder / "dse.db", time.perf_counter() - start))
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, argv)
    last = max(each.evaluations for each in samples)
    return [each for each in samples if 0 < each.evaluations < last]  # after the last one the workers end


def sample(search: int, record: Path, seconds: float) -> Sample:
    workers = sum(resident_mib(child) for child in children(search))
    return Sample(seconds, stored(record), resident_mib(search), workers, record.stat().st_size / MIB)


def resident_mib(process: int) -> float:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE_BYTES / MIB


def children(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def surroundings() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(SUPPORT), os.environ.get("PYTHONPATH", "")))}


def stored(record: Path) -> int:
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{record}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM trials").fetchone()[0])
    return 0


def growth(samples: list[Sample]) -> tuple[float, float]:
    """Growth after the warm-up, of a straight line: of the workers as a share, of the search in KiB an evaluation."""
    last = samples[-1].evaluations
    warm = [each for each in samples if each.evaluations >= WARM_UP * last]
    evaluations = [each.evaluations for each in warm]
    slope, level = np.polyfit(evaluations, [each.workers_mib for each in warm], 1)
    search_slope, _ = np.polyfit(evaluations, [each.search_mib for each in warm], 1)
    share = slope * (1 - WARM_UP) * last / (level + slope * WARM_UP * last)
    return float(share), float(search_slope) * KIB_PER_MIB


def change(samples: list[Sample]) -> float:
    """Bytes of the record an evaluation in the second half, against those in the first, less 1."""
    evaluations = np.array([each.evaluations for each in samples], float)
    record = np.array([each.record_mib for each in samples])
    first, middle, last = np.interp([evaluations[0], evaluations[-1] / 2, evaluations[-1]], evaluations, record)
    before, after = evaluations[-1] / 2 - evaluations[0], evaluations[-1] / 2
    return float((last - middle) / after / ((middle - first) / before) - 1)


def draw(samples: list[Sample], title: str, out: Path) -> None:
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    memory, record = figure.subplots(1, 2)
    evaluations = [each.evaluations for each in samples]
    for what, values in (
        ("search", [each.search_mib for each in samples]),
        ("workers together", [each.workers_mib for each in samples]),
    ):
        memory.plot(evaluations, values, label=what)
    memory.set(xlabel="evaluations", ylabel="MiB", title="Resident memory")
    memory.legend(frameon=False)
    record.plot(evaluations, [each.record_mib for each in samples])
    record.set(xlabel="evaluations", ylabel="MiB", title="Size of the record")
    for panel in (memory, record):
        panel.set_ylim(bottom=0)
        panel.set_xlim(left=0)
    figure.suptitle(title)
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / "memory.png", dpi=110)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="sru", help="default %(default)s")
    parser.add_argument("--evaluations", type=int, default=5000, help="default %(default)s")
    parser.add_argument("--workers", type=int, help="default: one a core")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="default %(default)s")
    parser.add_argument("--fake", action="store_true", help="the network of the tests")
    parser.add_argument("--out", type=Path, default=Path("studies/long"), help="default %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        argv = command(arguments, folder)
        samples = watch(argv, folder, arguments.every)
        start = time.perf_counter()
        subprocess.run(argv, env=surroundings(), stdout=subprocess.DEVNULL, check=True)
        resume_seconds = time.perf_counter() - start
    first, last = samples[0], samples[-1]
    network = "fake network" if arguments.fake else arguments.model
    draw(samples, f"{network}: {last.evaluations} evaluations in {last.seconds / 60:.0f} minutes", arguments.out)
    print(f"{network}, {os.cpu_count()} cores: {last.evaluations} evaluations in {last.seconds:.0f} s")
    for each in (first, *(samples[len(samples) * k // 4] for k in (1, 2, 3)), last):
        print(
            f"  {each.evaluations:5} evaluations: search {each.search_mib:.0f} MiB, "
            f"workers {each.workers_mib:.0f} MiB, record {each.record_mib:.1f} MiB"
        )
    workers, search_kib = growth(samples)
    verdicts = (
        (f"workers' memory after warm-up {workers:+.1%}", workers <= MEMORY_GROWTH),
        (f"the search's memory {search_kib:.1f} KiB an evaluation", search_kib <= SEARCH_KIB),
        (
            f"bytes an evaluation, second half against first {change(samples):+.1%}",
            abs(change(samples)) <= RECORD_CHANGE,
        ),
        (f"the same command again {resume_seconds:.1f} s", resume_seconds <= RESUME_SECONDS),
    )
    for told, good in verdicts:
        print(f"{'ok ' if good else 'BAD'} {told}")
    return 0 if all(good for _, good in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
