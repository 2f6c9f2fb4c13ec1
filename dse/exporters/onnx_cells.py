"""Cells of LSTM, GRU and LiGRU as ONNX, and the tables and steps that all models share.

Codes are whole float32 numbers; D directions run as rows of one step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dse.exporters.onnx_graph import Graph, Tensor
from models.engines.integer_network import Codes, GatedLayer
from models.quantization.fixed_point import (
    CODE_MAX,
    CODE_MIN,
    GATE_FRACTION_BITS,
    KNOT_SHIFT,
    KNOTS,
    PREACTIVATION_FRACTION_BITS,
    SIGMOID_REACH,
)

ONE = np.float32(2**GATE_FRACTION_BITS)
Read = Callable[[int, Tensor], Tensor]  # (number of the read, the vector) -> results of the matvecs that read it
Step = Callable[..., list[Tensor]]  # (graph, preactivations [batch, D, gates H], read, h, ...) -> new states
Cell = tuple[int, Step]  # how many states it has, the first of them h, and its step


def power(bits: int) -> np.float32:
    return np.float32(2.0**bits)


@dataclass(frozen=True)
class Tables:
    """Tables float32 [2^16] of every preactivation code, negative ones from the end, as Gather counts."""

    codes: Tensor  # the code itself
    gate: Tensor  # sigmoid as a value, 0 to 1
    tanh: Tensor  # on the gate grid

    @classmethod
    def of(cls, g: Graph, knots: Codes) -> Tables:
        """Tables computed in the graph from the sigmoid's knots, see `models.quantization.fixed_point.sigmoid`."""
        low, zero, high, one = (np.float32(code) for code in (CODE_MIN, 0, CODE_MAX + 1, 1))
        codes = g("Concat", g("Range", zero, high, one), g("Range", low, zero, one), axis=0)
        size = g("Min", g("Abs", codes), np.float32(SIGMOID_REACH))
        number = g("Min", g("Floor", g("Mul", size, power(-KNOT_SHIFT))), np.float32(KNOTS - 2))
        along = g("Sub", size, g("Mul", number, power(KNOT_SHIFT)))
        stored = g("Cast", g.constant(knots, "sigmoid_knots"), to=g.onnx.TensorProto.FLOAT)
        from_, to = (look_up(g, stored, place) for place in (number, g("Add", number, np.float32(1))))
        rise = g("Mul", g("Sub", to, from_), along)
        value = g("Add", from_, g("Round", g("Mul", rise, power(-KNOT_SHIFT))))
        sigmoid = g("Where", g("Less", codes, np.float32(0)), g("Sub", ONE, value), value)
        of_twice = look_up(g, sigmoid, g.clip(g("Add", codes, codes)))
        return cls(codes, g("Mul", sigmoid, 1 / ONE), g("Sub", g("Add", of_twice, of_twice), ONE))


def look_up(g: Graph, table: Tensor, codes: Tensor) -> Tensor:
    """Entries of a table at codes of any shape. On flat codes, as ONNX Runtime's Gather copies each like a block."""
    flat = g("Cast", g("Reshape", codes, np.array([-1])), to=g.onnx.TensorProto.INT32)
    return g("Reshape", g("GatherElements", table, flat, axis=0), g("Shape", codes))


def blend(g: Graph, gates: Tensor, candidate: Tensor, state: Tensor) -> Tensor:
    """Compute gate * state + (1 - gate) * candidate, both on one grid; gates as values."""
    apart = g.clip(g("Sub", state, candidate))
    return g.clip(g("Add", candidate, g("Round", g("Mul", gates, apart))))


def _units(g: Graph, tensor: Tensor, *gates: int, hidden: int) -> tuple[Tensor, ...]:
    """Parts of the last axis, of so many gates each."""
    return g.several("Split", len(gates), tensor, np.array(gates) * hidden, axis=-1)


def lstm_cell(g: Graph, layer: GatedLayer, tables: Tables) -> Cell:
    """Cell of an LSTM, gates f, i, o, g. Tables: the candidate in steps of the cell's grid, tanh of the cell."""
    cell, state = power(layer.cell_bits - GATE_FRACTION_BITS), power(layer.state_bits - GATE_FRACTION_BITS)
    candidates = g("Mul", g.grid(g("Mul", tables.tanh, layer.candidate_scale)), cell)
    as_pre = g.grid(g("Mul", tables.codes, power(PREACTIVATION_FRACTION_BITS - layer.cell_bits)))
    squashed = g("Mul", look_up(g, tables.tanh, as_pre), state)

    def step(g: Graph, pre: Tensor, read: Read, h: Tensor, c: Tensor) -> list[Tensor]:
        gates, candidate = _units(g, g.clip(g("Add", pre, read(0, h))), 3, 1, hidden=layer.inputs[0].rows)
        f, i, o = g.several("Split", 3, look_up(g, tables.gate, gates), axis=-1, num_outputs=3)
        kept, added = g.grid(g("Mul", f, c)), g.grid(g("Mul", i, look_up(g, candidates, candidate)))
        c = g.clip(g("Add", kept, added))
        return [g.grid(g("Mul", o, look_up(g, squashed, c))), c]

    return 2, step


def gru_cell(g: Graph, layer: GatedLayer, tables: Tables) -> Cell:
    """Cell of a GRU, gates z, r and the candidate, whose table is in steps of the state's grid."""
    scaled = g.grid(g("Mul", tables.tanh, layer.candidate_scale))
    candidates = g.grid(g("Mul", scaled, power(layer.state_bits - GATE_FRACTION_BITS)))

    def step(g: Graph, pre: Tensor, read: Read, h: Tensor) -> list[Tensor]:
        pre_gates, pre_candidate = _units(g, pre, 2, 1, hidden=layer.inputs[0].rows)
        gates = look_up(g, tables.gate, g.clip(g("Add", pre_gates, read(0, h))))
        z, r = g.several("Split", 2, gates, axis=-1, num_outputs=2)
        back = g.grid(g("Mul", r, read(1, h))) if layer.reset_after else read(1, g.grid(g("Mul", r, h)))
        candidate = look_up(g, candidates, g.clip(g("Add", pre_candidate, back)))
        return [blend(g, z, candidate, h)]

    return 1, step


def ligru_cell(g: Graph, layer: GatedLayer, tables: Tables) -> Cell:
    """Cell of a LiGRU, gate z and the rectified candidate, whose table is in steps of the state's grid."""
    scaled = g.grid(g("Mul", g("Max", tables.codes, np.float32(0)), layer.candidate_scale))
    candidates = g.grid(g("Mul", scaled, power(layer.state_bits - layer.candidate_bits)))

    def step(g: Graph, pre: Tensor, read: Read, h: Tensor) -> list[Tensor]:
        z, candidate = g.several("Split", 2, g.clip(g("Add", pre, read(0, h))), axis=-1, num_outputs=2)
        return [blend(g, look_up(g, tables.gate, z), look_up(g, candidates, candidate), h)]

    return 1, step


CELLS: dict[str, Callable[[Graph, GatedLayer, Tables], Cell]] = {
    "lstm": lstm_cell,
    "gru": gru_cell,
    "ligru": ligru_cell,
}
