"""Addresses of storages, and names of studies; memory while one is read."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.workload import InputError

SQLITE = "sqlite:///"
DEFAULT_STORAGE = f"{SQLITE}studies/dse.db"


class StoreError(InputError):
    """The storage cannot be opened, read or written."""


def require_address(url: str) -> None:
    """Raises StoreError on a storage that is no address, or that keeps nothing."""
    if "://" not in url:
        raise StoreError(f"cannot open the storage {url}: it is no address; for a file write {SQLITE}{url or 'FILE'}")
    if re.fullmatch(r"sqlite(\+\w+)?://(/(:memory:)?)?(\?.*)?", url):
        raise StoreError(f"the storage {url} keeps nothing; for a file write {SQLITE}FILE")


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite storage; None for other databases, and for a file with parameters of its own."""
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) and "?" not in url else None


def require_study_name(name: str) -> None:
    """Raises InputError on a study's name that is not a folder's, as its results go to a folder named so."""
    if name in ("", ".", "..") or re.search(r"[/\\\0]", name):
        raise InputError(f"study '{name}' is not the name of a folder: it goes without / and \\, and is not . or ..")


def hide_password(url: str) -> str:
    """The address of a storage as messages may tell it."""
    return re.sub("([?&]password=)[^&]*", r"\1***", re.sub("(://[^/:@]*:).*@", r"\1***@", url))


def make_directory(url: str) -> None:
    """Make the folder of an SQLite storage's file. Raises StoreError where it cannot be made."""
    if file := sqlite_file(url):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the directory of {url}: {error.strerror}") from error


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep Python from looking for garbage: rows of a long study are many small objects, and none of them is."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
