"""Readers of Kaldi's tables (one line an entry) and of the arrays in .ark files that .scp tables point at."""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.phones.text import read_lines
from models.workload import InputError

LARGEST = 2**31 - 1  # number that an int32 holds
SHOWN_CHARACTERS = 80  # of a line in a message


@dataclass(frozen=True)
class Ark:
    """Place of one array: file and offset."""

    path: Path
    offset_bytes: int


@dataclass(frozen=True)
class Line:
    """Words after the key of a table's line, and where it is."""

    path: Path
    number: int
    words: tuple[str, ...]

    def integers(self) -> NDArray[np.int32]:
        """Whole numbers of the line, in brackets or not. Raises InputError naming file, line and the layout wanted."""
        words = " ".join(self.words).removeprefix("[").removesuffix("]").split()
        text = "".join(self.words)
        if text.startswith("[") != text.endswith("]"):
            raise self._wrong("a bracket lacks the other")
        for word in words:
            if not (word.isdecimal() and int(word) <= LARGEST):
                raise self._wrong(f"'{word}' is not a number of 0 or more")
        return np.array([int(word) for word in words], np.int32)

    def _wrong(self, what: str) -> InputError:
        return InputError(
            f"{self.path} line {self.number}: {what}; wanted is a line an utterance, 'utterance pdf-id pdf-id ...', as "
            "copy-int-vector ark:ALI.ark ark,t:ali.txt writes it"
        )


def read_rows(path: Path) -> dict[str, Line]:
    """Read a table: what stands after the key of each line. Raises InputError for a key given twice."""
    table: dict[str, Line] = {}
    for number, line in enumerate(read_lines(path), 1):
        if words := line.split():
            if words[0] in table:
                raise InputError(f"{path} line {number}: '{words[0]}' is there twice")
            table[words[0]] = Line(path, number, tuple(words[1:]))
    return table


def read_table(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a table: key and words of each line. Raises InputError for a key given twice."""
    return {key: line.words for key, line in read_rows(path).items()}


def read_scp(path: Path) -> dict[str, Ark]:
    """Read an .scp table: the array's place by key.

    Raises InputError for anything but `key file:offset`: commands and ranges are not followed.
    """
    table = {}
    for key, words in read_table(path).items():
        place = " ".join(words)
        file, _, offset = place.rpartition(":")
        if not file or not offset.isdecimal() or "|" in place:
            raise InputError(
                f"{path}: '{key} {place}' is not 'key file.ark:offset'; write it with copy-feats or "
                "copy-int-vector ... ark,scp:OUT.ark,OUT.scp"
            )
        beside = path.parent / file
        try:
            found = beside if beside.exists() and not Path(file).exists() else Path(file)
        except (OSError, ValueError) as error:  # no name that a file can have
            raise InputError(
                f"{path}: '{key} {place[:SHOWN_CHARACTERS]}': {getattr(error, 'strerror', None) or error}"
            ) from None
        table[key] = Ark(found, int(offset))
    return table


def read_ark(ark: Ark, dimensions: int) -> NDArray[Any]:
    """Read the array at that place.

    Raises InputError unless it is a binary array of Kaldi's with so many dimensions, OSError where the file cannot be
    read.
    """
    from kaldiio.matio import read_kaldi

    with ark.path.open("rb") as file:
        file.seek(ark.offset_bytes)
        # kaldiio would also load a pickle or sound from here.
        if file.read(2) != b"\0B":
            raise InputError(f"no binary Kaldi array in '{ark.path}' at byte {ark.offset_bytes}")
        file.seek(ark.offset_bytes)
        try:
            array = np.asarray(read_kaldi(file))
        except (ValueError, AssertionError, IndexError, MemoryError, OverflowError, struct.error, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:  # a seek to before the file's start
                raise
            reason = "it claims more than memory holds" if isinstance(error, MemoryError) else error
            raise InputError(f"damaged array in '{ark.path}' at byte {ark.offset_bytes} ({reason})") from None
    if array.ndim != dimensions:
        raise InputError(f"array of {array.ndim} dimensions in '{ark.path}', {dimensions} expected")
    return array
