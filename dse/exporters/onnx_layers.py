"""Layers as ONNX: what depends on the state inside Scan, all else over all frames at once.

Tensors of frames are [time, batch, units]; those of both directions [time, batch, 2, units], the backward one with
each utterance's frames reversed. Codes are whole float32 numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dse.exporters.onnx_graph import Graph, Tensor
from dse.exporters.onnx_matvec import Counts, gate, in_order, over_frames, product, quantize, stacks, weights, zeros
from models.engines.integer_network import Codes, GatedLayer, Layer, SruLayer
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
DIRECTIONS = 2
Read = Callable[[int, Tensor], Tensor]  # (number of the read, the vector) -> results of the matvecs that read it


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


@dataclass(frozen=True)
class Utterances:
    """Padded utterances: frames of each, at least 1, int64 [batch]; which frames are theirs, bool [time, batch]."""

    lengths: Tensor
    valid: Tensor

    def reverse(self, g: Graph, x: Tensor) -> Tensor:
        """Each utterance's own frames of x [time, batch, ...] from its last to its first."""
        return g("ReverseSequence", x, self.lengths, time_axis=0, batch_axis=1)

    def both_ways(self, g: Graph, forward: Tensor, backward: Tensor) -> Tensor:
        """Two tensors [time, batch, 1, ...], the second one reversed: [time, batch, 2, ...]."""
        return g("Concat", forward, self.reverse(g, backward), axis=2)

    def merge(self, g: Graph, states: Tensor) -> Tensor:
        """States [time, batch, 2, hidden] of both directions side by side; 0 past an utterance's end."""
        forward, backward = g.several("Split", 2, states, axis=2, num_outputs=2)
        both = g("Squeeze", g("Concat", forward, self.reverse(g, backward), axis=3), np.array([2]))
        return g("Where", g("Unsqueeze", self.valid, np.array([2])), both, np.float32(0))


def run_layer(
    g: Graph,
    layer: Layer,
    model: str,
    tables: Tables,
    x: Tensor,
    utterances: Utterances,
    counts: Counts,
) -> Tensor:
    """Run a layer on codes x [time, batch, cols]: state codes [time, batch, 2 hidden], 0 past an utterance's end."""
    if isinstance(layer, SruLayer):
        states = sru_layer(g, layer, tables, x, utterances, counts)
    else:
        states = gated_layer(g, layer, model, tables, x, utterances, counts)
    return utterances.merge(g, states)


def sru_layer(g: Graph, layer: SruLayer, tables: Tables, x: Tensor, utterances: Utterances, counts: Counts) -> Tensor:
    """Run an SRU layer: state codes [time, batch, 2, hidden]."""
    u = x if layer.projection is None else over_frames(g, [layer.projection], x, counts)
    u = over_frames(g, [layer.input], u, counts)
    half = layer.v.shape[1] // DIRECTIONS

    def parts(tensor: Tensor, number: int) -> tuple[Tensor, ...]:
        """Blocks of width units, [time, batch, 2, half] each."""
        blocks = g("Reshape", tensor, np.array([0, 0, number, DIRECTIONS, half]))
        blocks = g("Transpose", blocks, perm=[0, 1, 3, 2, 4])
        both = utterances.both_ways(g, *g.several("Split", DIRECTIONS, blocks, axis=2, num_outputs=DIRECTIONS))
        split = g.several("Split", number, both, axis=3, num_outputs=number)
        return tuple(g("Squeeze", part, np.array([3])) for part in split)

    candidate, forget, reset, *highway = parts(u, layer.input.rows // layer.v.shape[1])
    v = layer.v.astype(np.float32) * power(PREACTIVATION_FRACTION_BITS - layer.v_bits - layer.state_bits)
    v_forget, v_reset = v.reshape(2, DIRECTIONS, half)

    def gate_of(inner: Graph, pre: Tensor, v: Tensor, c: Tensor) -> Tensor:
        return look_up(inner, tables.gate, inner.clip(inner("Add", pre, inner.grid(inner("Mul", v, c)))))

    forget_weights, reset_weights = g.constant(v_forget), g.constant(v_reset)

    def step(inner: Graph, states: Sequence[Tensor], rows: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        c = blend(inner, gate_of(inner, rows[1], forget_weights, states[0]), rows[0], states[0])
        return [c], [c]

    (c,) = g.scan([zeros(g, x, DIRECTIONS, half)], [candidate, forget], step, 1)
    r = gate_of(g, reset, reset_weights, g.before(c))
    if layer.has_highway:
        through = highway[0]
    else:
        alpha = np.float32(layer.alpha * 2.0 ** (layer.state_bits - layer.input_bits - layer.alpha_bits))
        through = g.grid(g("Mul", parts(x, 1)[0], alpha))
    return blend(g, r, through, c)


def gated_layer(
    g: Graph, layer: GatedLayer, model: str, tables: Tables, x: Tensor, utterances: Utterances, counts: Counts
) -> Tensor:
    """Run an LSTM, GRU or LiGRU layer: state codes [time, batch, 2, hidden]."""
    hidden = layer.inputs[0].rows
    pre = g("Unsqueeze", over_frames(g, layer.inputs, x, counts), np.array([2]))
    pre = utterances.both_ways(g, pre, pre)
    reads = [[(stack, weights(g, stack)) for stack in stacks(matvecs)] for matvecs in layer.recurrent]
    every = [stack for read in reads for stack, _ in read]
    cells, step_of = CELLS[model]
    step = step_of(g, layer, tables)

    def body(inner: Graph, states: Sequence[Tensor], rows: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        before = dict(zip((stack.name for stack in every if stack.first.delta), states[cells:], strict=True))
        held: dict[str, Tensor] = {}

        def read(number: int, vector: Tensor) -> Tensor:
            results = []
            for stack, operand in reads[number]:
                v = quantize(inner, stack.first, vector)
                held[stack.name] = gate(inner, stack.first, v, before[stack.name]) if stack.first.delta else v
                results.append((stack, product(inner, stack, operand, held[stack.name])))
            return in_order(inner, results, layer.recurrent[number])

        after = step(inner, rows[0], read, *states[:cells])
        return [*after, *(held[name] for name in before)], [after[0], *(held[stack.name] for stack in every)]

    start = zeros(g, pre, DIRECTIONS, hidden)
    states = [start] * (cells + sum(stack.first.delta > 0 for stack in every))
    h, *held = g.scan(states, [pre], body, 1 + len(every))
    for stack, values in zip(every, held, strict=True):
        counts.add(g, stack, values, axes=4)
    return h


Step = Callable[..., list[Tensor]]  # (graph, preactivations [batch, 2, gates H], read, h, ...) -> new states


def _units(g: Graph, tensor: Tensor, *gates: int, hidden: int) -> tuple[Tensor, ...]:
    """Parts of the last axis, of so many gates each."""
    return g.several("Split", len(gates), tensor, np.array(gates) * hidden, axis=-1)


def lstm_step(g: Graph, layer: GatedLayer, tables: Tables) -> Step:
    """Step of an LSTM, gates f, i, o, g. Tables: the candidate in steps of the cell's grid, tanh of the cell."""
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

    return step


def gru_step(g: Graph, layer: GatedLayer, tables: Tables) -> Step:
    """Step of a GRU, gates z, r and the candidate, whose table is in steps of the state's grid."""
    scaled = g.grid(g("Mul", tables.tanh, layer.candidate_scale))
    candidates = g.grid(g("Mul", scaled, power(layer.state_bits - GATE_FRACTION_BITS)))

    def step(g: Graph, pre: Tensor, read: Read, h: Tensor) -> list[Tensor]:
        pre_gates, pre_candidate = _units(g, pre, 2, 1, hidden=layer.inputs[0].rows)
        gates = look_up(g, tables.gate, g.clip(g("Add", pre_gates, read(0, h))))
        z, r = g.several("Split", 2, gates, axis=-1, num_outputs=2)
        back = g.grid(g("Mul", r, read(1, h))) if layer.reset_after else read(1, g.grid(g("Mul", r, h)))
        candidate = look_up(g, candidates, g.clip(g("Add", pre_candidate, back)))
        return [blend(g, z, candidate, h)]

    return step


def ligru_step(g: Graph, layer: GatedLayer, tables: Tables) -> Step:
    """Step of a LiGRU, gate z and the rectified candidate, whose table is in steps of the state's grid."""
    scaled = g.grid(g("Mul", g("Max", tables.codes, np.float32(0)), layer.candidate_scale))
    candidates = g.grid(g("Mul", scaled, power(layer.state_bits - layer.candidate_bits)))

    def step(g: Graph, pre: Tensor, read: Read, h: Tensor) -> list[Tensor]:
        z, candidate = g.several("Split", 2, g.clip(g("Add", pre, read(0, h))), axis=-1, num_outputs=2)
        return [blend(g, look_up(g, tables.gate, z), look_up(g, candidates, candidate), h)]

    return step


# model -> how many states a cell has, the first of them h, and what makes its step
CELLS: dict[str, tuple[int, Callable[[Graph, GatedLayer, Tables], Step]]] = {
    "lstm": (2, lstm_step),
    "gru": (1, gru_step),
    "ligru": (1, ligru_step),
}
