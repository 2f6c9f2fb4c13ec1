"""The front of a stored study, under its own objectives or others. Runs no inference."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dse.command import Parser, names
from dse.errors import one_line_errors
from dse.objective import OBJECTIVES, objectives_named
from dse.result import load_result
from dse.search import DEFAULT_STORAGE
from dse.search_command import report


@one_line_errors
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    objectives = None if options.objectives is None else objectives_named(options.objectives)
    result = load_result(options.storage, options.study, objectives)
    folder = Path("studies") / result.study
    if result.settings["objectives"] != [objective.name for objective in result.objectives]:
        folder /= "-".join(objective.name for objective in result.objectives)
    report(result, options.out or folder)
    return 0


def parser() -> argparse.ArgumentParser:
    result = Parser(prog="python -m dse.front", description=__doc__)
    result.add_argument("--study", required=True, metavar="NAME", help="as printed by the search")
    result.add_argument("--storage", default=DEFAULT_STORAGE, metavar="URL", help="default %(default)s")
    result.add_argument(
        "--objectives", type=names, metavar="NAMES", help=f"of {', '.join(OBJECTIVES)}; default: the study's"
    )
    result.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default studies/<study>, below it for other objectives"
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
