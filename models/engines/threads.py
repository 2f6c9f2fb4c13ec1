"""Threads of one computation."""

from __future__ import annotations

import os


def cpu_threads() -> int:
    """Threads that one computation may take: OMP_NUM_THREADS of them where that is a number, else one a core."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(int(asked) if asked.isdecimal() else os.cpu_count() or 1, 1)
