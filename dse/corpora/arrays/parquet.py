"""The table of one split in Parquet: a row a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dse.corpora.arrays.content import Arrays, Index
from models.workload import InputError

UTTERANCE, SPEAKER, LABELS, TARGET = "utterance", "speaker", "labels", "target"  # columns besides features
TEXTS = (UTTERANCE, SPEAKER, LABELS)
NAMED = (*TEXTS, TARGET)


def index(where: str, file: BinaryIO) -> Index:
    """Index of the split in a file; messages call it `where`. Raises InputError, and what `files` takes for damage."""
    return _read(where, file, features=False).index


def arrays(where: str, file: BinaryIO) -> Arrays:
    """The split in a file; errors as of `index`."""
    return _read(where, file, features=True)


def _read(where: str, file: BinaryIO, features: bool) -> Arrays:
    """Without `features` these stay empty, and neither labels nor targets are read."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise InputError(f"{where}: Parquet needs the package pyarrow: pip install pyarrow") from None
    content = parquet.ParquetFile(file, page_checksum_verification=True)
    columns: list[str] = content.schema_arrow.names
    _check_columns(where, content.schema_arrow)
    wanted = columns if features else [name for name in columns if name in (UTTERANCE, SPEAKER)]
    table = content.read(columns=wanted, use_threads=False)
    return _of_table(where, table, [name for name in columns if name not in NAMED], features)


def _check_columns(where: str, schema: Any) -> None:
    """Check columns and their types. Raises InputError naming the first that does not fit."""
    from pyarrow import types

    if UTTERANCE not in schema.names:
        raise InputError(f"{where}: there is no column '{UTTERANCE}'; it has {', '.join(schema.names)}")
    if LABELS not in schema.names and TARGET not in schema.names:
        raise InputError(f"{where}: there is neither labels (a text an utterance) nor target (a label a frame)")
    if len(set(schema.names)) != len(schema.names):
        raise InputError(f"{where}: a column is there twice")
    fields = {field.name: field.type for field in schema}
    if index := [name for name in fields if name.startswith("__index_level_")]:
        raise InputError(f"{where}: column '{index[0]}' is pandas' index, no feature: write it with index=False")
    if not fields.keys() - {*NAMED}:
        raise InputError(f"{where}: there is no feature: every column but those named is one")
    for name, kind in fields.items():
        if name in TEXTS:
            texts = kind.value_type if types.is_dictionary(kind) else kind
            fits = types.is_string(texts) or types.is_large_string(texts)
        else:
            fits = types.is_integer(kind) or (name != TARGET and types.is_floating(kind))
        if not fits:
            wanted = "text" if name in TEXTS else "a whole number" if name == TARGET else "a number"
            raise InputError(f"{where}: column '{name}' holds {kind}; wanted is {wanted}")


def _of_table(where: str, table: Any, columns: Sequence[str], features: bool) -> Arrays:
    rows = table.num_rows
    codes, values = _coded(where, table, UTTERANCE)
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    lengths = np.diff(starts, append=rows)
    names = tuple(values[code] for code in codes[starts].tolist())
    unlike: set[int] = set()

    def of_utterances(column: str) -> tuple[str, ...]:
        mine, texts = _coded(where, table, column)
        changes = np.flatnonzero(np.diff(mine)) + 1
        inside = changes[~np.isin(changes, starts)]
        unlike.update((np.searchsorted(starts, inside, side="right") - 1).tolist())
        return tuple(texts[code] for code in mine[starts].tolist())

    speakers = of_utterances(SPEAKER) if SPEAKER in table.column_names else None
    index = Index(names, speakers, tuple(columns))
    if not features:
        return Arrays(index, np.zeros((0, 0), np.float32), lengths, None, None)
    labels = of_utterances(LABELS) if LABELS in table.column_names else None
    matrix = np.empty((rows, len(columns)), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for place, column in enumerate(columns):
            matrix[:, place] = table.column(column).to_numpy()
    targets = None
    if TARGET in table.column_names:
        if table.column(TARGET).null_count:
            raise InputError(f"{where}: column '{TARGET}' lacks values")
        targets = table.column(TARGET).to_numpy().astype(np.int64)
    return Arrays(index, matrix, lengths, labels, targets, frozenset(unlike))


def _coded(where: str, table: Any, column: str) -> tuple[NDArray[np.int64], list[str]]:
    """Texts of a column as codes [rows], and the text of each code."""
    chunks = table.column(column)
    if chunks.null_count:
        raise InputError(f"{where}: column '{column}' lacks values")
    if not table.num_rows:
        return np.zeros(0, np.int64), []
    coded = chunks.unify_dictionaries() if hasattr(chunks.type, "value_type") else chunks.dictionary_encode()
    coded = coded.combine_chunks()
    if hasattr(coded, "num_chunks"):
        coded = coded.chunk(0)
    codes, texts = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary.to_pylist()
    # A dictionary may hold a text twice.
    place = {text: number for number, text in reversed(list(enumerate(texts)))}
    return np.array([place[text] for text in texts], np.int64)[codes], texts
