"""Tables about models and platforms: `python -m dse.report models`, `python -m dse.report platforms`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tabulate import tabulate

from dse.command import Parser
from dse.errors import one_line_errors


@one_line_errors
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    print(models(options.names) if options.what == "models" else platforms(options.names))
    return 0


def parser() -> argparse.ArgumentParser:
    result = Parser(prog="python -m dse.report", description=__doc__)
    result.add_argument("what", choices=("models", "platforms"))
    result.add_argument("names", nargs="*", help="only these; default all")
    return result


def models(names: Sequence[str]) -> str:
    """Error, size and operations of uniform configurations per model, and the papers' findings against them."""
    from dse.model_report import findings, measure_model, rows
    from models.registry import MODELS

    reports = {name: measure_model(name) for name in names or MODELS}
    headers = ("model", "configuration", "skip", "PER %", "Δ", "size MiB", "×16 bit", "% off float", "eliminated %")
    lines = [
        tabulate(
            [row for report in reports.values() for row in rows(report)],
            headers,
            tablefmt="github",
            disable_numparse=True,
        )
    ]
    if set(reports) == set(MODELS):
        lines += ["", *findings(reports)]
    return "\n".join(lines)


def platforms(names: Sequence[str]) -> str:
    """What each platform supports, and every constant of its model with unit, source and trust."""
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


if __name__ == "__main__":
    sys.exit(main())
