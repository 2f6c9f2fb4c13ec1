"""Files that are written whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Path of a new file beside `path` that takes its place at the end; folders are made as needed.

    Until then, and for ever where the writing fails, `path` is as it was. The new file has the suffix of `path`, by
    which some writers choose a format, a name that no user's file has, and the permissions of any new file, whatever
    its writer sets. Raises OSError naming `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    try:
        beside.touch(exist_ok=False)
        mode = beside.stat().st_mode
        yield beside
        beside.chmod(mode)
        beside.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        beside.unlink(missing_ok=True)
