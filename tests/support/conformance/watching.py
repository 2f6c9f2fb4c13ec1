"""Files that are opened meanwhile, and such as the system does not give."""

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_watched: list[tuple[Path, list[Path]]] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _watched and isinstance(arguments[0], str | Path):
        folder, opened = _watched[-1]
        path = Path(arguments[0])
        if path.is_absolute() and path.is_relative_to(folder):
            opened.append(path)


sys.addaudithook(_note)  # Python keeps it for good; it notes nothing unless something is watched


@contextlib.contextmanager
def opened_in(folder: Path) -> Iterator[list[Path]]:
    """The files of a folder that are opened meanwhile."""
    _watched.append((folder, []))
    try:
        yield _watched[-1][1]
    finally:
        _watched.pop()


@contextlib.contextmanager
def refused(path: Path) -> Iterator[None]:
    """The system refuses to open one file."""
    real = io.open

    def opening(file: object, *arguments: object, **more: object) -> object:
        if Path(str(file)) == path:
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *arguments, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("io.open", opening)  # what pathlib calls
        yield
