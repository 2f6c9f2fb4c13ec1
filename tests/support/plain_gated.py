"""The quantized gated networks by the exactness contract, from weights and calibration, element by element."""

import numpy as np

from models.engines.gated_integers import fold_batch_norm
from models.quantization.fixed_point import sigmoid, sigmoid_knots, to_float, to_grid
from models.quantization.quantizer import code_range

f32 = np.float32


class PlainGate:
    """Quantizer and delta gate of one vector, one matvec, one row."""

    def __init__(self, engine, name, bits, configuration):
        self.name, self.setting, self.bits = name, configuration[name], bits
        self.weight_bits, self.act_bits = self.setting.operand_bits
        self.matrix = engine.quantizer.width(self.weight_bits).matrices[name]
        self.step, self.zero = f32(2.0**-bits), 0.0
        if self.act_bits < 16:
            found = engine.quantizer.width(self.act_bits).activations[name]
            self.step, self.zero = found.step * self.step, found.zero
        self.whole = round(self.zero)
        sums = self.matrix.codes.sum(axis=1, dtype=np.int64)
        self.start = np.rint((self.zero - self.whole) * sums).astype(np.int64)
        self.held = np.zeros(self.matrix.codes.shape[1], np.int64)
        self.sent = self.seen = 0

    def __call__(self, codes, out_bits):
        if self.act_bits < 16:
            low, high = code_range(self.act_bits)
            codes = np.rint(to_float(codes, self.bits) / self.step - f32(self.zero - self.whole))
            codes = np.clip(codes, low + self.whole, high + self.whole)
        codes = codes.astype(np.int64)
        moved = np.abs(codes - self.held) > self.setting.delta
        self.held = np.where(moved, codes, self.held)
        self.sent, self.seen = self.sent + moved.sum(), self.seen + moved.size
        sums = (self.held @ self.matrix.codes.T.astype(np.int64) + self.start).astype(f32)
        return grid(sums * (self.matrix.scale * self.step * f32(2.0**out_bits)))


def grid(x):
    return np.clip(np.rint(x), -(2**15), 2**15 - 1).astype(f32)


def gate(total):
    return sigmoid(sigmoid_knots(), total).astype(f32)


def tanh(total):
    return gate(total + total) * 2 - f32(2**14)


def plain_step(engine, kind, layer, pre, gates, state, h_bits):
    """One row, one step; pre [gates, H] on the preactivation grid; gates: a PlainGate per recurrent matvec."""
    spec, cal = engine.spec, engine.calibration
    scale, q14 = f32(spec.candidate_scale), f32(2.0**-14)
    h = state["h"]
    if kind == "lstm":
        f, i, o = (gate(grid(pre[k] + gates[k](h, 10))) for k in range(3))
        g = grid(tanh(grid(pre[3] + gates[3](h, 10))) * scale)
        c_bits = cal.fraction_bits(f"l{layer}.cell")
        c = grid(grid(f * state["c"] * q14) + grid(i * g * f32(2.0 ** (c_bits - 28))))
        state["c"] = c
        state["h"] = grid(o * tanh(grid(c * f32(2.0 ** (10 - c_bits)))) * f32(2.0 ** (h_bits - 28)))
        return
    z = gate(grid(pre[0] + gates[0](h, 10)))
    if kind == "ligru":
        bits = min(10, cal.fraction_bits(f"l{layer}.rectified"))
        g = grid(np.maximum(grid(pre[1] + gates[1](h, bits)), 0) * scale)
        g = grid(g * f32(2.0 ** (h_bits - bits)))
    else:
        r = gate(grid(pre[1] + gates[1](h, 10)))
        if kind == "gru-after":
            bias = engine.weights[f"recurrent_bias.l{layer}"].reshape(-1, spec.hidden)
            bias = to_grid(bias[1 if gates[2].name.endswith("_backward") else 0], 10).astype(f32)
            back = grid(r * grid(gates[2](h, 10) + bias) * q14)
        else:
            back = gates[2](grid(r * h * q14), 10)
        g = grid(grid(tanh(grid(pre[2] + back)) * scale) * f32(2.0 ** (h_bits - 14)))
    state["h"] = grid(g + grid(z * grid(h - g) * q14))


def simulate(engine, kind, features, configuration):
    """One utterance by the exactness contract, element by element, with the delta gates' counts."""
    spec, cal, weights = engine.spec, engine.calibration, engine.weights
    counts = {}
    bits = cal.fraction_bits("features")
    x = to_grid((features - weights["input_mean"]) / weights["input_std"], bits)
    for layer in range(spec.layers):
        inward = [PlainGate(engine, name, bits, configuration) for name in spec.input_names(layer)]
        grids = [10] * len(spec.gates)
        if spec.rectified:
            grids[-1] = min(10, cal.fraction_bits(f"l{layer}.rectified"))
        count, gates_of_all = len(spec.gates), spec.recurrent_names(layer)
        grids *= len(inward) // count
        bias = fold_batch_norm(spec, weights, layer)[1].reshape(-1, spec.hidden)
        biases = [to_grid(b, k).astype(f32) for b, k in zip(bias, grids, strict=True)]
        pre = [[grid(g(row, k) + b) for g, b, k in zip(inward, biases, grids, strict=True)] for row in x]
        h_bits = cal.fraction_bits(f"l{layer}.state")
        out = np.zeros((len(x), spec.width // spec.hidden, spec.hidden), np.int16)
        for direction in range(out.shape[1]):
            first = direction * count if spec.directions == "separate" else 0
            own = slice(first, first + count)
            names = gates_of_all[own]
            gates = [PlainGate(engine, name, h_bits, configuration) for name in names]
            state = {"h": np.zeros(spec.hidden, f32), "c": np.zeros(spec.hidden, f32)}
            for t in range(len(x)) if direction == 0 else reversed(range(len(x))):
                plain_step(engine, kind, layer, pre[t][own], gates, state, h_bits)
                out[t, direction] = state["h"]
            for name, g in zip(names, gates, strict=True):
                counts[name] = counts.get(name, 0) + g.sent
        counts |= {name: g.sent for name, g in zip(spec.input_names(layer), inward, strict=True)}
        x, bits = out.reshape(len(x), -1), h_bits
    last = PlainGate(engine, "output", bits, configuration)
    out_bits = cal.fraction_bits("logits")
    bias = to_grid(weights["output_bias"], out_bits).astype(f32)
    logits = np.array([grid(last(row, out_bits) + bias) for row in x])
    return to_float(logits, out_bits), counts | {"output": last.sent}
