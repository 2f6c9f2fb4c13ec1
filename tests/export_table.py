"""Evaluator, ONNX Runtime and compiled C on the whole validation split: codes of every layer, phones, counts.

Run by hand: python tests/export_table.py [--models sru lstm ...] [--parts onnx c]
Writes a bundle of each configuration and verifies it, a row each: all widths alike, odd widths, mixed ones, skipped
paths, thresholds, a scale a row or a matrix, with zero points or without. Ends with status 1 where one differs.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from conformance.exporters import SEARCHED, mixed

from dse.evaluator.task import NetworkTask
from dse.exporters import REPLAYED
from dse.exporters.bundle import open_bundle
from dse.exporters.decoding import Decoding
from dse.exporters.golden import Speech
from dse.exporters.replay import Check, verify
from dse.exporters.write import golden_of, network_record, write_parts
from models.workload import Configuration, Workload

MODELS = ("sru", "lstm", "gru", "ligru")
PAPERS: dict[str, Any] = {"rounding": "nearest", "scales": "matrix", "zero_points": False}
MATRIX = {"scales": "matrix"}


def cases(workload: Workload) -> dict[str, tuple[Configuration, dict[str, Any]]]:
    """Configurations by name, each with the scheme of its task."""

    def uniform(*bits: int) -> Configuration:
        return Configuration.uniform(workload, *bits)

    plain: dict[str, tuple[Configuration, dict[str, Any]]] = {
        f"W{w}A{a}{f'd{d}' if d else ''}": (uniform(w, a, d), {}) for w, a, d in UNIFORM
    }
    return {
        **plain,
        "mixed 2 to 16": (mixed(workload, 1, SEARCHED), {}),
        "mixed odd": (mixed(workload, 2, (3, 5, 6, 7)), {}),
        "mixed, a scale a matrix": (mixed(workload, 3, SEARCHED), MATRIX),
        "W4A8d4, papers' scheme": (uniform(4, 8, 4), PAPERS),
        "W8A8, no zero points": (uniform(8, 8, 0), {"zero_points": False}),
    }


UNIFORM = ((16, 16, 0), (8, 8, 0), (4, 4, 0), (2, 2, 0), (8, 16, 64), (4, 8, 8), (2, 4, 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME", help=f"default {' '.join(MODELS)}")
    parser.add_argument("--parts", nargs="+", default=REPLAYED, metavar="NAME", help=f"default {' '.join(REPLAYED)}")
    arguments = parser.parse_args()
    different = 0
    print("| model | configuration | frames | PER % | eliminated % |", " | ".join(arguments.parts), "| seconds |")
    print("|---" * (6 + len(arguments.parts)) + "|", flush=True)
    for model in arguments.models:
        for name, (configuration, scheme) in cases(NetworkTask(model).workload).items():
            start = time.perf_counter()
            measurer = NetworkTask(model, **scheme).open()
            checks = checked(measurer, configuration, arguments.parts)
            different += sum(not check.equal for check in checks)
            told = ["equal" if check.equal else check.not_run or str(check.difference) for check in checks[1:]]
            numbers = f"{checks[0].frames} | {checks[0].error_percent:.2f} | {checks[0].eliminated_percent:.2f}"
            seconds = time.perf_counter() - start
            print(f"| {model} | {name} | {numbers} | {' | '.join(told)} | {seconds:.0f} |", flush=True)
    return 1 if different else 0


def checked(measurer: Any, configuration: Configuration, parts: tuple[str, ...]) -> list[Check]:
    network, spec = measurer.engine.quantizer.network(configuration), measurer.engine.spec
    decoding = Decoding(measurer.decoder)
    record = network_record(spec, configuration, network)
    with tempfile.TemporaryDirectory() as folder:
        golden = golden_of(measurer, network, decoding, 3)
        write_parts(Path(folder, "bundle"), record, network, decoding, golden, "")
        return list(verify(open_bundle(Path(folder, "bundle")), parts, Speech.of(measurer.split)))


if __name__ == "__main__":
    sys.exit(main())
