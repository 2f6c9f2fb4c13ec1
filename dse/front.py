"""The front of a stored study, under its own objectives or others, or for other platforms.

Runs no inference, unless --test asks for the front's error on the test split.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from dse.console import FIRST_STUDY, Parser, moved, names, one_line_errors, require_file, require_folder
from dse.design.objective import OBJECTIVES, PLATFORM_OBJECTIVES
from dse.evaluator.measurement import Task
from dse.evaluator.pricing import split_specs
from dse.evaluator.task import NetworkTask
from dse.study.storage import DEFAULT_STORAGE, require_study_name
from models.devices import CPU, DEVICES, require_gpu, require_known


@one_line_errors
def main(argv: Sequence[str] | None = None, task: Callable[..., Task] = NetworkTask) -> int:
    """Run the command. `task` makes what is measured of what the study recorded."""
    options = parser().parse_args(argv)
    require_known(options.device)
    require_gpu(options.device)
    require_folder(options.out or Path("studies"))
    from dse.reports.files import FILES, publish
    from dse.study.result import load_study

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
    if options.test:
        from dse.exploration.progress import tell
        from dse.reports.final import with_test_error
        from dse.study.task import task_of

        tested = task_of(study, task, device=options.device, **moved(options))
        tell(tested.remarks)
        study = with_test_error(study, tested)
    publish(study, folder)
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
        "--test", action="store_true", help="run the front's points on the test split and tell their error there"
    )
    result.add_argument("--checkpoint", metavar="FILE", help="for --test: default where the search found it")
    result.add_argument("--corpus-path", metavar="FOLDER", help="for --test: default where the search found it")
    result.add_argument("--device", default=CPU, help=f"for --test: of {', '.join(DEVICES)}; default %(default)s")
    result.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default studies/<study>, below it for other objectives or platforms"
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
