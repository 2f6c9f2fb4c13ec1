"""Times the exported C of an LSTM: time and Cortex-M4 instructions a frame as delta gates eliminate more.

    python tests/bench_export_c.py [--utterances 12] [--bits 8] [--to studies/export]

In one run on this CPU, single utterances on one thread: the C at each threshold, at 0 and with every column multiplied
(-DDENSE), ONNX Runtime's float LSTM and its dynamic int8 one. Processor time, the least of 5 passes. Draws speed.png.
Where an arm-none-eabi-gcc and QEMU are installed, instructions on an emulated Cortex-M4, beside the model's cycles.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bench_case import Case
from bench_evaluate_libraries import ONNX, UnavailableError

from dse.design.objective import eliminated_percent
from dse.exporters import c99
from models.workload import Configuration
from platforms.cortexm import CortexM4

sys.path.insert(0, str(Path(__file__).parent / "support"))
import emulated_board

THRESHOLDS = (0, 1, 2, 4, 8, 16, 32)  # in steps of the activations
FAST = ("-std=c99", "-ffp-contract=off", "-O3", "-march=native")
PASSES, BOARD_FRAMES = 5, 40


def timed(folder: Path, beside: Path, flags, case) -> float:
    """Microseconds a frame of the C in a folder."""
    source = Path(__file__).parent / "support" / "board" / "time.c"
    (folder / "main.c").write_bytes(source.read_bytes())
    c99.build(folder, beside / "time", flags, "main.c")
    c99.write_features(beside / "features", case.features, case.offsets)
    done = subprocess.run([beside / "time", beside / "features"], check=True, capture_output=True, text=True)
    seconds, frames = map(float, done.stdout.split())
    return 1e6 * seconds / frames


def session_time(contender, case) -> float:
    """Microseconds a frame of an ONNX Runtime session, utterance by utterance."""
    bounds = zip(case.offsets[:-1], case.offsets[1:], strict=True)
    utterances = [np.ascontiguousarray(case.features[start:end, None]) for start, end in bounds]
    passes = []
    for _ in range(PASSES + 1):
        start = time.process_time()
        for x in utterances:
            contender.session.run(None, {"x": x})
        passes.append(time.process_time() - start)
    return 1e6 * min(passes) / len(case.features)


def measure(case: Case, bits: int, beside: Path):
    """A row for each threshold: eliminated percent, microseconds, with -DDENSE, instructions, the model's cycles."""
    for delta in THRESHOLDS:
        configuration = Configuration.uniform(case.workload, bits, delta=delta)
        network = case.engine.quantizer.network(configuration)
        folder = beside / f"delta{delta}"
        folder.mkdir()
        c99.write(network, None, folder)
        computed = case.engine.trace(network, case.features, case.offsets)[1].computed
        instructions = None
        if emulated_board.missing() is None:
            emulated_board.build(folder, beside)
            few = np.array([0, BOARD_FRAMES])
            instructions = emulated_board.run(beside, case.features[:BOARD_FRAMES], few)[1]
        sparse, dense = (timed(folder, beside, (*FAST, *more), case) for more in ((), ("-DDENSE",)))
        cycles = CortexM4().estimate(case.workload, configuration, computed).cycles_per_frame
        yield delta, eliminated_percent(case.workload, computed), sparse, dense, instructions, cycles


def draw(rows, others, path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5))
    x = [row[1] for row in rows]
    axes.plot(x, [row[2] for row in rows], "o-", label="C, unsent columns skipped")
    axes.plot(x, [row[3] for row in rows], "s--", label="C, every column (-DDENSE)")
    for (name, value), style in zip(others.items(), (":", "-."), strict=False):
        axes.axhline(value, linestyle=style, color="gray", label=name)
    for row in rows:
        axes.annotate(f"Θ {row[0]}", (row[1], row[2]), textcoords="offset points", xytext=(4, 5), fontsize=8)
    axes.set(xlabel="eliminated operations (%)", ylabel="µs a frame, one thread", ylim=(0, None))
    axes.legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=12)
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--to", type=Path, default=Path("studies/export"))
    arguments = parser.parse_args()
    case, others = Case("lstm", "edge", arguments.utterances), {}
    for name, kind in ONNX:
        try:
            others[name] = session_time(kind(case), case)
        except UnavailableError as error:
            print(f"{name}: {error}")
    with tempfile.TemporaryDirectory() as beside:
        rows = list(measure(case, arguments.bits, Path(beside)))
    print(f"LSTM edge at {arguments.bits} bits, {arguments.utterances} utterances, {len(case.features)} frames\n")
    print("| threshold | eliminated % | C, µs a frame | C dense, µs | M4 instructions a frame | cost model, cycles |")
    print("|---|---|---|---|---|---|")
    for delta, eliminated, sparse, dense, instructions, cycles in rows:
        told = "" if instructions is None else f"{instructions:,.0f}"
        print(f"| {delta} | {eliminated:.1f} | {sparse:.1f} | {dense:.1f} | {told} | {cycles:,.0f} |")
    print(*(f"\n{name}: {value:.1f} µs a frame" for name, value in others.items()))
    draw(rows, others, arguments.to / "speed.png")


if __name__ == "__main__":
    main()
