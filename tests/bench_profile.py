"""Where a candidate's time goes, one thread: products, recurrent products, cells, the rest; MACs a second against those
of a large int8 product by oneDNN, in vector registers, whose peak that is nearly, and in AMX's tiles where ours uses
them, whose peak it is not.

Run by hand: python tests/bench_profile.py [models...] [--preset edge|paper] [--bits 8] [--utterances N]
Inference alone, as tests/bench_evaluate.py runs it. Products are those of whole sequences, with quantizing what they
read, delta gates and storing results. Those within recurrences cannot be watched and are run again alone; a recurrence
less these is its cells (of an SRU its scan, which has none). Seconds are processor seconds, best of --repeat runs.
NUMBA_CPU_NAME and NUMBA_CPU_FEATURES compile for another processor, for example haswell and +avx2.
"""

import argparse

import numpy as np
from bench_case import DELTA, Case, alone, at_least_one, model_name, timed
from bench_evaluate import PARTS, peaks, profile
from numba import njit

from models.engines.compiled import Packer, Readers
from models.engines.integer_network import GatedLayer
from models.engines.recurrent import ROWS_AT_ONCE
from models.kernels.matvecs import make_scratch, run_step
from models.registry import MODELS
from models.workload import BASELINE_BITS, INTEGER_BITS, Configuration

MATVECS, RECURRENCE = PARTS
ROWS = ("whole", "products", "recurrent products", "cells / scan", "rest")


def measure(model: str, size: str, utterances: int, bits: int, repeat: int) -> dict:
    """Seconds of each part of the fastest run; MACs of a run, in all and by kind of product; frames."""
    case = Case(model, size, utterances)
    configuration = Configuration.uniform(case.workload, bits, delta=DELTA)
    case.infer(configuration)
    parts = profile(case, configuration, repeat)
    recurrent = min(recurrent_products(case, configuration) for _ in range(repeat))
    seconds = (sum(parts.values()), parts[MATVECS], recurrent, parts[RECURRENCE] - recurrent, parts["rest"])
    inside = sum(matvec.macs_per_frame for matvec in case.workload if matvec.path in ("recurrent", "candidate"))
    macs = case.macs, case.macs - inside * len(case.features), inside * len(case.features)
    return {
        "seconds": dict(zip(ROWS, seconds, strict=True)),
        "macs": dict(zip(ROWS, macs, strict=False)),
        "frames": len(case.features),
    }


def recurrent_products(case: Case, configuration: Configuration) -> float:
    """Seconds of all steps' products, delta gates included, of as many rows as the engine has at once."""
    network, packer, seconds = case.engine.quantizer.network(configuration), Packer(), 0.0
    for layer in network.layers:
        if isinstance(layer, GatedLayer):
            for way, own in zip(network.ways, layer.recurrent, strict=True):
                rows = min(ROWS_AT_ONCE // len(network.ways[0]), len(case.offsets) - 1) * len(way)
                for readers in map(packer.open, own):
                    seconds += step_again(readers, rows, len(case.features) * len(way) // rows)
    return seconds


def step_again(readers: Readers, rows: int, turns: int) -> float:
    """Seconds of so many steps of `rows` rows."""
    matvecs = readers.matvecs
    scratch = make_scratch(matvecs, rows)
    x = np.random.default_rng(0).integers(-(2**14), 2**14, (7, scratch.rows * matvecs.width)).astype(np.int16)
    held = np.zeros(len(matvecs.gates) * x.shape[1], np.int16)
    run_again(matvecs, scratch, x, held, rows, 1, readers.sent)
    return timed(run_again, matvecs, scratch, x, held, rows, turns, readers.sent)[0]


@njit(nogil=True)
def run_again(matvecs, scratch, x, held, rows, turns, sent):  # type: ignore[no-untyped-def]
    for turn in range(turns):
        run_step(matvecs, scratch, x[turn % len(x)], held, rows, sent)


def table(found: dict[str, dict], peaks: dict[str, float]) -> list[str]:
    """Lines of a Markdown table: a column a model; seconds, share of the whole, and MACs a second of products."""
    lines = [f"| | {' | '.join(found)} |", "|---|" + "---|" * len(found)]
    for row in ROWS:
        cells = []
        for each in found.values():
            seconds, whole = each["seconds"][row], each["seconds"]["whole"]
            rate = f", {each['macs'][row] / seconds / 1e9:.0f} GMAC/s" if each["macs"].get(row) else ""
            share = "" if row == "whole" else f" ({100 * seconds / whole:.0f} %)"
            nothing = row == "recurrent products" and not each["macs"][row]
            cells.append("" if nothing else f"{seconds:.3f} s{share}{rate}")
        lines.append(f"| {row} | {' | '.join(cells)} |")
    for kind, peak in peaks.items():
        shares = (f"{100 * each['macs']['whole'] / each['seconds']['whole'] / peak:.0f} %" for each in found.values())
        lines.append(f"| against a large product in {kind} | {' | '.join(shares)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS), type=model_name, help=f"of {', '.join(MODELS)}")
    parser.add_argument("--preset", default="edge", choices=("edge", "paper"))
    parser.add_argument(
        "--bits", type=int, default=8, choices=(*INTEGER_BITS, BASELINE_BITS), help="of weights and activations"
    )
    parser.add_argument("--utterances", type=at_least_one, help="default 400 (edge), 100 (paper)")
    parser.add_argument("--repeat", type=at_least_one, default=5)
    arguments = parser.parse_args()
    utterances = arguments.utterances or {"edge": 400, "paper": 100}[arguments.preset]
    known = peaks()
    found = {
        model: alone(measure, model, arguments.preset, utterances, arguments.bits, arguments.repeat)
        for model in arguments.models
    }
    frames = next(iter(found.values()))["frames"]
    told = ", in ".join(f"{kind} {peak / 1e9:.0f} GMAC/s" for kind, peak in known.items())
    print(
        f"{arguments.preset}, W{arguments.bits}A{arguments.bits} delta {DELTA}, {utterances} utterances, {frames} "
        f"frames; a large int8 product in {told}\n"
    )
    print("\n".join(table(found, known)))


if __name__ == "__main__":
    main()
