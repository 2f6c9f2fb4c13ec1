"""Verify a bundle: its ONNX graph in ONNX Runtime and its compiled C against the evaluator, bit for bit.

Compares codes of every layer's output and of the logits, decoded phones and counts of sent elements; the evaluator
itself against the golden outputs. Status 1 where any differs, else 2 where a part cannot be run here, as C without a
compiler; the others are run all the same. Compiles and runs the bundle's C: for bundles that you
trust.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

from dse.console import EXIT_BAD_INPUT, Parser, names, one_line_errors

DIFFERENT = 1


@one_line_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = parser().parse_args(argv)
    from dse.exporters.bundle import open_bundle
    from dse.exporters.replay import parts_of, verify
    from dse.exporters.speech import speech_of
    from models.workload import InputError

    bundle = open_bundle(options.bundle)
    there = parts_of(bundle)
    parts = there if options.parts is None else options.parts
    for part in parts:
        if part not in there:
            raise InputError(f"bundle {options.bundle} has no part '{part}' that runs; it has {', '.join(there)}")
    speech = None if options.split is None else speech_of(bundle, options.split, options.corpus_path)
    running = tqdm(
        verify(bundle, parts, speech), total=1 + len(parts), desc="verify", unit="part", disable=None, leave=False
    )
    checks = list(running)
    rows = [
        (check.part, "not run")
        if check.not_run
        else (
            check.part,
            "differs" if check.difference else "equal",
            check.utterances,
            check.frames,
            f"{check.error_percent:.2f}",
            f"{check.eliminated_percent:.2f}",
            f"{check.seconds:.1f}",
        )
        for check in checks
    ]
    headers = ("part", "", "utterances", "frames", "error\n%", "eliminated\n%", "time\ns")
    align = ("left", "left", *["right"] * 5)
    print(tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=align))
    different = [check for check in checks if check.difference]
    for check in different:
        print(f"\n{check.part} differs first at {check.difference}")
    missing = [check for check in checks if check.not_run]
    for check in missing:
        print(f"error: {check.part} cannot be run here: {' '.join(check.not_run.split())}", file=sys.stderr)
    return DIFFERENT if different else EXIT_BAD_INPUT if missing else 0


def parser() -> Parser:
    result = Parser(prog="python -m dse.verify", description=__doc__, example="python -m dse.verify out")
    result.add_argument("bundle", type=Path, metavar="FOLDER", help="as written by dse.export")
    result.add_argument("--parts", type=names, metavar="NAMES", help="that are run; default: all that run")
    result.add_argument(
        "--split",
        choices=("validation", "test"),
        help="all of its utterances, not the golden ones; test where dse.export --test has recorded that it is spent",
    )
    result.add_argument("--corpus-path", metavar="FOLDER", help="where the corpus of --split is")
    return result


if __name__ == "__main__":
    sys.exit(main())
