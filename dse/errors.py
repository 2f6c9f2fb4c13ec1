"""How a command says that its input is bad: one line on stderr, exit status 2, no traceback."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

EXIT_INTERRUPTED = 130
P = ParamSpec("P")


def one_line_errors(command: Callable[P, int]) -> Callable[P, int]:
    """Turns ValueError and OSError of a command's main function into that line and that status."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            print("interrupted; the same command starts or goes on again", file=sys.stderr)
            return EXIT_INTERRUPTED
        except BrokenPipeError:  # whoever read the output, `head` perhaps, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except (ValueError, OSError) as error:
            print("error: " + " ".join(_text(error).split()), file=sys.stderr)
            return 2

    return wrapped


def _text(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def first_line(error: BaseException) -> str:
    """Of an error's text, or its kind where it has none."""
    return (str(error) or type(error).__name__).splitlines()[0]
