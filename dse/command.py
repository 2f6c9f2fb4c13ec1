"""What the commands share: a parser that answers in one line, and lists as options."""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

EXIT_BAD_INPUT = 2
SETTINGS = "--settings"


class Parser(argparse.ArgumentParser):
    """Answers bad options with one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)


def from_settings_file(argv: Sequence[str]) -> list[str]:
    """The arguments, those of a `--settings FILE.toml` first, so that the command line's own win.

    Keys are options without the dashes, values as on the command line; lists are joined by commas, `true` is a flag.
    Raises ValueError naming the file and the key, FileNotFoundError where there is no file, OSError where it cannot be
    read.
    """
    finder = Parser(add_help=False, allow_abbrev=False)
    finder.add_argument(SETTINGS, type=Path)
    path = finder.parse_known_args(argv)[0].settings
    if path is None:
        return list(argv)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"no settings file at {path}") from None
    except OSError as error:
        raise OSError(f"settings file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"settings file {path} is not TOML: {error}") from error
    arguments = []
    for key, value in table.items():
        if isinstance(value, dict):
            raise ValueError(f"settings file {path}: [{key}] is a table; settings are plain keys, as in seed = 1")
        text = joined(value) if isinstance(value, list) else str(value)
        option = f"--{key.replace('_', '-')}"
        if value is not False:
            arguments += [option] if value is True else [f"{option}={text}"]
    return [*arguments, *argv]


def require_folder(folder: Path) -> None:
    """Raises ValueError where `folder` is not there and cannot be made, or not be written to.

    Called before the work whose result goes there.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ValueError(f"cannot write to the folder {folder}: {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"cannot write to the folder {folder}: no permission to write in {there}")


def require_file(file: Path) -> None:
    """Raises ValueError where `file` cannot be written, before the work that makes it."""
    if file.is_dir():
        raise ValueError(f"cannot write the file {file}: it is a folder")
    require_folder(file.parent)


def joined(items: Iterable[object]) -> str:
    """As an option takes several."""
    return ",".join(map(str, items))


def names(text: str) -> tuple[str, ...]:
    """'error,size' as ('error', 'size')."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def integers(text: str) -> tuple[int, ...]:
    """'2,4,8' as (2, 4, 8)."""
    try:
        return tuple(int(part) for part in names(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of whole numbers, as in 2,4,8") from None
