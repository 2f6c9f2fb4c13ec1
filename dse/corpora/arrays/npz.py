"""The arrays of one split in NumPy's .npz, checked against their own headers before they are read."""

from __future__ import annotations

import zipfile
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dse.corpora.arrays.content import Arrays, Index
from models.workload import InputError

KINDS = {"U": "text", "iu": "whole numbers", "fiu": "numbers"}  # by NumPy's codes
LAST_CHARACTER, SURROGATES = 0x10FFFF, (0xD800, 0xDFFF)  # Source: the Unicode standard, chapter 3.9


def index(where: str, file: BinaryIO) -> Index:
    """Index of the split in a file; messages call it `where`. Raises InputError, and what `files` takes for damage."""
    with zipfile.ZipFile(file) as archive:
        return _index(where, archive)


def arrays(where: str, file: BinaryIO) -> Arrays:
    """The split in a file; errors as of `index`."""
    with zipfile.ZipFile(file) as archive:
        return _arrays(where, archive)


def _index(where: str, archive: zipfile.ZipFile) -> Index:
    names = _texts(where, archive, "utterances")
    speakers = _texts(where, archive, "speakers", len(names)) if "speakers.npy" in archive.namelist() else None
    shape, _ = _header(where, archive, "features", "fiu")
    if len(shape) != 2 or not shape[1]:
        raise InputError(f"{where}: features are {list(shape)}; wanted are [frames, dimensions]")
    return Index(names, speakers, tuple(map(str, range(shape[1]))))


def _arrays(where: str, archive: zipfile.ZipFile) -> Arrays:
    index = _index(where, archive)
    utterances, there = len(index.names), archive.namelist()
    lengths = _array(where, archive, "lengths", "iu", (utterances,)).astype(np.int64)
    frames = _header(where, archive, "features", "fiu")[0][0]
    if (lengths < 0).any() or sum(lengths.tolist()) != frames:
        raise InputError(f"{where}: lengths sum to {sum(lengths.tolist())}, features have {frames} frames")
    labels = _texts(where, archive, "labels", utterances) if "labels.npy" in there else None
    targets = _array(where, archive, "targets", "iu", (frames,)) if "targets.npy" in there else None
    if labels is None and targets is None:
        raise InputError(f"{where}: there is neither labels (a text an utterance) nor targets (a label a frame)")
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and refused as such
        stored = _array(where, archive, "features", "fiu", (frames, len(index.columns)))
        features = stored.astype(np.float32, copy=False)
    return Arrays(index, features, lengths, labels, None if targets is None else targets.astype(np.int64))


def _texts(where: str, archive: zipfile.ZipFile, name: str, utterances: int | None = None) -> tuple[str, ...]:
    array = _array(where, archive, name, "U", None if utterances is None else (utterances,))
    if array.ndim != 1:
        raise InputError(f"{where}: {name} is {list(array.shape)}; wanted is a text an utterance")
    characters = array.astype(array.dtype.newbyteorder("=")).view(np.uint32) if array.nbytes else np.zeros(0, np.uint32)
    if ((characters > LAST_CHARACTER) | ((characters >= SURROGATES[0]) & (characters <= SURROGATES[1]))).any():
        raise InputError(f"{where}: {name} is damaged: it holds what is no character")
    return tuple(array.tolist())


def _array(where: str, archive: zipfile.ZipFile, name: str, kinds: str, shape: tuple[int, ...] | None) -> NDArray[Any]:
    """An array of the archive, of a type of KINDS. Raises InputError where it is absent or of another type or shape."""
    has, _ = _header(where, archive, name, kinds)
    if shape is not None and has != shape:
        raise InputError(f"{where}: {name} is {list(has)}, should be {list(shape)}")
    with archive.open(f"{name}.npy") as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _header(where: str, archive: zipfile.ZipFile, name: str, kinds: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array. Raises InputError where it is absent, of another type than `kinds`, or cut short."""
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError:
        has = ", ".join(sorted(each.removesuffix(".npy") for each in archive.namelist()))
        raise InputError(f"{where}: there is no array '{name}'; it has {has or 'none'}") from None
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise InputError(f"{where}: {name} is of version {version} of .npy, which is none")
        if version == (1, 0):
            shape, _, kind = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, kind = np.lib.format.read_array_header_2_0(file)
        holds = int(np.prod([int(size) for size in shape], dtype=object)) * kind.itemsize
        if kind.kind not in kinds:
            told = "Python objects" if kind.hasobject else str(kind)
            as_text = f": give np.array({name}, dtype=str)" if kinds == "U" else ""
            raise InputError(f"{where}: {name} holds {told}; wanted is {KINDS[kinds]}{as_text}")
        rest = member.file_size - file.tell()
    if min(shape, default=1) < 0 or holds != rest:
        raise InputError(f"{where}: {name} is damaged: {rest} bytes in place of {holds}")
    return tuple(int(size) for size in shape), kind
