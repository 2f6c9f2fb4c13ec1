"""Pick a point of a stored study's front by a rule; show its neighbours, what one more bit buys, how to export it.

Rules: --minimize or --maximize an objective, --number, --knee, --weights; bounds narrow the points they choose from.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from dse.console import FIRST_STUDY, Parser, moved, names, one_line_errors
from dse.design.evaluation import Evaluation
from dse.design.objective import OBJECTIVES, PLATFORM_OBJECTIVES
from dse.evaluator.measurement import Task
from dse.evaluator.pricing import split_specs
from dse.evaluator.task import NetworkTask
from dse.study.result import Study, load_study
from dse.study.storage import DEFAULT_STORAGE
from models.workload import InputError


@one_line_errors
def main(argv: Sequence[str] | None = None, task: Callable[..., Task] = NetworkTask) -> int:
    """Run the command. `task` makes what is measured of what the study recorded."""
    options = parser().parse_args(argv)
    study, point = picked(options)
    number = study.front.number(point)
    from dse.reports.choice import export_command, one_more_bit, place
    from dse.study.task import task_of

    print(f"point {number} of {len(study.front)} on the front of study {study.name}\n")
    print(place(study, number), end="\n\n")
    if not options.no_inference:
        print(one_more_bit(study, point, task_of(study, task, **moved(options))), end="\n\n")
    print(export_command(study, number, moved(options)))
    return 0


def picked(options: argparse.Namespace) -> tuple[Study, Evaluation]:
    """The study, under the objectives and platforms asked for, and the point that the rule chooses."""
    study = load_study(options.study, options.storage)
    if specs := split_specs(options.platform):
        study = study.on(*specs)
    if options.objectives is not None:
        study = study.under(*options.objectives)
    bounds = {name: value for name in OBJECTIVES if (value := getattr(options, name)) is not None}
    for text in options.limit:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise InputError(f"limit '{text}' is not NAME=VALUE, as in error=+3 or silago.speedup=2")
        bounds[name] = value
    return study, study.pick(
        options.minimize,
        options.maximize,
        number=options.number,
        knee=options.knee,
        weights=None if options.weights is None else _weights(options.weights),
        **bounds,
    )


def _weights(text: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in names(text):
        name, _, value = (piece.strip() for piece in part.partition("="))
        try:
            weights[name] = float(value)
        except ValueError:
            raise InputError(f"weights '{text}' are not NAME=NUMBER, as in error=2,size=1") from None
    return weights


def parser() -> Parser:
    example = f"python -m dse.pick --study {FIRST_STUDY} --error +1 --minimize size"
    result = Parser(prog="python -m dse.pick", description=__doc__, example=example)
    add_rules(result)
    result.add_argument("--no-inference", action="store_true", help="do not evaluate what one more bit buys")
    return result


def add_rules(result: argparse.ArgumentParser) -> None:
    """Add the options that name a study and choose a point of its front."""
    result.add_argument("--study", required=True, metavar="NAME", help="as printed by the search")
    result.add_argument("--storage", default=DEFAULT_STORAGE, metavar="URL", help="default %(default)s")
    result.add_argument(
        "--platform", action="append", default=[], metavar="NAME", help="price it for these; as in the search"
    )
    result.add_argument("--objectives", type=names, metavar="NAMES", help="of the front; default: the study's")
    known = f"of {', '.join(OBJECTIVES)}; of a platform: {', '.join(PLATFORM_OBJECTIVES)}"
    rules = result.add_argument_group("rules, one of them")
    rules.add_argument("--minimize", metavar="NAME", help=known)
    rules.add_argument("--maximize", metavar="NAME", help="the same")
    rules.add_argument("--number", type=int, metavar="N", help="the point's number on the front")
    rules.add_argument("--knee", action="store_true", help="where the front bends most")
    rules.add_argument("--weights", metavar="NAME=W,...", help="least weighted sum, objectives scaled along the front")
    bounds = result.add_argument_group("bounds")
    for objective in OBJECTIVES.values():
        way = "at most" if objective.direction == "minimize" else "at least"
        over = "; +N: points over the baseline's" if objective.relative_limits else ""
        bounds.add_argument(
            f"--{objective.name}", metavar="N", help=f"{way} so many {objective.unit}{over}".replace("%", "%%")
        )
    bounds.add_argument("--limit", action="append", default=[], metavar="NAME=N", help="on any objective of a platform")
    place = result.add_argument_group("what was searched")
    place.add_argument("--checkpoint", metavar="FILE", help="default: where the search found it")
    place.add_argument("--corpus-path", metavar="FOLDER", help="default: where the search found it")


if __name__ == "__main__":
    sys.exit(main())
