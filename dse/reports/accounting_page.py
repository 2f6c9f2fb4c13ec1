"""Page of what the papers count otherwise than a network's true workload, beside it."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from dse.reports.paper_accounting import counted, differences
from models.registry import MODELS, preset


def page(names: Sequence[str] = ()) -> str:
    """Tables of where the papers count a paper-sized network differently from its true workload, and why."""
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
