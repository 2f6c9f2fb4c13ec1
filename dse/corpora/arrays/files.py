"""The folder of users' own arrays: labels, and a file for each split, in NumPy's .npz or Parquet."""

from __future__ import annotations

import errno
import lzma
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import BinaryIO, TypeVar

from dse.corpora.arrays import npz, parquet
from dse.corpora.arrays.content import Arrays, Index
from dse.corpora.base import SPLITS
from dse.phones.greedy import check_labels
from dse.phones.text import read_lines
from models.workload import InputError, MissingError

LABELS = "labels.txt"
NEEDED = f"{LABELS}, train.npz and validation.npz (or .parquet)"
READERS = {".npz": npz, ".parquet": parquet}
# What zipfile, zlib, NumPy and pyarrow raise on a damaged file, besides OSError.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError, TypeError,
    KeyError, IndexError, SyntaxError, tokenize.TokenError, OverflowError, MemoryError, struct.error,
)  # fmt: skip
Read = TypeVar("Read")


def read_index(path: Path) -> Index:
    """Read a split's index without its features. Raises as `read_arrays` does."""
    return _read(path, READERS[path.suffix].index)


def read_arrays(path: Path) -> Arrays:
    """Read all of a split.

    Raises InputError where the file is damaged, lacks an array or has some that do not fit one another, OSError where
    it cannot be read.
    """
    return _read(path, READERS[path.suffix].arrays)


def _read(path: Path, read: Callable[[str, BinaryIO], Read]) -> Read:
    damage: Exception
    with path.open("rb") as file:
        try:
            return read(path.name, file)
        except InputError:
            raise
        except OSError as error:
            if error.errno not in (None, errno.EINVAL):  # a seek to before the file's start
                raise
            damage = error
        except DAMAGED as error:
            damage = error
    told = " ".join(str(damage).split())[:200] or type(damage).__name__
    raise InputError(f"{path.name} is no {path.suffix} file, or damaged: {told}")


def files_of(root: Path) -> dict[str, Path]:
    """File of each split that is there, in the order of SPLITS. A link to nowhere is there, and damaged.

    Raises MissingError where labels, train or validation are missing, InputError where a split has two files.
    """
    if not (root / LABELS).is_file():
        raise MissingError(f"arrays: no '{root / LABELS}', a label a line; the corpus needs {NEEDED}")
    found = {}
    for split in SPLITS:
        there = [root / f"{split}{suffix}" for suffix in READERS if os.path.lexists(root / f"{split}{suffix}")]
        if len(there) > 1:
            raise InputError(f"arrays: '{root}' has both {' and '.join(path.name for path in there)}; leave one out")
        if there:
            found[split] = there[0]
        elif split != "test":
            raise MissingError(f"arrays: no {split}.npz (or .parquet) in '{root}'; the corpus needs {NEEDED}")
    return found


def read_labels(path: Path) -> tuple[str, ...]:
    """Read labels, a line each. Raises InputError for a line that is none, or is there twice."""
    lines = read_lines(path)
    while lines and not lines[-1].strip():
        lines.pop()
    labels = tuple(line.strip() for line in lines)
    try:
        check_labels(labels)
    except InputError as error:
        raise InputError(f"arrays: {path}: {error}") from None
    return labels


def check_together(indices: Mapping[str, Index]) -> None:
    """Check that splits share no speaker and no utterance, and have features of one kind.

    Raises InputError naming what differs or is shared.
    """
    told = {split: index.speakers is not None for split, index in indices.items()}
    if len({*told.values()}) > 1:
        having, lacking = (" and ".join(split for split in told if told[split] == has) for has in (True, False))
        raise InputError(f"arrays: {having} has speakers, {lacking} has none; give them to all splits, or to none")
    for one, other in combinations(indices, 2):
        if both := sorted({*indices[one].names} & {*indices[other].names}):
            raise InputError(f"arrays: utterance {both[0]} is in {one} and in {other}; splits must share none")
        if both := sorted({*indices[one].spoken_by} & {*indices[other].spoken_by}):
            raise InputError(f"arrays: speaker {both[0]} is in {one} and in {other}; splits must share no speaker")
        mine, theirs = indices[one].columns, indices[other].columns
        if len(mine) != len(theirs):
            raise InputError(f"arrays: {len(mine)} features a frame in {one}, {len(theirs)} in {other}")
        if differ := [pair for pair in zip(mine, theirs, strict=True) if pair[0] != pair[1]]:
            raise InputError(
                f"arrays: feature '{differ[0][0]}' in {one} is '{differ[0][1]}' in {other}; columns must have one order"
            )
