"""List of the constants of a platform's model, as pages show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields

from platforms.base import Constant, Platform


def describe(platform: Platform) -> list[Constant]:
    """List every constant of the platform's model with unit, source and trust; a changed one is marked as set."""
    rows = []
    for item in fields(platform):
        if "unit" not in item.metadata:
            continue
        value = getattr(platform, item.name)
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        about = dict(item.metadata)
        if value != default:
            about.update(source="given when the platform was opened", trust="set")
        if not isinstance(value, Mapping):
            rows.append(Constant(item.name, value, **about))
            continue
        for key, number in value.items():
            label = "x".join(map(str, key)) if isinstance(key, tuple) else str(key)
            rows.append(Constant(f"{item.name}[{label}]", number, **about))
    return [*rows, *platform.derived_constants()]
