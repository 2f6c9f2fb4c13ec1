"""Tell about the shipped models, the corpora, the platforms, and what the papers count otherwise (accounting).

`models`, measured anew in some minutes, `corpora` and `platforms` print the pages in studies/models/, dse/corpora/ and
platforms/, in Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from dse.console import Parser, names, one_line_errors
from dse.study.storage import DEFAULT_STORAGE
from models.workload import InputError


@one_line_errors
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    if options.study and options.what != "models":
        raise InputError(f"--study is for the report on models, not {options.what}")
    print(REPORTS[options.what](options))
    return 0


def parser() -> Parser:
    result = Parser(prog="python -m dse.report", description=__doc__, example="python -m dse.report platforms silago")
    result.add_argument("what", choices=tuple(REPORTS))
    result.add_argument("names", nargs="*", default=[], help="only these; default all")
    result.add_argument(
        "--study",
        type=names,
        default=(),
        metavar="NAMES",
        help="with models: searches in which the best mixed configuration is looked for",
    )
    result.add_argument("--storage", default=DEFAULT_STORAGE, metavar="URL", help="of the studies; default %(default)s")
    return result


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


REPORTS: dict[str, Callable[[argparse.Namespace], str]] = {
    "models": models,
    "corpora": corpora,
    "platforms": platforms,
    "accounting": accounting,
}

if __name__ == "__main__":
    sys.exit(main())
