"""Text of the generated C sources: constants, and the header with its table of flash and RAM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.exporters.c99_plan import STEP_BYTES, ZERO_BYTES, HeldMatVec, LayerPlan, Plan, Readers
from dse.phones.sets import PHONES_48, STATES_PER_PHONE
from models.engines.integer_network import GatedLayer, SruLayer
from models.quantization.fixed_point import GATE_FRACTION_BITS, PREACTIVATION_FRACTION_BITS
from models.workload import INTEGER_BITS

if TYPE_CHECKING:
    from dse.phones.decode import Decoder

C_TYPES = {"int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "float32": "float"}
DECODER_STATE_BYTES = 2 * 4 * STATES_PER_PHONE * len(PHONES_48)  # scores of two frames
LINE = 116


def model_data(plan: Plan, decoder: Decoder | None) -> str:
    """Text of model_data.c."""
    network = plan.network
    family = "sru" if isinstance(network.layers[0], SruLayer) else "gated"
    parts = ['#include "model_data.h"', f'#include "{family}.h"', ""]
    parts += [_array("model_mean", network.input_mean, "MODEL_FEATURES", static="")]
    parts += [_array("model_std", network.input_std, "MODEL_FEATURES", static="")]
    parts += [f"const float model_feature_steps = {_float(2.0**network.input_bits)};"]
    parts += [_array("model_knots", network.sigmoid_knots, "MODEL_KNOTS", static="")]
    for number, held in enumerate(plan.matvecs):
        parts += [f"\n/* {held.matvec.name} */", _array(f"weights_{number}", held.weights)]
        if held.has_multiples:
            parts.append(_array(f"multiples_{number}", held.matvec.matrix.multiples))
        if len(held.bias):
            parts.append(_array(f"bias_{number}", held.bias))
        parts.append(_array(f"powers_{number}", held.powers))
    descriptors = ",\n".join(_descriptor(number, held) for number, held in enumerate(plan.matvecs))
    parts += ["", f"const MatVec model_matvecs[MODEL_MATVECS] = {{\n{descriptors}\n}};", ""]
    for number, layer in enumerate(plan.layers):
        parts += list(_layer(number, layer))
    pointers = ", ".join(f"&layer_{number}" for number in range(len(plan.layers)))
    parts += ["", f"const Layer *const model_layers[MODEL_LAYERS] = {{{pointers}}};"]
    if decoder is not None:
        scale, bias, enter = decoder.search_tables
        rows = ",\n".join("{" + _lines(row) + "}" for row in enter)
        parts += [
            "",
            f"const float decoder_logit_step = {_float(2.0**-network.logit_bits)};",
            f"const float decoder_scale = {_float(scale)};",
            _array("decoder_bias", bias, "MODEL_OUTPUTS", static=""),
            f"const float decoder_enter[MODEL_PHONES + 1][MODEL_PHONES] = {{\n{rows}\n}};",
        ]
    return "\n".join(parts) + "\n"


def phone_names() -> str:
    """Text of phone_names.h: phones of the 48 set."""
    return _names("phone_names", PHONES_48)


def matvec_names(plan: Plan) -> str:
    """Text of matvec_names.h."""
    return _names("matvec_names", [held.matvec.name for held in plan.matvecs])


def _names(array: str, names: Sequence[str]) -> str:
    lines = ",\n".join(f'    "{name}"' for name in names)
    return f"static const char *const {array}[{len(names)}] = {{\n{lines}\n}};\n"


def sizes(plan: Plan, decoder: Decoder | None) -> str:
    """Definitions of the header."""
    network = plan.network
    found: dict[str, Any] = {
        "MODEL_FEATURES": plan.features,
        "MODEL_LAYERS": len(plan.layers),
        "MODEL_HIDDEN": network.hidden,
        "MODEL_OUTPUTS": network.output.rows,
        "MODEL_MATVECS": len(plan.matvecs),
        "MODEL_KNOTS": len(network.sigmoid_knots),
        "MODEL_LOGIT_BITS": network.logit_bits,
        "MODEL_BUFFER_WIDTH": plan.buffer_width,
        "MODEL_STATE_BYTES": f"{plan.fixed_bytes}u",
        "MODEL_FRAME_BYTES": f"{plan.frame_bytes}u",
        "MODEL_HAS_DECODER": int(decoder is not None),
    }
    if decoder is not None:
        found |= {"MODEL_PHONES": len(PHONES_48), "MODEL_STATES": STATES_PER_PHONE}
        found |= {"DECODER_STATE_BYTES": f"{DECODER_STATE_BYTES}u"}
    notes = {"MODEL_HIDDEN": "units of one direction", "MODEL_LOGIT_BITS": "fraction bits of a logit's code"}
    return "".join(
        f"#define {name} {value}" + (f" /* {notes[name]} */\n" if name in notes else "\n")
        for name, value in found.items()
    )


@dataclass(frozen=True)
class Flash:
    """Bytes of the constants: what the `size` objective counts, and all else by name."""

    packed: int
    zero_points: int  # of `packed`; the objective counts them where the quantization scheme has zero points
    padding_bits: int  # of `packed`: what fills the last bytes of matrices
    header: dict[str, int]

    @property
    def total(self) -> int:
        return self.packed + sum(self.header.values())


def flash_of(plan: Plan, decoder: Decoder | None) -> Flash:
    """Bytes of flash that model_data.c takes where pointers have 4 bytes, to the byte."""
    network = plan.network
    header = {
        "descriptors of matvecs": plan.descriptor_bytes,
        "powers of two between grids": sum(held.powers.nbytes for held in plan.matvecs),
        "descriptors of layers": plan.layer_bytes,
        "knots of the sigmoid": network.sigmoid_knots.nbytes,
        "mean, deviation and grid of features": network.input_mean.nbytes + network.input_std.nbytes + 4,
    }
    if decoder is not None:
        header["decoder"] = sum(np.asarray(table).nbytes for table in decoder.search_tables) + 4
    return Flash(plan.packed_bytes + plan.zero_bytes, plan.zero_bytes, plan.padding_bits, header)


def table(plan: Plan, decoder: Decoder | None) -> str:
    """Lines of the header's comment that state flash and RAM by array."""
    flash = flash_of(plan, decoder)
    lines = [
        "Flash, bytes. `packed` is what the `size` objective of the search counts.",
        f"  {'matvec':18} {'[rows, cols]':>12} {'bits':>4} {'weights':>9} {'multiples':>9} {'biases':>7} "
        f"{'steps, zero':>11}",
    ]
    for held in plan.matvecs:
        matvec = held.matvec
        steps = STEP_BYTES * ((matvec.matrix.bits in INTEGER_BITS) + held.is_integer)
        steps += ZERO_BYTES * held.is_integer
        multiples = matvec.rows if held.has_multiples else 0
        shape = f"[{matvec.rows}, {matvec.cols}]"
        lines.append(
            f"  {matvec.name:18} {shape:>12} {matvec.matrix.bits:>4} {held.weights.nbytes:>9} {multiples:>9} "
            f"{held.bias.nbytes:>7} {steps:>11}"
        )
    for number, layer in enumerate(plan.layers):
        if isinstance(layer.layer, SruLayer):
            lines.append(f"  l{number}.v {layer.layer.v.nbytes}")
    lines.append(
        f"  packed {flash.packed}: {flash.zero_points} of them zero points, which the objective counts where the scheme has "
        "them;"
    )
    lines.append(f"  {flash.padding_bits} bits fill the last bytes of matrices, which it does not count")
    lines += [f"  {name} {count}" for name, count in flash.header.items()]
    lines += [
        f"  in all {flash.total}, with pointers of 4 bytes, besides the code; `make arm` tells both",
        "  What sums start from is not stored: it is found at the start of an utterance.",
        "RAM, bytes, all of it given by the caller:",
        f"  input and output of a layer {4 * plan.buffer_width} a frame",
        f"  kept for the backward direction {2 * max(map(plan.kept, plan.layers))} a frame",
        *(f"  states of layer {number} {plan.state_bytes(each)}" for number, each in enumerate(plan.layers)),
        f"  counters {8 * len(plan.matvecs)}; alignment 24",
        f"  in all {plan.fixed_bytes} and {plan.frame_bytes} a frame: layers use one memory in turn",
        f"  logits {2 * plan.network.output.rows} a frame, features {4 * plan.features} a frame, the caller's own",
    ]
    if decoder is not None:
        lines.append(f"  decoder {DECODER_STATE_BYTES + 7} and {len(PHONES_48)} a frame, which may be the same memory")
    return "".join(f" * {line}\n" for line in lines)


def _descriptor(number: int, held: HeldMatVec) -> str:
    matvec = held.matvec
    first, _end, _ = held.bias_rows.indices(matvec.rows)
    values = [
        f"weights_{number}",
        f"multiples_{number}" if held.has_multiples else "NULL",
        f"bias_{number}" if len(held.bias) else "NULL",
        f"powers_{number}",
        _float(matvec.matrix.step),
        _float(matvec.divisor),
        *(matvec.delta, matvec.rows, matvec.cols, held.part_rows, first if len(held.bias) else 0, len(held.bias)),
        *(matvec.matrix.bits, matvec.act_bits, held.zero_byte, int(held.wide), held.back),
    ]
    return f"    {{{', '.join(map(str, values))}}}"


def _layer(number: int, plan: LayerPlan) -> Iterator[str]:
    layer = plan.layer
    readers = [_readers(each) for each in plan.readers]
    if isinstance(layer, SruLayer):
        yield _array(f"v_{number}", layer.v.ravel())
        alpha = np.float32(layer.alpha * 2.0 ** (layer.state_bits - layer.input_bits - layer.alpha_bits))
        v_scale = 2.0 ** (PREACTIVATION_FRACTION_BITS - layer.v_bits - layer.state_bits)
        values = [*readers, f"v_{number}", _float(v_scale), _float(alpha)]
    else:
        values = [*readers, *map(_float, _gated_constants(layer)), str(int(layer.reset_after))]
    yield f"static const Layer layer_{number} = {{{', '.join(values)}}};"


def _gated_constants(layer: GatedLayer) -> tuple[Any, ...]:
    """Floats of a gated Layer, in its order; see gated.h."""
    gate, pre = GATE_FRACTION_BITS, PREACTIVATION_FRACTION_BITS
    return (
        layer.candidate_scale,
        2.0 ** (layer.cell_bits - 2 * gate),
        2.0 ** (pre - layer.cell_bits),
        2.0 ** (layer.state_bits - 2 * gate),
        2.0 ** (layer.state_bits - gate),
        2.0 ** (layer.state_bits - layer.candidate_bits),
    )


def _readers(readers: Readers) -> str:
    return f"{{{readers.first}, {readers.count}}}"


def _array(name: str, values: NDArray[Any], size: str = "", static: str = "static ") -> str:
    kind = C_TYPES[str(values.dtype)]
    return f"{static}const {kind} {name}[{size or len(values)}] = {{\n{_lines(values)}\n}};"


def _lines(values: NDArray[Any]) -> str:
    if values.dtype == np.float32:
        words = [_float(value) for value in values]
    elif values.dtype.itemsize == 1:
        low = np.iinfo(values.dtype).min
        known = [str(value) for value in range(low, low + 256)]
        words = [known[place] for place in (values.astype(np.int16) - low).tolist()]
    else:
        words = list(map(str, values.tolist()))
    width = max(1, LINE // (max(map(len, words), default=1) + 1))
    return ",\n".join(",".join(words[place : place + width]) for place in range(0, len(words), width))


def _float(value: Any) -> str:
    """A float32 value as a C99 constant, exact."""
    return float(np.float32(value)).hex() + "f"
