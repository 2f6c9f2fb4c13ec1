"""Tables: `python -m dse.report models`, `... platforms`, `... accounting` (papers' counts beside the true ones)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tabulate import tabulate

from dse.console import Parser, names, one_line_errors
from dse.study.storage import DEFAULT_STORAGE
from models.workload import InputError


@one_line_errors
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    if options.study and options.what != "models":
        raise InputError(f"--study is for the report on models, not {options.what}")
    if options.what == "models":
        print(models(options.names, options.study, options.storage))
    else:
        print({"platforms": platforms, "accounting": accounting}[options.what](options.names))
    return 0


def parser() -> Parser:
    result = Parser(prog="python -m dse.report", description=__doc__, example="python -m dse.report platforms silago")
    result.add_argument("what", choices=("models", "platforms", "accounting"))
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


def models(names: Sequence[str], studies: Sequence[str] = (), storage: str = DEFAULT_STORAGE) -> str:
    """Tables of error, size and operations of uniform configurations per model, and a check of the papers' findings."""
    from dse.reports.model_findings import HEADERS, SHORT, errors_table, findings, measure_model, rows
    from dse.study.result import load_study
    from models.checkpoint import is_shipped
    from models.registry import MODELS

    loaded = [load_study(study, storage) for study in studies]
    chosen = names or [name for name in MODELS if is_shipped(name, "edge")]
    reports = {name: measure_model(name, loaded) for name in chosen}
    tables = (
        (errors_table(reports), ("PER %", "rounding", *SHORT)),
        ([row for report in reports.values() for row in rows(report)], HEADERS),
    )
    short, full = (tabulate(table, headers, tablefmt="github", disable_numparse=True) for table, headers in tables)
    lines = [short, "", full]
    if not names:
        lines += ["", *findings(reports)]
    return "\n".join(lines)


def platforms(names: Sequence[str]) -> str:
    """Tables of each platform's bitwidths and of every constant of its model with unit, source and trust."""
    from platforms import PLATFORMS, describe, open_platform

    parts = []
    for name in names or PLATFORMS:
        platform = open_platform(name)
        pairs = platform.supported_bits
        bits = ", ".join(f"W{w}A{a}" for w, a in pairs) if len(pairs) <= 16 else f"{len(pairs)} widths up to 16 bit"
        delta = "exploited" if platform.exploits_computed else "ignored"
        tied = "tied" if platform.tied else "independent"
        parts.append(f"{name}: {bits}; weights and activations {tied}; eliminated operations {delta}")
        constants = [(c.name, c.value, c.unit, c.trust, c.source) for c in describe(platform)]
        parts.append(
            tabulate(constants, ("constant", "value", "unit", "trust", "source"), maxcolwidths=[30, 24, 16, 10, 60])
        )
        parts.append("")
    return "\n".join(parts)


def accounting(names: Sequence[str]) -> str:
    """Tables of where the papers count a paper-sized network differently from its true workload, and why."""
    from dse.reports.paper_accounting import counted, differences
    from models.registry import MODELS, preset

    parts = []
    for name in names or MODELS:
        workload = preset(name, "paper").workload()
        theirs = counted(workload)
        parts.append(
            f"{name} paper: papers {theirs.weights:,} weights, {theirs.macs_per_frame:,} MACs per frame; "
            f"true {workload.weights:,} and {workload.macs_per_frame:,}"
        )
        rows = [(d.what, d.papers, d.true, d.why) for d in differences(workload)]
        parts.append(
            tabulate(rows, ("what", "papers", "true", "why"), disable_numparse=True, maxcolwidths=[30, 14, 14, 70])
        )
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
