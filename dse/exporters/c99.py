"""C99 sources of a network: integer products that skip what delta gates do not send; no dependency, no allocation.

`c99_sources/` holds what is written by hand, and the template of model.h. A bundle's folder gets what its family needs,
and model_data.c with the network's constants.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.exporters import Replayed
from dse.exporters.c99_arrays import arrays_of, viterbi_tables
from dse.exporters.c99_memory import Memory
from dse.exporters.c99_tables import Tables
from dse.exporters.c99_text import data_source, header
from models.engines.integer_network import IntegerNetwork, SruLayer
from models.workload import InputError

if TYPE_CHECKING:
    from dse.phones.decoders import LabelDecoder

LIBRARY = ("contract.h", "tables.h", "network.c", "matvec.c", "columns.c", "sigmoid.c")
PROGRAMS = ("main.c", "replay.c")
FLAGS = ("-std=c99", "-O2", "-ffp-contract=off")
COMPILE_SECONDS, RUN_SECONDS = 300, 3600
SIZES = 6  # numbers that replay.c writes first


def write(network: IntegerNetwork, decoder: LabelDecoder | None, folder: Path) -> None:
    """Write the sources into `folder`. Raises InputError for a network that the tables cannot hold."""
    sru = isinstance(network.layers[0], SruLayer)
    family = ("sru.h", "sru.c") if sru else ("gated.h", "gated.c", f"{network.model}.c")
    sources = files("dse.exporters") / "c99_sources"
    if not all((sources / name).is_file() for name in family):
        raise InputError(f"there are no C sources of a {network.model}")
    tables = Tables(network)
    arrays = arrays_of(tables, decoder)
    searched = viterbi_tables(decoder)
    memory = Memory(tables, 0 if searched is None else searched[1].nbytes)
    decodes = () if decoder is None else ("greedy.c" if searched is None else "viterbi.c",)
    for name in (*LIBRARY, *PROGRAMS, "Makefile", *family, *decodes):
        (folder / name).write_bytes((sources / name).read_bytes())
    template = (sources / "model.h").read_text(encoding="utf-8")
    (folder / "model.h").write_text(header(template, arrays, memory, decoder), encoding="utf-8")
    (folder / "model_data.c").write_text(data_source(arrays, family[0]), encoding="utf-8")


def library(folder: Path) -> list[Path]:
    """The library's sources: all but the two programs'."""
    return sorted(path for path in folder.glob("*.c") if path.name not in PROGRAMS)


def replay(folder: Path, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> Replayed:
    """Compile the sources by `cc`, or CC of the environment, and run features float32 [N, features].

    The program in the folder is run, with all that it may do: it should come from someone you trust. Raises InputError
    where there is no compiler, it refuses the sources, or what they give is not what it should be.
    """
    with tempfile.TemporaryDirectory() as beside:
        program = Path(beside) / "program"
        build(folder, program)
        return run((str(program),), Path(beside), features, offsets)


def build(folder: Path, program: Path, flags: Sequence[str] = FLAGS, main: str = "replay.c") -> None:
    """Compile the sources of a folder, as one, which is faster, to a program. Raises InputError where that fails."""
    compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
    if shutil.which(compiler[0]) is None:
        raise InputError(f"no C compiler '{compiler[0]}' is installed; the environment's CC names another")
    whole = program.with_suffix(".sources")
    whole.write_text("".join(f'#include "{name}"\n' for name in (*(path.name for path in library(folder)), main)))
    command = [*compiler, *flags, "-I", str(folder), "-o", str(program), "-x", "c", str(whole)]
    _call(command, COMPILE_SECONDS, "the C sources do not compile")


def run(
    command: Sequence[str], beside: Path, features: NDArray[np.float32], offsets: NDArray[np.int64], chunk: int = 0
) -> Replayed:
    """Run a replay program, `command`, on features float32 [N, features]; its files lie in the folder `beside`.

    A network that runs forward in time is given `chunk` frames at once, or whole utterances where that is 0.
    """
    given, found = beside / "features", beside / "outputs"
    write_features(given, features, offsets)
    pieces = [str(chunk)] if chunk else []
    _call([*command, str(given), str(found), *pieces], RUN_SECONDS, "the C program fails")
    try:
        return read_outputs(found.read_bytes(), np.diff(offsets).tolist())
    except (ValueError, OSError) as error:
        raise InputError(f"the C program does not write what it should: {error}") from error


def write_features(path: Path, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> None:
    """Write utterances as replay.c reads them."""
    x = np.ascontiguousarray(features, np.float32)
    with path.open("wb") as file:
        file.write(np.array([x.shape[1], len(offsets) - 1], np.uint32).tobytes())
        for start, end in pairwise(offsets.tolist()):
            file.write(np.uint32(end - start).tobytes() + x[start:end].tobytes())


def read_outputs(data: bytes, lengths: Sequence[int]) -> Replayed:
    """What replay.c writes for utterances of these lengths. Raises ValueError where it is not that."""
    at = 0

    def take(kind: type[np.generic], *shape: int) -> NDArray[Any]:
        nonlocal at
        count = int(np.prod(shape, dtype=np.int64))
        values = np.frombuffer(data, kind, count, at) if count else np.zeros(0, kind)
        at += values.nbytes
        return values.reshape(shape)

    layers, width, outputs, decodes, matvecs, letters = take(np.uint32, SIZES).tolist()
    names = take(np.uint8, letters).tobytes().decode().splitlines()
    widths = {f"l{number}.state": width for number in range(layers)} | {"logits": outputs}
    sites = {site: [np.zeros((0, units), np.int16)] for site, units in widths.items()}
    phones: list[tuple[int, ...]] = []
    for frames in lengths:
        for site, units in widths.items():
            sites[site].append(take(np.int16, frames, units))
        if decodes:
            phones.append(tuple(take(np.int16, int(take(np.uint32, 1)[0])).tolist()))
    sent = dict(zip(names, take(np.uint64, matvecs).tolist(), strict=True))
    if at != len(data):
        raise ValueError(f"{len(data)} bytes in place of {at}")
    codes = {site: np.concatenate(parts) for site, parts in sites.items()}
    return Replayed(codes, sent, tuple(phones) if decodes else None)


def _call(command: Sequence[str], seconds: float, failure: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise InputError(f"{failure}: it takes more than {seconds:.0f} s") from None
    except OSError as error:
        raise InputError(f"{failure}: {error}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"status {done.returncode}"]
        raise InputError(f"{failure}: {next((line for line in said if 'error' in line), said[0])}")
