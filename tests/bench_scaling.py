"""How an evaluation's time and memory grow with frames and with multiply-accumulates, as a table and a picture.

Run by hand: python tests/bench_scaling.py [models...] [--out scaling.png]
Frames: the shipped network on the embedded validation split taken 1 to 10 times, decoding included. MACs: networks with
more hidden units and random weights on 3 s utterances of noise, without decoding. Each point runs in a process of its
own; seconds are processor seconds of one thread, the best of 3 runs; memory is how far the peak rose above that
of opening the case, which calibrates. W8A8, delta 2.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from bench_case import Case, alone, peak_mib, timed
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dse.evaluator.batches import BATCH_MIB
from models.registry import MODELS, preset

TIMES = (1, 2, 4, 7, 10)
UTTERANCES = 100  # where the network grows
REPEATS = 3
THOUSAND, MILLION = 1e3, 1e6


@dataclass(frozen=True)
class Point:
    size: float  # frames, or multiply-accumulates per frame
    seconds: float
    mib: float


def with_frames(model: str, times: int) -> Point:
    case = Case(model, "edge", 400)
    split = case.measurer.split
    case.measurer.split = split.take(list(range(len(split))) * times)
    return run(case, len(case.measurer.split.features))


def with_macs(model: str, hidden: int) -> Point:
    case = Case(model, "edge", UTTERANCES, hidden)
    return run(case, case.workload.macs_per_frame)


def run(case: Case, size: float) -> Point:
    opened = peak_mib()
    seconds = min(timed(case.evaluate, case.configuration)[0] for _ in range(REPEATS))
    return Point(size, seconds, peak_mib() - opened)


def hidden_units(model: str) -> list[int]:
    """The fewest, in eights, whose networks have 1 to 10 times the shipped one's MACs."""
    edge = preset(model, "edge")
    chosen, hidden = [], edge.hidden
    for times in TIMES:
        while replace(edge, hidden=hidden).workload().macs_per_frame < times * edge.workload().macs_per_frame:
            hidden += 8
        chosen.append(hidden)
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS), help=f"of {', '.join(MODELS)}")
    parser.add_argument("--out", type=Path, default=Path("scaling.png"), help="default %(default)s")
    arguments = parser.parse_args()
    figure = Figure(figsize=(14, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    by_frames, memory, by_macs = figure.subplots(1, 3)
    for model in arguments.models:
        frames = [alone(with_frames, model, times) for times in TIMES]
        macs = [alone(with_macs, model, hidden) for hidden in hidden_units(model)]
        for what, points, panel in (("frames", frames, by_frames), ("MACs a frame", macs, by_macs)):
            per_first = [p.seconds / p.size / (points[0].seconds / points[0].size) for p in points]
            print(f"{model}, {what}: " + "; ".join(f"{p.size:.3g} {p.seconds:.2f} s {p.mib:.0f} MiB" for p in points))
            print("  time per unit against the first: " + ", ".join(f"{ratio:.2f}" for ratio in per_first), flush=True)
            unit = THOUSAND if panel is by_frames else MILLION
            sizes, seconds = np.array([p.size / unit for p in points]), [p.seconds for p in points]
            (line,) = panel.plot(sizes, seconds, "o-", label=model)
            panel.plot([0, sizes[-1]], [0, seconds[0] / sizes[0] * sizes[-1]], ":", color=line.get_color(), lw=1)
        memory.plot([p.size / THOUSAND for p in frames], [p.mib for p in frames], "o-", label=model)
    by_frames.set(xlabel="thousand frames", ylabel="processor seconds an evaluation", title="Time against frames")
    memory.axhline(BATCH_MIB, color="0.6", lw=1, ls="--", label="a batch's bound")
    memory.set(xlabel="thousand frames", ylabel="MiB above the peak of opening", title="Memory against frames")
    by_macs.set(xlabel="million multiply-accumulates a frame", title="Time against the network's size")
    by_macs.set_ylabel("processor seconds an evaluation")
    figure.suptitle("dotted: the first point, scaled")
    for panel in (by_frames, memory, by_macs):
        panel.set_ylim(bottom=0)
        panel.set_xlim(left=0)
        panel.legend(frameon=False)
    figure.savefig(arguments.out, dpi=110)
    print(arguments.out)


if __name__ == "__main__":
    main()
