"""Short words for settings, configurations and numbers."""

from __future__ import annotations

from collections.abc import Iterable

from models.workload import Configuration, Setting

LARGE, SMALL = 1e3, 1e-2  # beyond these a number is written with all its digits, or only the first


def label(setting: Setting) -> str:
    """Label of a setting: 'W4A8', with 'd16' for a delta threshold of 16 steps; 'skip' for a path left at 16 bit."""
    bits = "skip" if setting.skip else f"W{setting.weight_bits}A{setting.act_bits}"
    return f"{bits}d{setting.delta}" if setting.delta else bits


def group_of(matvec: str) -> str:
    """Group of matvecs that share genes: 'l1.recurrent' of 'l1.recurrent_f' and of 'l1.candidate'."""
    return matvec.partition("_")[0].replace("candidate", "recurrent")


def labels(configuration: Configuration) -> dict[str, str]:
    """A label for each group of matvecs that share genes, see `group_of`.

    'W4A8+skip' is a group of which a part is skipped.
    """
    found: dict[str, list[str]] = {}
    for name, setting in configuration:
        known = found.setdefault(group_of(name), [])
        if label(setting) not in known:
            known.append(label(setting))
    return {group: "+".join(known) for group, known in found.items()}


def describe(configuration: Configuration) -> str:
    """Labels of a configuration in one line: 'l0.input W8A8 · output W4A8d16'."""
    return " · ".join(f"{group} {text}" for group, text in labels(configuration).items())


def short_number(value: float | None) -> str:
    """Write a number with two or three decimals, a large one with none, a small one with its first digits."""
    if value is None:
        return "–"
    if abs(value) >= LARGE:
        return f"{value:,.0f}"
    if 0 < abs(value) < SMALL:
        return f"{value:.3g}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def joined(items: Iterable[object]) -> str:
    """Join several values as an option takes them."""
    return ",".join(map(str, items))
