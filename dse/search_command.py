"""The command line of `dse.search`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from dse.command import SETTINGS, Parser, from_settings_file, integers, joined, names, require_folder
from dse.errors import EXIT_INTERRUPTED, one_line_errors
from dse.evaluate import ERRORS
from dse.genes import DEFAULT_DELTA
from dse.objective import OBJECTIVES, PLATFORM_OBJECTIVES
from dse.plan import DEFAULT_LIMITS, DEFAULT_STORAGE, Plan, SearchSettings, make_plan
from dse.preview import dry_run, listing
from dse.pricing import split_specs
from dse.search import run_plan
from dse.searchers import SEARCHERS
from models.devices import DEVICES, GPU

if TYPE_CHECKING:
    from dse.result import SearchResult

NO_LIMIT = "none"
EXAMPLE = "example: python -m dse.search --model sru --objectives error,size,ops --limit error=+3"


@one_line_errors
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(from_settings_file(sys.argv[1:] if argv is None else argv))
    if options.list:
        print(listing())
        return 0
    plan = make_plan(_settings(options))
    if options.dry_run:
        print(dry_run(plan))
        return 0
    folder = options.out or Path("studies") / plan.study
    require_folder(folder)
    try:
        result = run_plan(plan)
    except KeyboardInterrupt:
        _report_interrupted(plan)
        return EXIT_INTERRUPTED
    if result.exhausted:
        print(f"no new genome was found; the search ends before {plan.settings.evaluations} evaluations")
    report(result, folder)
    return 0


def parser() -> argparse.ArgumentParser:
    default = SearchSettings()
    result = Parser(
        prog="python -m dse.search",
        description="Search bitwidths and delta thresholds for the Pareto front of phone error, size and operations. "
        "The same command continues where it stopped.",
        epilog=EXAMPLE,
    )
    what = result.add_argument_group("what to search")
    what.add_argument("--model", default=default.model, help="default %(default)s; --list shows all names")
    what.add_argument("--preset", default=default.preset, help="sizes of the model; default %(default)s")
    what.add_argument("--checkpoint", metavar="FILE", help="trained weights; default: the shipped ones")
    what.add_argument("--corpus", default=default.corpus, help="default %(default)s")
    what.add_argument("--corpus-path", metavar="FOLDER", help="where a corpus lies that is not generated")
    what.add_argument("--skip-bad", action="store_true", help="leave damaged utterances of the corpus out")
    what.add_argument(
        "--error",
        default=default.error,
        metavar="NAME",
        help=f"of {', '.join(ERRORS)}: of the whole validation split, or the worst of its four quarters; "
        "default %(default)s",
    )
    what.add_argument(
        "--objectives",
        type=names,
        default=default.objectives,
        metavar="NAMES",
        help=f"of {', '.join(OBJECTIVES)}; of a platform: {', '.join(PLATFORM_OBJECTIVES)}; with several platforms "
        "as in silago.speedup",
    )
    what.add_argument(
        "--platform",
        action="append",
        default=[],
        metavar="NAME",
        help="whose rules bind and whose costs are told: silago, bitfusion:level=ideal, a chip.toml; several with "
        "commas or by repeating the option",
    )
    what.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="error=24 (%%), error=+3 (points over the 16-bit baseline), size=2 (at most, MiB), ops=50 (at least, %%); "
        "speedup=3 (at least); "
        f"{joined(DEFAULT_LIMITS)} unless error is limited otherwise; none for no limit",
    )
    for option, choices in (("--weight-bits", default.weight_bits), ("--activation-bits", default.activation_bits)):
        what.add_argument(option, type=integers, default=choices, metavar="BITS", help=f"default {joined(choices)}")
    what.add_argument(
        "--delta",
        type=integers,
        metavar="STEPS",
        help=f"thresholds in steps of an 8-bit activation; default {joined(DEFAULT_DELTA)} where an objective or "
        "limit gains from eliminated operations, else 0, which is none",
    )
    what.add_argument(
        "--skip",
        type=names,
        default=default.skip,
        metavar="PATHS",
        help="paths kept at 16 bit: first (one gene: the candidate gate's recurrent path in no, the first half or all "
        "layers; default), layers (a gene per layer), none; further names are matvecs that are always skipped",
    )
    how = result.add_argument_group("how to search")
    how.add_argument("--evaluations", type=int, default=default.evaluations, help="default %(default)s")
    how.add_argument("--seed", type=int, default=default.seed, help="default %(default)s")
    how.add_argument("--population", type=int, default=default.population, help="default %(default)s")
    how.add_argument("--searcher", default=default.searcher, help=f"of {', '.join(SEARCHERS)}; default %(default)s")
    how.add_argument(
        "--screening",
        choices=("on", "off"),
        default="on" if default.screening else "off",
        help="run a sample of the split first, and the rest only where that leaves a chance; default %(default)s",
    )
    how.add_argument(
        "--device", default=default.device, help=f"of {', '.join(DEVICES)}: with the same results; default %(default)s"
    )
    how.add_argument(
        "--cache-mib",
        type=int,
        default=default.cache_mib,
        metavar="MIB",
        help="memory that each process gives to outputs of layers that candidates share; default %(default)s",
    )
    how.add_argument("--workers", type=int, help=f"processes; default: one a core, one alone with --device {GPU}")
    how.add_argument("--cluster", metavar="tcp://HOST:PORT", help="a dask scheduler whose workers evaluate instead")
    where = result.add_argument_group("where it goes")
    where.add_argument("--storage", default=DEFAULT_STORAGE, metavar="URL", help="default %(default)s")
    where.add_argument("--study", metavar="NAME", help="default: model, preset and a hash of the settings")
    where.add_argument("--out", type=Path, metavar="FOLDER", help="default studies/<study>")
    where.add_argument(SETTINGS, metavar="FILE", help='a TOML file of options, as in objectives = ["error", "size"]')
    result.add_argument("--dry-run", action="store_true", help="show genes, space and baseline; run nothing")
    result.add_argument("--list", action="store_true", help="show every name that an option takes")
    return result


def _settings(options: argparse.Namespace) -> SearchSettings:
    """Options have their setting's name, but for those that are read first."""
    given = {name: value for name, value in vars(options).items() if value is not None}
    as_they_are = {field.name: given[field.name] for field in fields(SearchSettings) if field.name in given}
    read = {
        "limits": _limits(options.limit),
        "platforms": split_specs(options.platform),
        "screening": options.screening == "on",
    }
    return SearchSettings(**as_they_are | read)


def _limits(given: Sequence[str]) -> tuple[str, ...]:
    """The limits given, and the default one on error unless error is limited or limits are refused by 'none'."""
    limits = tuple(part for text in given for part in names(text))
    if NO_LIMIT in limits:
        return tuple(limit for limit in limits if limit != NO_LIMIT)
    return limits if any(limit.startswith("error") for limit in limits) else (*DEFAULT_LIMITS, *limits)


def report(result: SearchResult, folder: Path) -> None:
    """Print the front and write its files."""
    from dse.show import summary, table, write_files

    print(summary(result))
    print()
    print(table(result))
    print()
    for path in write_files(result, folder):
        print(path)


def _report_interrupted(plan: Plan) -> None:
    from dse.result import load_result
    from dse.show import table
    from dse.store import hide_password

    try:
        result = load_result(plan.settings.storage, plan.study)
    except ValueError:
        print("interrupted before the first evaluation was stored", file=sys.stderr)
        return
    print(table(result))
    print(
        f"interrupted; {len(result.evaluations)} evaluations are stored as study {plan.study} in "
        f"{hide_password(plan.settings.storage)}; the same command goes on from there",
        file=sys.stderr,
    )
