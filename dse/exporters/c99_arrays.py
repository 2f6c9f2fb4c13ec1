"""The constant arrays of the C sources: their text, and their bytes in flash."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.exporters.c99_tables import Tables, vectors_of_layer
from dse.phones.decode import Decoder
from models.engines.integer_network import GatedLayer, SruLayer
from models.quantization.fixed_point import GATE_FRACTION_BITS, PREACTIVATION_FRACTION_BITS

if TYPE_CHECKING:
    from dse.phones.decoders import LabelDecoder

NUMBERS_A_LINE, BYTES_A_LINE = 12, 28
OCTAL = np.frombuffer("".join(f"\\{byte:03o}" for byte in range(256)).encode(), np.uint8).reshape(256, 4)
# As tables.h has them; it has a static assertion for each array.
ELEMENT_BYTES = {"uint8_t": 1, "int8_t": 1, "int16_t": 2, "float": 4}
STRUCT_BYTES = {"matvec": 36, "power": 8, "reader": 4, "sru": 24, "gated": 28}
NO_READERS = (0, 0)  # none, from the first on
# Fraction bits of what becomes the state: a product of two gates, a gate, a rectified candidate.
STATE_FROM_BITS = {"lstm": 2 * GATE_FRACTION_BITS, "gru": GATE_FRACTION_BITS}


@dataclass(frozen=True)
class Array:
    """A constant array. `packed`: whether the size objective counts it; all else is the header."""

    name: str
    kind: str
    text: str  # its initialiser
    bytes: int
    holds: str
    packed: bool = False
    spare: int = 0  # bytes besides: C has no empty arrays, and ends a string literal

    @property
    def source(self) -> str:
        """C text, with an assertion of its bytes."""
        name = f"model_{self.name}"
        checked = f"typedef char {name}_bytes[sizeof {name} == {self.bytes + self.spare} ? 1 : -1];"
        return f"const {self.kind} {name}[] = {self.text};\n{checked}\n"


def arrays_of(tables: Tables, decoder: LabelDecoder | None) -> list[Array]:
    """All constant arrays."""
    network, sru = tables.network, bool(tables.v_at)
    readers = [(reader.first, len(reader.matvecs)) for readers in tables.readers for reader in readers]
    arrays = [
        Array("weights", "uint8_t", _string(tables.packed), len(tables.packed), "matrices, packed", True, 1),
        _numbers("multiples", "int8_t", tables.multiples, "row scales, in steps of their matrix", True),
        _numbers("steps", "float", tables.steps, "steps of matrices and vectors", True),
        _numbers("zeros", "int8_t", tables.zeros, "zero points of vectors", True),
        _numbers("vectors", "int16_t", tables.vectors, "biases and v" if sru else "biases", True),
        _structs("matvecs", "matvec", tables.matvecs, "shapes, widths, thresholds, places"),
        _structs("powers", "power", tables.powers, "powers of two from grid to grid"),
        _structs("reader_table", "reader", readers, "which matvecs share a delta gate"),
        _structs("layers", "sru" if sru else "gated", _layers(tables), "scales from grid to grid"),
        _numbers("knots", "int16_t", network.sigmoid_knots.tolist(), "sigmoid"),
        _numbers("means", "float", network.input_mean, "of the features"),
        _numbers("stds", "float", network.input_std, "of the features"),
    ]
    if (searched := viterbi_tables(decoder)) is not None:
        _, bias, enter = searched
        arrays.append(_numbers("priors", "float", bias, "decoder: of the phone states"))
        arrays.append(_numbers("enter", "float", enter.ravel(), "decoder: phone bigram"))
    return arrays


def viterbi_tables(decoder: LabelDecoder | None) -> tuple[Any, NDArray[np.float32], NDArray[np.float32]] | None:
    """Scale, bias [144] and enter [49, 48] of a Viterbi decoder; None of another."""
    return decoder.search_tables if isinstance(decoder, Decoder) else None


def packed_bytes(arrays: Iterable[Array]) -> int:
    """Bytes of what the size objective counts."""
    return sum(array.bytes for array in arrays if array.packed)


def header_bytes(arrays: Iterable[Array]) -> int:
    """Bytes of all other constants."""
    return sum(array.spare + (0 if array.packed else array.bytes) for array in arrays)


def told_float(value: object) -> str:
    """A float32 as C has it, exactly."""
    return f"{float(value).hex()}f"  # type: ignore[arg-type]


def _layers(tables: Tables) -> list[tuple[object, ...]]:
    vectors, v_at, at = iter(tables.readers), iter(tables.v_at), 0
    structs: list[tuple[object, ...]] = []
    for layer in tables.network.layers:
        spans: list[tuple[int, int]] = []
        for _ in vectors_of_layer(layer):
            spans.append((at, len(next(vectors))))
            at += spans[-1][1]
        if isinstance(layer, SruLayer):
            absent = [NO_READERS] * (layer.projection is None)
            structs.append((*absent, *spans, next(v_at), *_sru_scales(layer)))
            continue
        inputs, rest = spans[0], iter(spans[1:])  # all inputs are the first set's
        for own in layer.recurrent:
            reads = [next(rest) for _ in own]
            absent = [NO_READERS] * (2 - len(reads))
            structs.append((inputs, *reads, *absent, *_gated_scales(layer, tables.network.model)))
            inputs = NO_READERS
    return structs


def _sru_scales(layer: SruLayer) -> tuple[object, ...]:
    v_scale = np.float32(2.0 ** (PREACTIVATION_FRACTION_BITS - layer.v_bits - layer.state_bits))
    x_scale = np.float32(layer.alpha * 2.0 ** (layer.state_bits - layer.input_bits - layer.alpha_bits))
    return v_scale, x_scale, int(layer.has_highway)


def _gated_scales(layer: GatedLayer, model: str) -> tuple[object, ...]:
    to_state = np.float32(2.0 ** (layer.state_bits - STATE_FROM_BITS.get(model, layer.candidate_bits)))
    to_cell = np.float32(2.0 ** (layer.cell_bits - 2 * GATE_FRACTION_BITS))
    return layer.candidate_scale, to_state, to_cell, np.float32(2.0 ** (PREACTIVATION_FRACTION_BITS - layer.cell_bits))


def _numbers(name: str, kind: str, values: Iterable[object], holds: str, packed: bool = False) -> Array:
    told = [told_float(value) if kind == "float" else str(value) for value in values]
    lines = (", ".join(told[k : k + NUMBERS_A_LINE]) for k in range(0, len(told), NUMBERS_A_LINE))
    size = ELEMENT_BYTES[kind]
    return Array(name, kind, _braced(lines), size * len(told), holds, packed, 0 if told else size)


def _structs(name: str, struct: str, rows: Iterable[tuple[object, ...]], holds: str) -> Array:
    told = [_struct(row) for row in rows]
    return Array(name, f"struct model_{struct}", _braced(told), STRUCT_BYTES[struct] * len(told), holds)


def _braced(lines: Iterable[str]) -> str:
    return "{\n    " + (",\n    ".join(lines) or "0") + ",\n}"


def _struct(row: Iterable[object]) -> str:
    def told(value: object) -> str:
        if isinstance(value, tuple):
            return _struct(value)
        return told_float(value) if isinstance(value, float | np.floating) else str(value)

    return "{" + ", ".join(map(told, row)) + "}"


def _string(data: NDArray[np.uint8]) -> str:
    """Bytes as a string literal, which compilers read many times faster than a list of numbers."""
    lines = (data[k : k + BYTES_A_LINE] for k in range(0, len(data), BYTES_A_LINE))
    return "".join(f'\n    "{OCTAL[line].tobytes().decode()}"' for line in lines)
