"""SQLite databases locked, damaged, removed, read-only, on a full disk."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from harm.search import MissingForFaultError, Search

UNDER_WAY = 8  # evaluations before the harm is done
PAGE_BYTES = 4096
HALF_A_SEARCH_KIB = 360  # in a database of its own
ROOT = 0


def locked(search: Search, seconds: float) -> int:
    """Another program locks the database."""
    search.start()
    search.wait_for(UNDER_WAY)
    with closing(sqlite3.connect(search.database, isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
    search.end()
    search.finish()
    return 1


def truncated(search: Search) -> int:
    _harmed(search, lambda path: os.truncate(path, path.stat().st_size // PAGE_BYTES // 2 * PAGE_BYTES))
    search.finish()
    return 1


def page_zeroed(search: Search, times: int = 5) -> int:
    """Any page but the first, which holds the header."""

    def zero(path: Path) -> None:
        page = search.random.randrange(1, path.stat().st_size // PAGE_BYTES)
        with path.open("r+b") as file:
            file.seek(page * PAGE_BYTES)
            file.write(bytes(PAGE_BYTES))

    for _ in range(times):
        _harmed(search, zero)
        search.begin_anew()
    return times


def removed(search: Search) -> int:
    _harmed(search, Path.unlink)
    search.finish()
    return 1


def _harmed(search: Search, harm: Callable[[Path], object]) -> None:
    search.start()
    search.wait_for(UNDER_WAY)
    search.account()
    harm(search.database)
    search.end()
    search.account()


def read_only(search: Search) -> int:
    """Killed, and started again where nothing can be written; then it can be again."""
    folder = search.database.parent
    folder.mkdir()
    mounted = _mount(folder, "64m")
    if not mounted and os.getuid() == ROOT:
        raise MissingForFaultError("root writes everywhere, and may not mount a file system here")
    try:
        search.start()
        search.wait_for(UNDER_WAY)
        search.kill()
        search.account()
        _set_writable(folder, mounted, False)
        search.start()
        search.end()
        search.account()
        _set_writable(folder, mounted, True)
        search.finish()
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)
    return 1


def _set_writable(folder: Path, mounted: bool, writable: bool) -> None:
    if mounted:
        subprocess.run(["mount", "-o", f"remount,{'rw' if writable else 'ro'}", folder], check=True)
        return
    for path in (*folder.iterdir(), folder):
        path.chmod(0o700 if writable else 0o500)


def disk_full(search: Search) -> int:
    """A small file system, or where none may be mounted a bound on the size of files; then there is room again."""
    folder = search.database.parent
    folder.mkdir()
    mounted = _mount(folder, f"{HALF_A_SEARCH_KIB}k")
    try:
        process = search.start()
        if not mounted:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (HALF_A_SEARCH_KIB << 10,) * 2)
        search.wait_for(UNDER_WAY)
        search.account()
        search.end()
        search.account()
        if mounted:
            subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
        search.finish()
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)
    return 1


def _mount(folder: Path, size: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    with suppress(OSError):
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False
