"""Page of the platforms: how to use them, what each supports, and every constant of its model. Markdown."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from inspect import cleandoc

from tabulate import tabulate

import platforms
from dse.reports.labels import joined
from platforms import PLATFORMS, Platform, describe, open_platform

HEAD = """\
# Platforms

`--platform` of `dse.search` adds a chip's `speedup`, `energy`, `energy_saving`, `cycles`, `latency` and `area` to the
objectives and its rules (widths, tied weights and activations, memory) to the constraints, checked before any
inference. [studies/sru-silago](../studies/sru-silago/README.md) shows such a search. This page is printed by `python
-m dse.report platforms`.

- `--platform silago:memory_limit_mib=6,bitfusion` prices several chips from one inference; objectives are then
  `silago.speedup`, `bitfusion.speedup` and so on. `bitfusion:level=ideal` sets a parameter; most constants below are
  parameters, too.
- `python -m dse.front --study NAME --platform loom --objectives error,loom.speedup` prices a finished study for any
  other platform in about a second, without running the network.
- A platform that takes one scale a matrix or symmetric activations only binds the whole search to such a scheme.
- Platforms that cannot skip eliminated operations ignore them; delta genes are searched only where an objective or
  limit gains from them, unless `--delta` asks for them.
- `--dry-run` with `--platform` shows what every matvec costs at 16 bit and, on a platform that chooses between ways,
  how it runs there; `report.html` shows that for 16 bit and for a point of the front.
- **Your own chip** is a TOML file: copy [example_chip.toml](example_chip.toml), where every key is explained, and
  pass `--platform my_chip.toml`. `python -m dse.report platforms my_chip.toml` prints it as below."""
TRUST = """\
Constants say how far they can be trusted. read: in the named source; derived: by arithmetic from what was read;
recalled: from memory of the source, to be checked before it is quoted; assumed: no source, a placeholder; set: given
when the platform is opened."""
MOST_PAIRS = 16  # that are written out


def page(names: Sequence[str] = ()) -> str:
    """The page; of `names`, the platforms' own parts alone. Raises InputError as `open_platform` does."""
    chosen = [open_platform(name) for name in names or PLATFORMS]
    parts = [] if names else [HEAD, _overview(chosen), TRUST]
    family = None
    for platform in chosen:
        parts.append(f"## {platform.name}")
        module = sys.modules[type(platform).__module__]
        if module is not family:
            parts.append(_told(module.__doc__))
        family = module
        parts += [_told(type(platform).__doc__), _abilities(platform), _constants(platform)]
    if not names:
        parts.append("## Adding a platform\n\n" + _told(platforms.__doc__).partition("To add a platform:\n")[2])
    return "\n\n".join(parts)


def _overview(chosen: Sequence[Platform]) -> str:
    rows = [
        (
            f"[{platform.name}](#{platform.name})",
            _bits(platform),
            "tied" if platform.tied else "independent",
            "exploited" if platform.exploits_computed else "ignored",
            "row" if platform.row_scales else "matrix",
            "yes" if platform.zero_points else "no",
        )
        for platform in chosen
    ]
    headers = ("platform", "bits", "weights and activations", "eliminated operations", "scales by", "zero points")
    return str(tabulate(rows, headers, tablefmt="github"))


def _abilities(platform: Platform) -> str:
    delta = "exploited" if platform.exploits_computed else "ignored"
    tied = "tied" if platform.tied else "independent"
    return f"{_bits(platform)}; weights and activations {tied}; eliminated operations {delta}."


def _bits(platform: Platform) -> str:
    pairs = platform.supported_bits
    if len(pairs) <= MOST_PAIRS:
        return ", ".join(f"W{weight_bits}A{act_bits}" for weight_bits, act_bits in pairs)
    return f"{len(pairs)} pairs of {joined(sorted({bits for pair in pairs for bits in pair}))} bit"


def _constants(platform: Platform) -> str:
    """A table whose last column, the sources, is not padded: a terminal then breaks no line but those that are long."""
    rows = [(c.name, _number(c.value), c.unit, c.trust, c.source) for c in describe(platform)]
    headers = ("constant", "value", "unit", "trust", "source")
    table = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    return re.sub(r"(?m) +\|$", " |", re.sub(r"(?m)-+\|$", "---|", table))


def _number(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _told(docstring: str | None) -> str:
    """A docstring for readers of the page: without what is raised."""
    return cleandoc(docstring or "").partition("Raises ")[0].strip()
