"""Search a model's design space for its Pareto front."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from dse.console import (
    EXIT_INTERRUPTED,
    SETTINGS,
    Parser,
    from_settings_file,
    integers,
    names,
    on_or_off,
    one_line_errors,
    require_file,
)
from dse.design.genes import DEFAULT_DELTA, DELTA_LAYERS, DELTA_PATHS
from dse.design.limits import DEFAULT_LIMIT, NO_LIMIT
from dse.design.objective import OBJECTIVES, PLATFORM_OBJECTIVES
from dse.evaluator.measurement import Task
from dse.evaluator.pricing import split_specs
from dse.evaluator.task import NetworkTask
from dse.exploration.patience import ENDINGS, STALLED_PERCENT
from dse.exploration.plan import Plan, make_plan
from dse.exploration.settings import DEFAULT_EVALUATIONS, SearchSettings
from dse.reports.labels import joined
from dse.searchers import SEARCHERS
from dse.study.storage import DEFAULT_STORAGE, hide_password
from models.devices import DEVICES, GPU
from models.quantization.scheme import CHOICES, ROW
from models.workload import InputError

ONE_GENOME = (
    "every gene has one choice, so that one genome is evaluated; thresholds are searched where an objective gains from "
    "them, as in --objectives error,size,ops"
)
COMMAND_ONLY = ("list", "dry_run", "out", "settings")


@one_line_errors
def main(argv: Sequence[str] | None = None, task: Callable[..., Task] = NetworkTask) -> int:
    """Run the command. `task` makes what is searched of the options that describe it."""
    reader = parser()
    options = reader.parse_args(from_settings_file(sys.argv[1:] if argv is None else argv, reader))
    if options.list:
        from dse.reports.preview import listing

        print(listing())
        return 0
    plan = make_plan(settings_of(options, task))
    if options.dry_run:
        from dse.reports.preview import dry_run

        print(dry_run(plan))
        return 0
    if plan.space.size == 1:
        print(ONE_GENOME, file=sys.stderr)
    folder = options.out or Path("studies") / plan.study
    from dse.exploration.run import run_plan
    from dse.reports.files import FILES, SETTINGS_FILE, publish

    for name in (*FILES, SETTINGS_FILE):
        require_file(folder / name)
    try:
        study = run_plan(plan)
    except KeyboardInterrupt:
        _report_interrupted(plan)
        return EXIT_INTERRUPTED
    publish(study, folder, plan)
    if study.ended:
        print(ENDINGS[study.ended].format(evaluations=plan.evaluations, settings=plan.settings))
    return 0


def parser() -> Parser:
    default, network = SearchSettings(), NetworkTask()
    result = Parser(
        prog="python -m dse.search",
        description="Search bitwidths and delta thresholds for the Pareto front of phone error, size and operations. "
        "The same command continues where it stopped.",
        example="python -m dse.search --model sru --objectives error,size,ops",
    )
    what = result.add_argument_group("what to search")
    what.add_argument("--model", default=network.model, help="default %(default)s; --list shows all names")
    what.add_argument("--preset", default=network.preset, help="sizes of the model; default %(default)s")
    what.add_argument("--checkpoint", metavar="FILE", help="trained weights; default: the shipped ones")
    what.add_argument("--corpus", default=network.corpus, help="default %(default)s")
    what.add_argument("--corpus-path", metavar="FOLDER", help="where a corpus lies that is not generated")
    what.add_argument("--skip-bad", action="store_true", help="leave damaged utterances of the corpus out")
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
        f"{DEFAULT_LIMIT} unless an error is limited otherwise; {NO_LIMIT} for no limit",
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
    what.add_argument(
        "--delta-genes",
        default=default.delta_genes,
        help=f"{DELTA_LAYERS} (a threshold for each layer and path; default) or {DELTA_PATHS} (one for a path's "
        "layers, as in the papers' threshold selection)",
    )
    what.add_argument(
        "--gene",
        action="append",
        default=[],
        metavar="NAME=CHOICES",
        help="other choices for the genes that the name meets: l2.weight_bits=4,8, input.delta=0,4, bits=4x8,8x8; "
        "--dry-run shows them all",
    )
    what.add_argument(
        "--freeze",
        action="append",
        default=[],
        metavar="NAME[=CHOICE]",
        help="one choice for them: bits=8x8, delta=0; without a choice, the one of the point that --from names",
    )
    what.add_argument("--from", dest="start", metavar="STUDY:NUMBER", help="a front's point to start from")
    scheme = result.add_argument_group("how to quantize")
    scheme.add_argument(
        "--rounding",
        default=network.rounding,
        help=f"of {', '.join(CHOICES['rounding'])}: so that products change least over calibration speech, or each "
        "weight by itself, as in the papers; default %(default)s",
    )
    scheme.add_argument(
        "--scales", help=f"one for each of {', '.join(CHOICES['scales'])}; default {ROW} where the platforms take it"
    )
    scheme.add_argument(
        "--zero-points",
        type=on_or_off,
        metavar="on|off",
        help="of integer activations; default on where the platforms take them",
    )
    how = result.add_argument_group("how to search")
    how.add_argument(
        "--beacons",
        type=int,
        default=default.beacons,
        metavar="N",
        help="retrain at most so many promising candidates that are far apart, some minutes each; their weights score "
        "those near them too; default %(default)s",
    )
    how.add_argument(
        "--beacon-epochs", type=int, default=default.beacon_epochs, metavar="N", help="default %(default)s"
    )
    how.add_argument(
        "--evaluations", type=int, metavar="N", help=f"default {DEFAULT_EVALUATIONS}; all, of an exhaustive search"
    )
    how.add_argument(
        "--stop-when-stalled",
        type=int,
        metavar="N",
        help=f"end where the last N evaluations added less than {STALLED_PERCENT} %% of the hypervolume",
    )
    how.add_argument("--timeout", type=float, metavar="MINUTES", help="end after that; the same command goes on")
    how.add_argument("--seed", type=int, default=default.seed, help="default %(default)s")
    how.add_argument("--population", type=int, default=default.population, help="default %(default)s")
    how.add_argument(
        "--searcher",
        default=default.searcher,
        help=f"of {', '.join(SEARCHERS)}; default %(default)s; optuna-gp takes seconds to propose each",
    )
    how.add_argument(
        "--device", default=network.device, help=f"of {', '.join(DEVICES)}: with the same results; default %(default)s"
    )
    how.add_argument(
        "--cache-mib",
        type=int,
        default=network.cache_mib,
        metavar="MIB",
        help="memory that each process gives to outputs of first layers that candidates share; default %(default)s",
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


def settings_of(options: argparse.Namespace, task: Callable[..., Task]) -> SearchSettings:
    """Settings of the options: these have their setting's name, but for those read first and the command's own."""
    given = {name: value for name, value in vars(options).items() if value is not None and name not in COMMAND_ONLY}
    limits, platforms, genes = (tuple(given.pop(name)) for name in ("limit", "platform", "gene"))
    return SearchSettings.of(task, **given, limits=limits, platforms=split_specs(platforms), genes=genes)


def _report_interrupted(plan: Plan) -> None:
    from dse.reports.table import table
    from dse.study.result import load_study

    try:
        study = load_study(plan.study, plan.settings.storage)
    except InputError as error:
        print(f"interrupted; {error}", file=sys.stderr)
        return
    print(table(study))
    print(
        f"interrupted; {len(study.evaluations)} evaluations are stored as study {plan.study} in "
        f"{hide_password(plan.settings.storage)}; the same command goes on from there",
        file=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main())
