"""The straight-through network by automatic differentiation: step by step, one utterance and direction at a time.

Every operand is quantized by the textbook formula, and after every step the state takes its deployed value while its
gradient goes on to what computed it. Reads a `StraightThrough`'s parameters and the integer network, and nothing else.
"""

import itertools

import torch

from models.engines.integer_network import IntegerMatVec, SruLayer
from models.quantization.quantizer import code_range


def passed(value, deployed):
    """`deployed`, with the gradient of `value`."""
    return value + (deployed - value).detach()


class Stream:
    """One matvec over the vectors of one utterance in one direction."""

    def __init__(self, model, matvec: IntegerMatVec, weights) -> None:
        self.matvec, key = matvec, matvec.name.replace(".", "/")
        self.step = 2.0**-matvec.input_bits
        if matvec.act_bits < 16:
            share = model.step_shares[model.step_of[matvec.name]].double()
            self.step = self.step * float(matvec.divisor) * torch.exp(share - share.detach())
        codes, scale = (torch.tensor(a).double() for a in (matvec.matrix.codes, matvec.matrix.scale))
        if matvec.matrix.bits < 16:
            share = model.scale_shares[key].double()
            scale = (scale * torch.exp(share - share.detach()))[:, None]
            self.weights = scale * passed((weights / scale).clamp(*code_range(matvec.matrix.bits)), codes)
        else:
            self.weights = passed(weights, codes * scale[:, None])
        self.held = torch.zeros(matvec.cols).double()

    def __call__(self, x):
        m = self.matvec
        whole, shift = x / self.step, 0.0
        if m.act_bits < 16:
            shift = float(m.shift)
            whole = (whole - shift).clamp(*m.value_range)
        value = torch.round(whole).detach()
        self.held = torch.where((value - self.held).abs() > m.delta, value, self.held)
        return self.weights @ (self.step * (passed(whole, self.held) + shift))


def lstm_step(layer, pre, streams, h, c, bias):
    f, i, o, g = (part + stream(h) for part, stream in zip(pre, streams[0], strict=True))
    c = f.sigmoid() * c + i.sigmoid() * g.tanh() * float(layer.candidate_scale)
    return o.sigmoid() * c.tanh(), c


def gru_step(layer, pre, streams, h, c, bias):
    z, r = ((part + stream(h)).sigmoid() for part, stream in zip(pre, streams[0], strict=False))
    (candidate,) = streams[1]
    if layer.reset_after:
        back = r * (candidate(h) + bias)
    else:
        unit = 2.0**-layer.state_bits
        back = candidate(passed(r * h, torch.round((r * h).detach() / unit) * unit))
    g = (pre[2] + back).tanh() * float(layer.candidate_scale)
    return z * h + (1 - z) * g, c


def ligru_step(layer, pre, streams, h, c, bias):
    z, g = (part + stream(h) for part, stream in zip(pre, streams[0], strict=True))
    z = z.sigmoid()
    return z * h + (1 - z) * g.relu() * float(layer.candidate_scale), c


STEPS = {"lstm": lstm_step, "gru": gru_step, "ligru": ligru_step}


def ways(frames):
    return range(frames), range(frames - 1, -1, -1)


def run_gated(model, name, layer, x, exact):
    network, hidden, directions = model.network, model.spec.hidden, model.spec.directions
    gates = len(layer.inputs) // len(layer.recurrent)
    inward, back = (part[name].double().split(hidden) for part in (network.input, network.recurrent))
    bias = network.recurrent_bias[name].double() if layer.reset_after else None
    streams = [Stream(model, m, w) for m, w in zip(layer.inputs, inward, strict=True)]
    gate_bias = network.bias[name].double().split(hidden)
    pre = [[stream(row) + b for stream, b in zip(streams, gate_bias, strict=True)] for row in x]
    out = []
    for direction, order in enumerate(ways(len(x))[: exact.shape[1] // hidden]):
        own = direction if directions == "separate" else 0
        rest = iter(back[own * gates :])
        recurrent = [[Stream(model, m, next(rest)) for m in reads] for reads in layer.recurrent[own]]
        added = None if bias is None else bias[own * hidden :][:hidden]
        h = c = torch.zeros(hidden).double()
        states = {}
        for t in order:
            h, c = STEPS[model.spec.name](layer, pre[t][own * gates :][:gates], recurrent, h, c, added)
            h = states[t] = passed(h, exact[t, direction * hidden :][:hidden])
        out.append(torch.stack([states[t] for t in range(len(x))]))
    return torch.cat(out, dim=1)


def run_sru(model, name, layer, x, exact):
    network, width = model.network, exact.shape[1]
    q = x
    if layer.projection is not None:
        project = Stream(model, layer.projection, network.projections[name].double())
        unit = 2.0 ** -int(layer.projection.result_bits[0])
        q = [passed(p, torch.round(p.detach() / unit) * unit) for p in map(project, x)]
    inward = Stream(model, layer.input, network.weights[name].double())
    u = torch.stack([inward(row) for row in q])
    through = u[:, 3 * width :] if layer.has_highway else network.spec.highway_scale * x
    v, b = network.v[name].double(), network.b[name].double()
    out = []
    half = model.spec.hidden
    for direction, order in enumerate(ways(len(x))[: width // half]):
        own = slice(direction * half, (direction + 1) * half)
        c = torch.zeros(half).double()
        states = {}
        for t in order:
            candidate, forget, reset = (u[t, k * width : (k + 1) * width][own] for k in range(3))
            f, r = ((p + v[k, own] * c + b[k, own]).sigmoid() for k, p in enumerate((forget, reset)))
            c = f * c + (1 - f) * candidate
            states[t] = r * c + (1 - r) * through[t, own]
        out.append(torch.stack([states[t] for t in range(len(x))]))
    return passed(torch.cat(out, dim=1), exact)


def run(model, integers, states, features, offsets):
    """Logits float64 [N, outputs] with gradients; `states` are the codes that the engine traced."""
    inputs = torch.tensor(integers.input_codes(features)).double() * 2.0**-integers.input_bits
    logits = []
    for start, end in itertools.pairwise(offsets):
        x = inputs[start:end]
        for number, layer in enumerate(integers.layers):
            exact = torch.tensor(states[f"l{number}.state"][start:end]).double() * 2.0**-layer.state_bits
            x = (run_sru if isinstance(layer, SruLayer) else run_gated)(model, f"l{number}", layer, x, exact)
        last = Stream(model, integers.output, model.network.output.double())
        logits += [last(row) + model.network.output_bias.double() for row in x]
    return torch.stack(logits)
