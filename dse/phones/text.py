"""Text files that a user brings."""

from __future__ import annotations

from pathlib import Path

from models.workload import InputError


def read_lines(path: Path) -> list[str]:
    """Read the lines of a file in UTF-8, whatever the locale, without a byte-order mark.

    Raises InputError naming a file that is not text.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file in UTF-8: {error.reason} at byte {error.start}") from error
