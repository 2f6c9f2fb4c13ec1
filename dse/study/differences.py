"""What differs between two identities, for messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHOWN_CHARACTERS = 80  # of a value in a message


def differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """'field: stored X, now Y' for every field that differs, nested fields joined by dots."""
    found = []
    for field in dict.fromkeys((*stored, *now)):
        before, after = stored.get(field), now.get(field)
        if isinstance(before, dict) or isinstance(after, dict):
            found += [f"{field}.{difference}" for difference in differences(before or {}, after or {})]
        elif before != after:
            first, second = _where_they_part(_shown(before), _shown(after))
            found.append(f"{field}: stored {first}, now {second}")
    return found


def _where_they_part(first: str, second: str) -> list[str]:
    """Two texts, cut to where they part if one of them is long, as the notes on a corpus are."""
    if max(len(first), len(second)) <= SHOWN_CHARACTERS:
        return [first, second]
    same = next((n for n, pair in enumerate(zip(first, second, strict=False)) if len(set(pair)) > 1), 0)
    start = max(0, same - SHOWN_CHARACTERS // 4)
    cut = []
    for text in (first, second):
        part = text[start : start + SHOWN_CHARACTERS]
        cut.append(f"{'…' if start else ''}{part}{'…' if len(text) > start + len(part) else ''}")
    return cut


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
