"""An `IntegerNetwork` run in plain NumPy: frame by frame, element by element, slow and obvious. Reads nothing else."""

import itertools

import numpy as np

from models.engines.integer_network import GatedLayer, IntegerMatVec, IntegerNetwork, SruLayer

f32 = np.float32
LOW, HIGH = -(2**15), 2**15 - 1
PRE, GATE = 10, 14  # fraction bits of what a gate reads and gives


def grid(x):
    """Saturated and rounded, half to even: codes as float32."""
    return np.clip(np.rint(x), LOW, HIGH).astype(f32)


class Stream:
    """One matvec over the vectors of one utterance in one direction: quantizer, delta gate, product."""

    def __init__(self, matvec: IntegerMatVec) -> None:
        self.matvec = matvec
        self.weights = matvec.matrix.codes.astype(np.int64)
        self.held = np.zeros(matvec.cols, np.int64)
        self.sent = 0

    def __call__(self, x):
        """Result codes [rows] of a vector of codes [cols]."""
        m = self.matvec
        q = np.asarray(x, f32)
        if m.act_bits < 16:
            half = 2 ** (m.act_bits - 1)
            q = np.rint(np.clip(q / m.divisor - m.shift, m.zero - half, m.zero + half - 1))
        q = q.astype(np.int64)
        moves = np.abs(q - self.held) > m.delta
        self.held, self.sent = np.where(moves, q, self.held), self.sent + int(moves.sum())
        start = np.rint(self.weights.sum(axis=1) * float(m.shift)).astype(np.int64)
        return grid(grid((self.weights @ self.held + start).astype(f32) * m.scale) + m.bias)


def sigmoid(network, pre):
    """Gate codes 0..2^14 of preactivation codes: lines between knots 128 codes apart, 1 - sigmoid below 0."""
    size = np.minimum(np.abs(pre).astype(int), 2**13)
    knots = network.sigmoid_knots.astype(int)
    last = np.minimum(size // 128, 63)
    value = knots[last] + np.rint((knots[last + 1] - knots[last]) * (size - 128 * last) / 128)
    return np.where(pre < 0, 2**GATE - value, value).astype(f32)


def tanh(network, pre):
    return 2 * sigmoid(network, 2 * pre) - f32(2**GATE)


def blend(gate, candidate, state):
    return grid(candidate + grid(gate * grid(state - candidate) * f32(2.0**-GATE)))


def run_sru(network, layer: SruLayer, x, sent, stream_of):
    project, inward = layer.projection and stream_of(layer.projection), stream_of(layer.input)
    u = [inward(row if project is None else project(row)) for row in x]
    for stream in (project, inward):
        if stream is not None:
            sent[stream.matvec.name] += stream.sent
    width, half = layer.v.shape[1], network.hidden
    alpha = f32(layer.alpha * 2.0 ** (layer.state_bits - layer.input_bits - layer.alpha_bits))
    v_scale = f32(2.0 ** (PRE - layer.v_bits - layer.state_bits))
    out = np.zeros((len(x), width), f32)
    for direction in range(width // half):
        own = slice(direction * half, (direction + 1) * half)
        c = np.zeros(half, f32)
        for t in range(len(x)) if direction == 0 else reversed(range(len(x))):
            candidate, forget, reset, *highway = (part[own] for part in np.split(u[t], len(u[t]) // width))
            f, r = (
                sigmoid(network, grid(pre + grid(layer.v[k, own].astype(f32) * c * v_scale)))
                for k, pre in enumerate((forget, reset))
            )
            through = highway[0] if layer.has_highway else grid(np.asarray(x[t], f32)[own] * alpha)
            c = blend(f, candidate, c)
            out[t, own] = blend(r, through, c)
    return out


def lstm_step(network, layer: GatedLayer, pre, streams, h, c):
    f, i, o, g = (grid(part + stream(h)) for part, stream in zip(pre, streams[0], strict=True))
    f, i, o = (sigmoid(network, part) for part in (f, i, o))
    kept = grid(f * c * f32(2.0**-GATE))
    candidate = grid(tanh(network, g) * layer.candidate_scale)
    c = grid(kept + grid(i * candidate * f32(2.0 ** (layer.cell_bits - 2 * GATE))))
    squashed = tanh(network, grid(c * f32(2.0 ** (PRE - layer.cell_bits))))
    return grid(o * squashed * f32(2.0 ** (layer.state_bits - 2 * GATE))), c


def gru_step(network, layer: GatedLayer, pre, streams, h, c):
    z, r = (sigmoid(network, grid(part + stream(h))) for part, stream in zip(pre, streams[0], strict=False))
    (candidate,) = streams[1]
    if layer.reset_after:
        back = grid(r * candidate(h) * f32(2.0**-GATE))
    else:
        back = candidate(grid(r * h * f32(2.0**-GATE)))
    g = grid(tanh(network, grid(pre[2] + back)) * layer.candidate_scale)
    return blend(z, grid(g * f32(2.0 ** (layer.state_bits - GATE))), h), c


def ligru_step(network, layer: GatedLayer, pre, streams, h, c):
    z, g = (grid(part + stream(h)) for part, stream in zip(pre, streams[0], strict=True))
    candidate = grid(np.maximum(g, 0) * layer.candidate_scale)
    return blend(sigmoid(network, z), grid(candidate * f32(2.0 ** (layer.state_bits - layer.candidate_bits))), h), c


# State (h, c) after one step of one row; pre: preactivations by gate; streams by the vector they read.
STEPS = {"lstm": lstm_step, "gru": gru_step, "ligru": ligru_step}


def run_gated(network, layer: GatedLayer, x, sent, stream_of):
    inward = [stream_of(matvec) for matvec in layer.inputs]
    pre = [[stream(row) for stream in inward] for row in x]
    directions = {"shared": 2, "separate": 2, "forward": 1}[network.directions]
    out = np.zeros((len(x), directions * network.hidden), f32)
    gates, recurrent = len(inward) // len(layer.recurrent), []
    for direction in range(directions):
        own = direction if network.directions == "separate" else 0
        streams = [[stream_of(m) for m in reads] for reads in layer.recurrent[own]]
        recurrent.append(streams)
        h, c = np.zeros(network.hidden, f32), np.zeros(network.hidden, f32)
        for t in range(len(x)) if direction == 0 else reversed(range(len(x))):
            mine = pre[t][own * gates : (own + 1) * gates]
            h, c = STEPS[network.model](network, layer, mine, streams, h, c)
            out[t, direction * network.hidden :][: network.hidden] = h
    for stream in (*inward, *(s for streams in recurrent for reads in streams for s in reads)):
        sent[stream.matvec.name] += stream.sent
    return out


def run(network: IntegerNetwork, features, offsets, stream_of=Stream):
    """Logits float32 [N, outputs], and how many elements each matvec's delta gate sent. `stream_of` makes Streams."""
    codes = network.input_codes(features)
    sent = {matvec.name: 0 for matvec in network.matvecs}
    logits = []
    for start, end in itertools.pairwise(offsets):
        x = codes[start:end]
        for layer in network.layers:
            x = (run_sru if isinstance(layer, SruLayer) else run_gated)(network, layer, x, sent, stream_of)
        last = stream_of(network.output)
        logits += [last(row) for row in x]
        sent["output"] += last.sent
    return np.array(logits, f32).reshape(len(codes), -1) * f32(2.0**-network.logit_bits), sent
