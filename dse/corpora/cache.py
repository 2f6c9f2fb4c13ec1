"""Cache folder of derived data, and atomic writes of files, so that no reader sees half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import platformdirs

from models.whole_file import whole_file


def cache_dir() -> Path:
    """Path of the user's cache folder of this tool, or `DSE_CACHE_DIR` if set. Safe to delete."""
    return Path(os.environ.get("DSE_CACHE_DIR") or platformdirs.user_cache_dir("dse"))


def make_folder(folder: Path) -> None:
    """Make a folder, and see that it takes files. Raises OSError naming it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(folder)) from error


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call `write` on a file that becomes `path` once it is whole; folders are made as needed."""
    with whole_file(path) as beside, beside.open("wb") as file:
        write(file)
