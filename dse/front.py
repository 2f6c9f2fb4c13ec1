"""The front of a stored study, under its own objectives or others, or for other platforms.

Runs no inference, unless --test asks for the front's error on the test split.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dse.command import Parser, names, require_folder
from dse.errors import one_line_errors
from dse.objective import OBJECTIVES, PLATFORM_OBJECTIVES, objectives_named
from dse.plan import DEFAULT_STORAGE
from dse.pricing import reprice, require, split_specs
from dse.result import load_result
from dse.search_command import report
from models.devices import CPU, DEVICES, require_gpu, require_known


@one_line_errors
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    require_known(options.device)
    require_gpu(options.device)
    require_folder(options.out or Path("studies"))
    result = load_result(options.storage, options.study)
    folder = Path("studies") / result.study
    feasible = result.count("ok")
    if specs := split_specs(options.platform):
        result = reprice(result, specs)
    if options.objectives is not None:
        result = replace(result, objectives=objectives_named(options.objectives, result.platforms))
        require(result.objectives, result.baseline.metrics)
    if options.test:
        from dse.final import with_test_error

        result = with_test_error(result, options.checkpoint, options.corpus_path, options.device)
    chosen = [objective.name for objective in result.objectives]
    if chosen != result.settings["objectives"]:
        folder /= "-".join((*chosen, *result.repriced))
    elif specs:
        folder /= "-".join(result.repriced)
    report(result, options.out or folder)
    if specs:
        dropped = feasible - result.count("ok")
        print(f"{dropped} of {feasible} feasible evaluations cannot run on {' and '.join(result.repriced)}")
    return 0


def parser() -> argparse.ArgumentParser:
    result = Parser(prog="python -m dse.front", description=__doc__)
    result.add_argument("--study", required=True, metavar="NAME", help="as printed by the search")
    result.add_argument("--storage", default=DEFAULT_STORAGE, metavar="URL", help="default %(default)s")
    result.add_argument(
        "--platform", action="append", default=[], metavar="NAME", help="price it for these; as in the search"
    )
    result.add_argument(
        "--objectives",
        type=names,
        metavar="NAMES",
        help=f"of {', '.join(OBJECTIVES)}; of a platform: {', '.join(PLATFORM_OBJECTIVES)}; default: the study's",
    )
    result.add_argument(
        "--test", action="store_true", help="run the front's points on the test split and tell their error there"
    )
    result.add_argument("--checkpoint", metavar="FILE", help="for --test: as given to the search")
    result.add_argument("--corpus-path", metavar="FOLDER", help="for --test: as given to the search")
    result.add_argument("--device", default=CPU, help=f"for --test: of {', '.join(DEVICES)}; default %(default)s")
    result.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default studies/<study>, below it for other objectives or platforms"
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
