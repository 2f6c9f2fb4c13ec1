"""Common parts of the commands: a parser and errors that answer in one line, settings files, lists as options."""

from __future__ import annotations

import argparse
import difflib
import functools
import io
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

from models.workload import InputError, MissingError

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
SETTINGS = "--settings"
FIRST_STUDY = "sru-edge-b73e1882"  # of the README's first command, which examples of other commands go on with
FLAGS = ("--skip-bad", "--dry-run", "--list")  # the options without a value
P = ParamSpec("P")


class Parser(argparse.ArgumentParser):
    """Parser that answers bad options with one line, without the usage. A list may begin with a minus: --delta -1,4.

    Options are written out: a settings file's misspelt key is no abbreviation of another. Help begins with `example`, a
    command that runs.
    """

    def __init__(self, *, example: str, **given: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **given})
        self.example = example
        self.register("type", Path, _path)

    def format_help(self) -> str:
        return f"example: {self.example}\n\n{super().format_help()}"

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse arguments; a number after an option is its value, which argparse sees in lone numbers only."""
        return super().parse_known_args(_joined(sys.argv[1:] if args is None else args), namespace)

    def parse_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse arguments; an unknown option names the nearest valid one."""
        options, unknown = self.parse_known_args(args, namespace)
        for argument in unknown:
            name = argument.partition("=")[0]
            if re.match("--?[A-Za-z]", name):
                self.error(f"unknown option {name}{nearest(name, self.options)}")
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options

    @property
    def options(self) -> tuple[str, ...]:
        """Options as they are written, --help left out; those of commands below this one too."""
        below = (a.choices.values() for a in self._actions if isinstance(a, argparse._SubParsersAction))
        own = [name for a in self._actions for name in a.option_strings if name not in ("-h", "--help")]
        return (*own, *(name for parsers in below for parser in parsers for name in parser.options))

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)


def _path(text: str) -> Path:
    """A path; none is empty, as a shell's variable that is not set is, and would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("its value is empty")
    return Path(text)


def _joined(arguments: Sequence[str]) -> list[str]:
    """Arguments with each value that begins with a minus and a digit joined to its option: '--delta=-1,4'."""
    joined: list[str] = []
    for argument in arguments:
        option = joined[-1] if joined else ""
        if re.match(r"-\d", argument) and re.fullmatch(r"--[\w-]+", option):
            joined[-1] = f"{option}={argument}"
        else:
            joined.append(argument)
    return joined


def nearest(name: str, valid: Sequence[str]) -> str:
    """End of a message on an unknown name: the valid one that is nearest, or where the valid ones are told."""
    near = difflib.get_close_matches(name, valid, 1)
    return f"; {near[0]}?" if near else "; --help shows all"


def one_line_errors(command: Callable[P, int]) -> Callable[P, int]:
    """Decorate a command's main function: errors that a user can mend become one line on stderr and exit status 2.

    These are InputError, and OSError: the system's errors of files, disks and connections. Any other error is a bug and
    keeps its traceback. Characters that the terminal's encoding lacks are printed as question marks.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> int:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            print("interrupted; the same command starts or goes on again", file=sys.stderr)
            return EXIT_INTERRUPTED
        except BrokenPipeError:  # the reader of the output, such as `head`, has closed it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except (InputError, OSError) as error:
            print("error: " + " ".join(_text(error).split()), file=sys.stderr)
            return EXIT_BAD_INPUT

    return wrapped


def _text(error: InputError | OSError) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
        from dse.corpora.cache import cache_dir

        if Path(os.fsdecode(error.filename)).is_relative_to(cache_dir()):
            text += "; DSE_CACHE_DIR names another folder for what is derived"
    return text


def from_settings_file(argv: Sequence[str], parser: Parser) -> list[str]:
    """Put the options of a `--settings FILE.toml` before the arguments, so that those of the command line win.

    Keys are options of `parser` without the dashes, values as on the command line; lists are joined by commas. `true`
    is a flag, or `on`, and `false` no flag, or `off`.
    Raises MissingError without the file, InputError naming the file, and the key where it is unknown or has a table.
    """
    finder = Parser(example="", add_help=False)
    finder.add_argument(SETTINGS, type=Path)
    path = finder.parse_known_args(argv)[0].settings
    if path is None:
        return list(argv)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise MissingError(f"no settings file at {path}") from None
    except OSError as error:
        raise InputError(f"settings file {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # also of numbers too long, and tables too deep
        raise InputError(f"settings file {path} is not TOML: {error}") from error
    return [*arguments_of(table, parser, f"settings file {path}"), *argv]


def arguments_of(table: Mapping[str, Any], parser: Parser, where: str) -> list[str]:
    """Options of a settings file's table as arguments of a command. Raises InputError that begins with `where`."""
    arguments = []
    for key, value in table.items():
        if isinstance(value, dict):
            raise InputError(f"{where}: [{key}] is a table; settings are plain keys, as in seed = 1")
        option = f"--{key.replace('_', '-')}"
        if option == SETTINGS:
            raise InputError(f"{where}: settings files name no others; leave out {key}")
        if option not in parser.options:
            valid = [name.removeprefix("--").replace("-", "_") for name in parser.options if name != SETTINGS]
            raise InputError(f"unknown setting '{key}' in {where}{nearest(key.replace('-', '_'), valid)}")
        if isinstance(value, bool):
            value = "on" if value else "off"
            if option in FLAGS:
                arguments += [option] if value == "on" else []
                continue
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        arguments.append(f"{option}={text}")
    return arguments


def require_folder(folder: Path) -> None:
    """Check that `folder` can be made or written to, before the work whose result goes there; it is not made yet.

    Raises InputError where it cannot.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"cannot write to the folder {folder}: {there} is a file")
    try:  # by writing, as permissions alone do not tell of read-only or full disks
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"x")
    except OSError as error:
        raise InputError(f"cannot write to the folder {folder}: {error.strerror} in {there}") from error


def require_file(file: Path, *read: Path | None) -> None:
    """Check that `file` can be written, before the work whose result it holds, and is none of those that are read.

    Raises InputError where it cannot or is.
    """
    if file.is_dir():
        raise InputError(f"cannot write the file {file}: it is a folder")
    if any(other is not None and file.resolve() == other.resolve() for other in read):
        raise InputError(f"cannot write the file {file}: it is what is read; give another name")
    require_folder(file.parent)


def moved(options: argparse.Namespace) -> dict[str, Any]:
    """Where checkpoint and corpus are now, if --checkpoint and --corpus-path say."""
    return {name: value for name in ("checkpoint", "corpus_path") if (value := getattr(options, name)) is not None}


def names(text: str) -> tuple[str, ...]:
    """Split a list of names: 'error,size' gives ('error', 'size')."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def on_or_off(text: str) -> bool:
    """Parse a switch. Raises argparse.ArgumentTypeError for anything but on and off."""
    if text not in ("on", "off"):
        raise argparse.ArgumentTypeError(f"'{text}' is neither on nor off")
    return text == "on"


def integers(text: str) -> tuple[int, ...]:
    """Parse a list of integers: '2,4,8' gives (2, 4, 8). Raises argparse.ArgumentTypeError for anything else."""
    try:
        return tuple(int(part) for part in names(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of whole numbers, as in 2,4,8") from None
