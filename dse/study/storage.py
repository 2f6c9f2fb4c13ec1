"""Addresses of storages."""

from __future__ import annotations

import re

SQLITE = "sqlite:///"
DEFAULT_STORAGE = f"{SQLITE}studies/dse.db"


def hide_password(url: str) -> str:
    """The address of a storage as messages may tell it."""
    return re.sub("([?&]password=)[^&]*", r"\1***", re.sub("(://[^/:@]*:).*@", r"\1***@", url))
