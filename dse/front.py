"""The front of a stored study, under its own objectives or others, or for other platforms. Runs no inference."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dse.console import FIRST_STUDY, Parser, names, one_line_errors, require_file, require_folder
from dse.design.objective import OBJECTIVES, PLATFORM_OBJECTIVES
from dse.evaluator.pricing import split_specs
from dse.reports.images import PNG_HELP, require_drawable
from dse.study.storage import DEFAULT_STORAGE, require_study_name


@one_line_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = parser().parse_args(argv)
    require_folder(options.out or Path("studies"))
    from dse.reports.files import FILES, publish, require_frame, write_frame, write_pictures
    from dse.study.result import load_study

    if options.frame is not None:
        require_frame(options.frame)
        require_file(options.frame)
    if options.png is not None:
        require_drawable(options.png)
    study = load_study(options.study, options.storage)
    folder = Path("studies") / study.name
    feasible = study.count("ok")
    if specs := split_specs(options.platform):
        study = study.on(*specs)
    if options.objectives is not None:
        study = study.under(*options.objectives)
    chosen = [objective.name for objective in study.objectives]
    if chosen != study.identity["objectives"]:
        folder /= "-".join((*chosen, *study.repriced))
    elif specs:
        folder /= "-".join(study.repriced)
    if options.out is None:
        require_study_name(study.name)
    folder = options.out or folder
    for name in FILES:
        require_file(folder / name)
    if options.frame is not None:
        write_frame(study, options.frame)
    publish(study, folder)
    if options.png is not None:
        print(*write_pictures(study, folder, options.png), sep="\n")
    if specs:
        dropped = feasible - study.count("ok")
        print(f"{dropped} of {feasible} feasible evaluations cannot run on {' and '.join(study.repriced)}")
    return 0


def parser() -> Parser:
    example = f"python -m dse.front --study {FIRST_STUDY} --objectives error,size"
    result = Parser(prog="python -m dse.front", description=__doc__, example=example)
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
        "--frame",
        type=Path,
        metavar="FILE",
        help="every evaluation as a table too: FILE.csv, FILE.json or FILE.parquet; its folder is made as needed",
    )
    result.add_argument("--png", type=int, metavar="PIXELS", help=PNG_HELP)
    result.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default studies/<study>, below it for other objectives or platforms"
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
