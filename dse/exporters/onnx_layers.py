"""Layers as ONNX: what depends on the state inside Scan, all else over all frames at once.

Tensors of frames are [time, batch, units]; those of D directions [time, batch, D, units], the backward one with each
utterance's frames reversed. Codes are whole float32 numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dse.exporters.onnx_cells import CELLS, Cell, Tables, blend, look_up, power
from dse.exporters.onnx_graph import Graph, Tensor
from dse.exporters.onnx_matvec import Counts, gate, in_order, over_frames, product, quantize, stacks, weights, zeros
from models.engines.integer_network import IntegerMatVec, IntegerNetwork, Layer, SruLayer
from models.networks.directions import count
from models.quantization.fixed_point import PREACTIVATION_FRACTION_BITS


@dataclass(frozen=True)
class Utterances:
    """Padded utterances: frames of each, at least 1, int64 [batch]; which frames are theirs, bool [time, batch]."""

    lengths: Tensor
    valid: Tensor

    def reverse(self, g: Graph, x: Tensor) -> Tensor:
        """Each utterance's own frames of x [time, batch, ...] from its last to its first."""
        return g("ReverseSequence", x, self.lengths, time_axis=0, batch_axis=1)

    def in_time(self, g: Graph, x: Tensor, direction: int) -> Tensor:
        """Frames in the order of a direction, 0 forward in time and 1 backward; its own inverse."""
        return self.reverse(g, x) if direction else x

    def ways(self, g: Graph, each: Sequence[Tensor], way: Sequence[int]) -> Tensor:
        """Tensors [time, batch, 1, ...] of the directions of a way, each in its own order: [time, batch, D, ...]."""
        return g.concat([self.in_time(g, x, direction) for x, direction in zip(each, way, strict=True)], axis=2)

    def merge(self, g: Graph, states: Sequence[tuple[Tensor, Sequence[int]]]) -> Tensor:
        """States [time, batch, D, hidden] of each way, all directions side by side; 0 past an utterance's end."""
        found: list[Tensor] = []
        for tensor, way in states:
            parts = g.split(tensor, len(way), axis=2)
            found += [self.in_time(g, part, direction) for part, direction in zip(parts, way, strict=True)]
        side_by_side = g("Squeeze", g.concat(found, axis=3), np.array([2]))
        return g("Where", g("Unsqueeze", self.valid, np.array([2])), side_by_side, np.float32(0))


def run_layer(
    g: Graph,
    layer: Layer,
    network: IntegerNetwork,
    tables: Tables,
    x: Tensor,
    utterances: Utterances,
    counts: Counts,
) -> Tensor:
    """Run a layer on codes x [time, batch, cols]: state codes [time, batch, width], 0 past an utterance's end."""
    if isinstance(layer, SruLayer):
        way = tuple(range(count(network.directions)))
        return utterances.merge(g, [(sru_layer(g, layer, way, tables, x, utterances, counts), way)])
    pre = g("Unsqueeze", over_frames(g, layer.inputs, x, counts), np.array([2]))
    cell, states = CELLS[network.model](g, layer, tables), []
    for way, reads, own in zip(network.ways, layer.recurrent, g.split(pre, len(network.ways), axis=3), strict=True):
        rows = utterances.ways(g, [own] * len(way), way)
        states.append((recurrence(g, reads, cell, rows, (len(way), network.hidden), counts), way))
    return utterances.merge(g, states)


def sru_layer(
    g: Graph, layer: SruLayer, way: Sequence[int], tables: Tables, x: Tensor, utterances: Utterances, counts: Counts
) -> Tensor:
    """Run an SRU layer: state codes [time, batch, D, hidden] of the D directions of `way`."""
    directions = len(way)
    u = x if layer.projection is None else over_frames(g, [layer.projection], x, counts)
    u = over_frames(g, [layer.input], u, counts)
    hidden = layer.v.shape[1] // directions

    def parts(tensor: Tensor, number: int) -> tuple[Tensor, ...]:
        """Blocks of width units, [time, batch, D, hidden] each."""
        blocks = g("Reshape", tensor, np.array([0, 0, number, directions, hidden]))
        blocks = g("Transpose", blocks, perm=[0, 1, 3, 2, 4])
        both = utterances.ways(g, g.split(blocks, directions, axis=2), way)
        return tuple(g("Squeeze", part, np.array([3])) for part in g.split(both, number, axis=3))

    candidate, forget, reset, *highway = parts(u, layer.input.rows // layer.v.shape[1])
    v = layer.v.astype(np.float32) * power(PREACTIVATION_FRACTION_BITS - layer.v_bits - layer.state_bits)
    v_forget, v_reset = v.reshape(2, directions, hidden)

    def gate_of(inner: Graph, pre: Tensor, v: Tensor, c: Tensor) -> Tensor:
        return look_up(inner, tables.gate, inner.clip(inner("Add", pre, inner.grid(inner("Mul", v, c)))))

    forget_weights, reset_weights = g.constant(v_forget), g.constant(v_reset)

    def step(inner: Graph, states: Sequence[Tensor], rows: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        c = blend(inner, gate_of(inner, rows[1], forget_weights, states[0]), rows[0], states[0])
        return [c], [c]

    (c,) = g.scan([zeros(g, x, directions, hidden)], [candidate, forget], step, 1)
    r = gate_of(g, reset, reset_weights, g.before(c))
    if layer.has_highway:
        through = highway[0]
    else:
        alpha = np.float32(layer.alpha * 2.0 ** (layer.state_bits - layer.input_bits - layer.alpha_bits))
        through = g.grid(g("Mul", parts(x, 1)[0], alpha))
    return blend(g, r, through, c)


def recurrence(
    g: Graph,
    recurrent: Sequence[Sequence[IntegerMatVec]],
    cell: Cell,
    pre: Tensor,
    sizes: tuple[int, int],
    counts: Counts,
) -> Tensor:
    """Run a set of matrices of an LSTM, GRU or LiGRU layer: state codes [time, batch, D, hidden].

    `recurrent` are the set's, see `GatedLayer`; pre [time, batch, D, gates hidden] are preactivations; `sizes` are D,
    the number of directions, and hidden.
    """
    cells, step = cell
    reads = [[(stack, weights(g, stack)) for stack in stacks(matvecs)] for matvecs in recurrent]
    every = [stack for read in reads for stack, _ in read]

    def body(inner: Graph, states: Sequence[Tensor], rows: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        before = dict(zip((stack.name for stack in every if stack.first.delta), states[cells:], strict=True))
        held: dict[str, Tensor] = {}

        def read(number: int, vector: Tensor) -> Tensor:
            results = []
            for stack, operand in reads[number]:
                v = quantize(inner, stack.first, vector)
                held[stack.name] = gate(inner, stack.first, v, before[stack.name]) if stack.first.delta else v
                results.append((stack, product(inner, stack, operand, held[stack.name])))
            return in_order(inner, results, recurrent[number])

        after = step(inner, rows[0], read, *states[:cells])
        return [*after, *(held[name] for name in before)], [after[0], *(held[stack.name] for stack in every)]

    start = zeros(g, pre, *sizes)
    states = [start] * (cells + sum(stack.first.delta > 0 for stack in every))
    h, *held = g.scan(states, [pre], body, 1 + len(every))
    for stack, values in zip(every, held, strict=True):
        counts.add(g, stack, values, axes=4)
    return h
