"""Tell about a study (its test split, sensitivity), the shipped models, corpora, platforms, and the papers' counts.

`models`, measured anew in some minutes, `corpora` and `platforms` print the pages in studies/models/, dse/corpora/ and
platforms/, in Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dse.console import FIRST_STUDY, Parser, moved, names, one_line_errors, require_file
from dse.evaluator.measurement import Task
from dse.evaluator.task import NetworkTask
from dse.reports.images import PNG_HELP, require_drawable
from dse.study.storage import DEFAULT_STORAGE, require_study_name
from models.devices import CPU, DEVICES, require_gpu, require_known

if TYPE_CHECKING:
    from dse.study.result import Study

COMMAND = "python -m dse.report"


@one_line_errors
def main(argv: Sequence[str] | None = None, task: Callable[..., Task] = NetworkTask) -> int:
    """Run the command. `task` makes what is measured of what a study recorded."""
    options = parser().parse_args(argv)
    if options.what in OF_STUDIES:
        OF_STUDIES[options.what](options, task)
    else:
        print(PAGES[options.what](options))
    return 0


def parser() -> Parser:
    result = Parser(prog=COMMAND, description=__doc__, example=f"{COMMAND} study {FIRST_STUDY}")
    kinds = result.add_subparsers(dest="what", required=True, metavar="WHAT", parser_class=Parser)

    def add(what: str, about: str, example: str = "") -> Parser:
        return kinds.add_parser(what, help=about, description=about, example=f"{COMMAND} {what} {example}".strip())

    study = add("study", "score a front on the test split, once, and draw everything", FIRST_STUDY)
    study.add_argument("--again", action="store_true", help="score it anew though the test split was spent on it")
    sensitivity = add("sensitivity", "each gene alone, from 16 bit or from a point of the front", FIRST_STUDY)
    sensitivity.add_argument("--number", type=int, metavar="N", help="from this point of the front; default 16 bit")
    for each in (study, sensitivity):
        each.add_argument("study", metavar="NAME", help="as printed by the search")
        each.add_argument("--storage", default=DEFAULT_STORAGE, metavar="URL", help="default %(default)s")
        each.add_argument("--checkpoint", metavar="FILE", help="default: where the search found it")
        each.add_argument("--corpus-path", metavar="FOLDER", help="default: where the search found it")
        each.add_argument("--device", default=CPU, help=f"of {', '.join(DEVICES)}; default %(default)s")
        each.add_argument("--workers", type=int, metavar="N", help="processes; default: one a core")
        each.add_argument("--out", type=Path, metavar="FOLDER", help="default studies/<study>")
        each.add_argument("--png", type=int, metavar="PIXELS", help=PNG_HELP)
    compare = add("compare", "fronts of several studies in one picture", FIRST_STUDY)
    compare.add_argument("studies", nargs="+", metavar="NAME", help="as printed by searches")
    compare.add_argument("--storage", default=DEFAULT_STORAGE, metavar="URL", help="default %(default)s")
    compare.add_argument("--out", type=Path, default=Path("studies"), metavar="FOLDER", help="default %(default)s")
    compare.add_argument("--png", type=int, metavar="PIXELS", help=PNG_HELP)
    models = add("models", "error, size and operations of the shipped networks", "sru")
    models.add_argument(
        "--study",
        type=names,
        default=(),
        metavar="NAMES",
        help="searches in which the best mixed configuration is looked for",
    )
    models.add_argument("--storage", default=DEFAULT_STORAGE, metavar="URL", help="of the studies; default %(default)s")
    corpora = add("corpora", "what each corpus holds and how its folder looks")
    platforms = add("platforms", "each chip's bitwidths and every constant with its source", "silago")
    accounting = add("accounting", "the papers' counts beside the true ones", "sru")
    for each in (models, corpora, platforms, accounting):
        each.add_argument("names", nargs="*", default=[], help="only these; default all")
    return result


def study(options: argparse.Namespace, task: Callable[..., Task]) -> None:
    """Score the front on the test split unless that is done, and write its files with what that tells."""
    from dse.exploration.aside import measure_aside
    from dse.exploration.final import spend
    from dse.reports.files import write_files, write_pictures
    from dse.reports.final import final_table
    from dse.reports.table import summary
    from dse.study.references import uniform_configurations
    from dse.study.result import load_study

    found, opened, workers, folder = _opened(options, task)
    spend(found, opened, workers, options.again)
    measure_aside(found, uniform_configurations(found).values(), opened, workers, "uniform bits")
    found = load_study(found.name, options.storage)
    paths = write_files(found, folder)
    print(summary(found), final_table(found), sep="\n\n", end="\n\n")
    print(*paths, *write_pictures(found, folder, options.png), sep="\n")


def sensitivity(options: argparse.Namespace, task: Callable[..., Task]) -> None:
    """Measure each gene alone, where the study does not hold that yet, and write table and picture."""
    from dse.reports.files import write_sensitivity
    from dse.reports.sensitivity import measure_moves, sensitivity_table

    found, opened, workers, folder = _opened(options, task)
    point = found.baseline if options.number is None else found.pick(number=options.number)
    measured = measure_moves(found, point, opened, workers)
    name = "sensitivity" if options.number is None else f"sensitivity-{options.number}"
    paths = write_sensitivity(found, point, measured, folder, name, options.png)
    print(sensitivity_table(found, point, measured), end="\n\n")
    print(*paths, sep="\n")


def compare(options: argparse.Namespace, _: Callable[..., Task]) -> None:
    """Draw the fronts of several studies over one another."""
    from dse.reports.files import write_figure
    from dse.reports.pictures.compared import compared
    from dse.study.result import load_study

    require_file(options.out / "compare.html")
    if options.png is not None:
        require_drawable(options.png)
    figure = compared([load_study(name, options.storage) for name in options.studies])
    print(*write_figure(figure, options.out, "compare", options.png), sep="\n")


def _opened(options: argparse.Namespace, task: Callable[..., Task]) -> tuple[Study, Task, int, Path]:
    """The study, its task, the number of processes and the folder for files."""
    from dse.exploration.progress import tell
    from dse.exploration.settings import SearchSettings
    from dse.reports.files import FILES
    from dse.study.result import load_study
    from dse.study.task import task_of

    require_known(options.device)
    require_gpu(options.device)
    if options.out is None:
        require_study_name(options.study)
    folder = options.out or Path("studies") / options.study
    for name in FILES:
        require_file(folder / name)
    if options.png is not None:
        require_drawable(options.png)
    found = load_study(options.study, options.storage)
    opened = task_of(found, task, device=options.device, **moved(options))
    tell(opened.remarks)
    return found, opened, SearchSettings(opened, workers=options.workers).processes, folder


def models(options: argparse.Namespace) -> str:
    from dse.reports.model_page import page

    return page(options.names, options.study, options.storage)


def corpora(options: argparse.Namespace) -> str:
    from dse.reports.corpus_page import page

    return page(options.names)


def platforms(options: argparse.Namespace) -> str:
    from dse.reports.platform_page import page

    return page(options.names)


def accounting(options: argparse.Namespace) -> str:
    from dse.reports.accounting_page import page

    return page(options.names)


OF_STUDIES: dict[str, Callable[[argparse.Namespace, Callable[..., Task]], None]] = {
    "study": study,
    "sensitivity": sensitivity,
    "compare": compare,
}
PAGES: dict[str, Callable[[argparse.Namespace], str]] = {
    "models": models,
    "corpora": corpora,
    "platforms": platforms,
    "accounting": accounting,
}

if __name__ == "__main__":
    sys.exit(main())
