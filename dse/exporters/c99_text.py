"""Text of the generated files: model_data.c, and model.h from its template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dse.exporters.c99_arrays import Array, header_bytes, packed_bytes, told_float, viterbi_tables
from dse.exporters.c99_memory import CODE_BYTES, Memory
from dse.phones.greedy import CtcDecoder
from models.engines.integer_network import GatedLayer, IntegerNetwork

if TYPE_CHECKING:
    from dse.phones.decoders import LabelDecoder

EXAMPLE_FRAMES = 300
BOTH_WAYS = """ * This network reads utterances both ways: no output is known before the utterance has ended.
"""
FORWARD_ONLY = """ * This network reads forward in time, so that it can also run as frames come, with no end in sight:
 *
 *     state = MODEL_STATE_BYTES of your own, aligned to 8;  model_start(state);
 *     model_next(state, features, frames, logits, 0);  for each frame, or some at once, as model_run does it
"""
DECODE = (
    " *     count = model_decode(frames, memory, labels);         int16_t labels [frames / MODEL_FRAMES_A_LABEL],\n"
    " *                                                           whose names are in MODEL_LABELS\n"
)


def data_source(arrays: Sequence[Array], family: str) -> str:
    """The text of model_data.c; `family` is the header that declares its layers."""
    start = f'/* Constants of the network; model.h lists their bytes. Generated. */\n#include "{family}"\n\n'
    return start + "\n".join(array.source for array in arrays)


def header(template: str, arrays: Sequence[Array], memory: Memory, decoder: LabelDecoder | None) -> str:
    """The text of model.h."""
    network = memory.tables.network
    sizes = "\n".join(f"#define MODEL_{name} {value}" for name, value in _sizes(network, memory, decoder))
    table = "\n".join(f" * {line}".rstrip() for line in (*_flash(arrays), "", *_ram(memory)))
    units = f"{network.width // network.hidden} x {network.hidden}"
    filled = {
        "title": f"A {network.model} of {len(network.layers)} layers with {units} units, in integers.",
        "decode": "" if decoder is None else DECODE,
        "directions": FORWARD_ONLY if memory.forward else BOTH_WAYS,
        "table": table,
        "sizes": sizes,
    }
    for name, text in filled.items():
        template = template.replace(f"@{name}@", text)
    return template


def _sizes(network: IntegerNetwork, memory: Memory, decoder: LabelDecoder | None) -> Iterator[tuple[str, object]]:
    yield "FEATURES", len(network.input_mean)
    yield "LAYERS", len(network.layers)
    yield "HIDDEN", network.hidden
    yield "WIDTH", network.width
    yield "FORWARD", int(memory.forward)
    yield "OUTPUTS", network.output.rows
    yield "LOGIT_BITS", network.logit_bits
    yield "LOGIT_STEP", told_float(np.ldexp(1.0, -network.logit_bits))
    yield "INPUT_POWER", told_float(np.ldexp(1.0, network.input_bits))
    yield "MATVECS", len(network.matvecs)
    yield "MATVEC_NAMES", '"' + "".join(f"{matvec.name}\\n" for matvec in network.matvecs) + '"'
    yield "READERS", sum(map(len, memory.tables.readers))
    yield "MOST_READERS", max(map(len, memory.tables.readers))
    yield "MOST_COLS", memory.most_cols
    yield "WIDEST", memory.widest
    yield "UNITS", memory.units
    u, x = memory.frame_codes
    yield "FRAME_U", f"{u}u"
    yield "FRAME_X", f"{x}u"
    yield "STATE_BYTES", f"{memory.state_bytes}u"
    yield "SCORE_BYTES", f"{memory.score_bytes}u"
    layer = network.layers[0]
    if isinstance(layer, GatedLayer):
        yield "GATES", layer.gates
        yield "SETS", len(layer.recurrent)
        yield "RESET_AFTER", int(layer.reset_after)
    else:
        yield "PROJECTION", memory.projection
    yield "DECODES", int(decoder is not None)
    if decoder is not None:
        yield "FRAMES_A_LABEL", decoder.frames_a_label
        yield "LABELS", "{" + ", ".join(f'"{_c_text(label)}"' for label in decoder.labels) + "}"
    if (tables := viterbi_tables(decoder)) is not None:
        yield "ACOUSTIC_SCALE", told_float(tables[0])
    elif decoder is not None:
        yield "HAS_BLANK", int(isinstance(decoder, CtcDecoder))
        yield "BLANK", decoder.blank_output if isinstance(decoder, CtcDecoder) else 0


def _c_text(text: str) -> str:
    """Text between the quotes of a C string, in ASCII: all but letters and digits of UTF-8 as octal numbers."""
    return "".join(
        chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"\\{byte:03o}" for byte in text.encode()
    )


def _flash(arrays: Sequence[Array]) -> Iterator[str]:
    def line(what: str, size: int, holds: str) -> str:
        return f"    {what:<22}{size:>10}  {holds}"

    yield "Flash, bytes of constants (`make arm` tells the code's):"
    yield from (line(f"model_{array.name}", array.bytes, array.holds) for array in arrays if array.packed)
    yield line("packed weights", packed_bytes(arrays), "in all, as the size objective counts them")
    yield from (line(f"model_{array.name}", array.bytes, array.holds) for array in arrays if not array.packed)
    yield line("ends", sum(array.spare for array in arrays), "of a string literal, and of arrays without elements")
    yield line("header", header_bytes(arrays), "in all, of what the size objective does not count")


def _ram(memory: Memory) -> Iterator[str]:
    yield "RAM, bytes, all of it in the caller's memory, but for less than 1 KiB of stack:"
    if memory.forward:
        yield f"    logits{CODE_BYTES * memory.frame_codes[0]:>26}  a frame"
    else:
        yield f"    u{CODE_BYTES * memory.units:>31}  a frame: preactivations, then logits"
        yield f"    x{CODE_BYTES * memory.widest:>31}  a frame: what layers read and give"
    if memory.score_bytes:
        yield f"    scores{memory.score_bytes:>26}  a frame: of the decoder, in the room of what follows"
    if memory.forward:
        yield f"    u{CODE_BYTES * memory.units:>31}  of the frame: preactivations and recurrent results or projection"
        yield f"    x{CODE_BYTES * memory.widest:>31}  of the frame: what layers read and give"
    yield f"    list{memory.list_bytes:>28}  of sent elements"
    rooms = "from frame to frame" if memory.forward else "in one room, of the largest"
    for what, size in memory.phases.items():
        yield f"    {what:<22}{size:>10}  held vectors, sums, cells: {rooms}"
    if memory.forward:
        yield f"    state{memory.state_bytes:>27}  MODEL_STATE_BYTES: u, x, list and what is held"
    yield f"    in all{memory.of(EXAMPLE_FRAMES):>26}  for {EXAMPLE_FRAMES} frames"
