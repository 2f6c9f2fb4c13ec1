"""Groups of matvecs that genes are about: those of a layer and path, and the paths that may be skipped."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from models.workload import Workload

BIT_GROUPS = {
    "input": "input",
    "recurrent": "recurrent",
    "candidate": "recurrent",
    "projection": "projection",
    "output": "output",
}
DELTA_GROUPS = {**BIT_GROUPS, "projection": "input"}


def groups(workload: Workload, by_path: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Matvec names by 'layer.group', in the workload's order. The output layer's group is just 'output'."""
    found: dict[str, tuple[str, ...]] = {}
    for matvec in workload:
        group = by_path[matvec.path]
        label = group if matvec.path == "output" else f"{matvec.layer}.{group}"
        found[label] = (*found.get(label, ()), matvec.name)
    return found


def free_paths(workload: Workload, always_skipped: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """What skip genes decide on: the candidate gates' recurrent paths that are not always skipped, layer by layer.

    A path is a matvec, or one of each direction where these have matrices of their own.
    """
    found: dict[str, list[str]] = {}
    for m in workload:
        if m.path == "candidate" and m.name not in always_skipped:
            found.setdefault(m.layer, []).append(m.name)
    return tuple(map(tuple, found.values()))
