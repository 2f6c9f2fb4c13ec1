"""Run an experiment of the folder studies/, and write its page: tables, pictures and the answer to its question.

Each is described by a study.toml: what its searches have in common, what varies, and how they are compared. Searches
that are finished are not run again; interrupted ones go on.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dse.console import Parser, arguments_of, one_line_errors, require_file
from dse.evaluator.measurement import Task
from dse.evaluator.task import NetworkTask
from dse.exploration.settings import SearchSettings
from dse.reports.images import PNG_HELP, require_drawable
from dse.study.storage import DEFAULT_STORAGE
from models.workload import InputError, MissingError

STUDIES = Path("studies")
COMMAND = "python -m dse.experiment"
RESULTS = ("preset", "corpus", "evaluations", "checkpoints")  # options that change them
OVERRIDES = ("preset", "corpus", "corpus_path", "device", "workers", "evaluations", "storage")


@one_line_errors
def main(argv: Sequence[str] | None = None, task: Callable[..., Task] = NetworkTask) -> int:
    """Run the command. `task` makes what is searched of the options that describe it."""
    given = sys.argv[1:] if argv is None else list(argv)
    options = parser().parse_args(given)
    from dse.experiments import KINDS
    from dse.experiments.description import read_experiment, read_experiments
    from dse.experiments.page import RESULT, write_findings, write_index, write_page

    if options.name is not None and (options.list or options.claims):
        raise InputError(f"--list and --claims are of all experiments: leave {options.name} out")
    if options.list:
        found, damaged = read_experiments(options.studies, KINDS)
        if not found and not damaged:
            raise MissingError(
                f"no experiments in {options.studies}: no folder in it has a study.toml; --studies names another"
            )
        for each in found:
            print(f"{each.name:<20} {each.title}")
        if damaged:
            raise InputError("; ".join(damaged))
        return 0
    if options.claims:
        from dse.experiments.claims import claims_table

        print(claims_table(options.studies))
        return 0
    if options.name is None:
        raise InputError("no experiment given; --list shows those there are")
    if Path(options.name).name != options.name:
        raise InputError(f"no experiment '{options.name}': it is a name, as --list shows; --studies has the folder")
    described = options.studies / options.name
    experiment = read_experiment(described, KINDS)
    folder = options.out or described
    if options.png is not None and options.page:
        raise InputError("--page draws nothing; leave --png out")
    require_file(folder / RESULT)
    if options.png is not None:
        require_drawable(options.png)

    others = [name for name in RESULTS if getattr(options, name) is not None]
    if options.corpus_path is not None and others == ["checkpoints"]:
        others = []  # recorded speech has no other networks
    own = folder.resolve() == described.resolve()
    if not own:  # what surprised is of what is published
        experiment = replace(experiment, surprise="")
    elif others and not options.page:
        raise InputError(f"--{others[0]} gives other results than those of {folder}: --out FOLDER takes them")
    if options.page:
        paths, answer = [write_page(experiment, folder)], ""
    else:
        findings = KINDS[experiment.kind](
            experiment, lambda table: settings_of(table, options, task, experiment.source)
        )
        paths = write_findings(experiment, findings, folder, shlex.join([*COMMAND.split(), *given]), options.png)
        answer = f"{findings.answer}\n\n"
    if own:
        every, damaged = read_experiments(options.studies, KINDS)
        index = write_index(options.studies, every)
        paths += [index] if index else []
        for text in damaged:
            print(f"not in the index: {text}", file=sys.stderr)
    print(answer, end="")
    print(*paths, sep="\n")
    return 0


def parser() -> Parser:
    result = Parser(prog=COMMAND, description=__doc__, example=f"{COMMAND} mohaq-1")
    result.add_argument("name", nargs="?", metavar="NAME", help="its folder in studies/")
    result.add_argument("--list", action="store_true", help="show the experiments there are")
    result.add_argument("--claims", action="store_true", help="what the papers say beside what the experiments found")
    result.add_argument("--page", action="store_true", help="write its page anew from its tables; nothing is searched")
    result.add_argument("--studies", type=Path, default=STUDIES, metavar="FOLDER", help="default %(default)s")
    result.add_argument("--preset", help="sizes of the models, in place of the experiment's")
    result.add_argument("--corpus", help="in place of the experiment's")
    result.add_argument("--corpus-path", metavar="FOLDER", help="where a corpus lies that is not generated")
    result.add_argument("--checkpoints", type=Path, metavar="FOLDER", help="of MODEL.safetensors; default: the shipped")
    result.add_argument("--evaluations", type=int, metavar="N", help="of each search, in place of the experiment's")
    result.add_argument("--device", help="where to evaluate; default cpu")
    result.add_argument("--workers", type=int, metavar="N", help="processes; default: one a core")
    result.add_argument("--storage", default=DEFAULT_STORAGE, metavar="URL", help="default %(default)s")
    result.add_argument("--out", type=Path, metavar="FOLDER", help="default: the experiment's")
    result.add_argument("--png", type=int, metavar="PIXELS", help=PNG_HELP)
    return result


def settings_of(
    table: Mapping[str, Any], options: argparse.Namespace, task: Callable[..., Task], source: str
) -> SearchSettings:
    """Settings of a search as an experiment describes it in `source`, with what the command overrides."""
    from dse import search

    given = {name: value for name in OVERRIDES if (value := getattr(options, name)) is not None}
    if options.checkpoints is not None:
        given["checkpoint"] = str(checkpoint_in(options.checkpoints, table.get("model", NetworkTask().model)))
    reader = search.parser()
    reader.prog = source  # for messages
    return search.settings_of(reader.parse_args(arguments_of({**table, **given}, reader, source)), task)


def checkpoint_in(folder: Path, model: str) -> Path:
    """The file of a model's network in the folder of --checkpoints. Raises MissingError where it is not there."""
    path = folder / f"{model}.safetensors"
    if not path.exists():
        there = ", ".join(sorted(each.name for each in folder.glob("*.safetensors"))) or "no checkpoints"
        has = f"it has {there}" if folder.is_dir() else "it is no folder"
        raise MissingError(f"--checkpoints {folder}: it needs {path.name}, and {has}")
    return path


if __name__ == "__main__":
    sys.exit(main())
