"""C99 sources of a network: no dependency, no allocation, weights packed at their width, unsent columns skipped.

The library is written by hand, in `c99_sources`; constants and the header are generated from the integer network.
`model.h` says how to use it, and what flash and RAM it takes.
"""

from __future__ import annotations

import re
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.exporters import Replayed
from dse.exporters.c99_build import build, run_replay
from dse.exporters.c99_plan import plan_of
from dse.exporters.c99_text import matvec_names, model_data, phone_names, sizes, table
from models.engines.integer_network import IntegerNetwork
from models.workload import InputError

if TYPE_CHECKING:
    from dse.phones.decode import Decoder

FAMILIES = {
    "sru": ("sru.c", "sru.h"),
    "lstm": ("gated.c", "gated.h", "lstm.c"),
    "gru": ("gated.c", "gated.h", "gru.c"),
    "ligru": ("gated.c", "gated.h", "ligru.c"),
}
COMMON = ("fixed.h", "memory.h", "sigmoid.h", "sigmoid.c", "matvec.h", "matvec.c", "layer.h", "network.c")
PROGRAMS = ("main.c", "replay.c")
DECODER_USE = """\
 * decoder_run makes phones of the logits, in memory that may be the same:
 *     static uint8_t phones[MOST_FRAMES / 3];
 *     size_t count = decoder_run(&logits[0][0], T, memory, sizeof memory, phones);
"""


def write(network: IntegerNetwork, decoder: Decoder | None, folder: Path) -> None:
    """Write the C sources of a network. Raises InputError for one that they cannot hold."""
    if network.model not in FAMILIES:
        raise InputError(f"there are no C sources of a {network.model}")
    plan = plan_of(network)
    copied = (*COMMON, *FAMILIES[network.model], *PROGRAMS, "model_data.h", *(("decoder.c",) if decoder else ()))
    for name in copied:
        (folder / name).write_text(_source(name), encoding="utf-8")
    library = sorted([name for name in copied if name.endswith(".c") and name not in PROGRAMS] + ["model_data.c"])
    filled = {
        "TITLE": f"{network.model.upper()} of {len(network.layers)} layers with 2 x {network.hidden} units, quantized.",
        "DECODER_USE": DECODER_USE if decoder else "",
        "TABLE": table(plan, decoder),
        "SIZES": sizes(plan, decoder),
        "LIBRARY": " ".join(library),
    }
    for name in ("model.h", "Makefile"):
        text = re.sub("@([A-Z_]+)@", lambda found: filled[found[1]], _source(name))
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "model_data.c").write_text(model_data(plan, decoder), encoding="utf-8")
    (folder / "matvec_names.h").write_text(matvec_names(plan), encoding="utf-8")
    if decoder:
        (folder / "phone_names.h").write_text(phone_names(), encoding="utf-8")


def replay(folder: Path, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> Replayed:
    """Compile what was written, with CC or cc, outside the folder, and run utterances; see `Exporter.replay`."""
    with tempfile.TemporaryDirectory(prefix="dse-") as name:
        found = run_replay(build(folder, "replay", Path(name)), features, offsets)
    return read_replay(found, offsets)


def read_replay(found: bytes, offsets: NDArray[np.int64]) -> Replayed:
    """Read what the replay program wrote, see replay.c. Raises InputError where it is not whole."""
    place = 0

    def take(kind: type[np.generic], count: int) -> NDArray[Any]:
        nonlocal place
        if place + count * np.dtype(kind).itemsize > len(found):
            raise InputError("the compiled network wrote less than it should")
        array: NDArray[Any] = np.frombuffer(found, kind, count, place)
        place += array.nbytes
        return array

    layers, hidden, outputs, matvecs, has_decoder = take(np.uint32, 5).tolist()
    names = found[place:].split(b"\n", matvecs)[:matvecs]
    place += sum(len(name) + 1 for name in names)
    widths = {**{f"l{layer}.state": 2 * hidden for layer in range(layers)}, "logits": outputs}
    sites: dict[str, list[NDArray[np.int16]]] = {site: [] for site in widths}
    phones: list[tuple[int, ...]] = []
    for frames in np.diff(offsets).tolist():
        for site, width in widths.items():
            sites[site].append(take(np.int16, frames * width).reshape(frames, width))
        if has_decoder:
            phones.append(tuple(take(np.uint8, int(take(np.uint32, 1)[0])).tolist()))
    sent = take(np.uint64, matvecs).astype(np.int64).tolist()
    joined = {site: np.concatenate([np.empty((0, widths[site]), np.int16), *parts]) for site, parts in sites.items()}
    counts = dict(zip((name.decode() for name in names), sent, strict=True))
    return Replayed(joined, counts, tuple(phones) if has_decoder else None)


def _source(name: str) -> str:
    return (resources.files("dse.exporters") / "c99_sources" / name).read_text(encoding="utf-8")
