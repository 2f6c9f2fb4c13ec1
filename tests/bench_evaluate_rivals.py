"""What the engine is compared with by bench_evaluate.py: the same network, fake-quantized the obvious way."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from models.engines.gated_integers import fold_batch_norm
from models.engines.network_quantizer import NetworkQuantizer
from models.quantization.quantizer import code_range
from models.quantization.rounding import quantize_matrix
from models.quantization.scheme import PAPERS

BATCH = 128  # utterances; all contenders run padded batches of this size, time first


def batches(case) -> list[tuple[Tensor, Tensor]]:
    """Padded features [T, B, F] and lengths [B], long utterances together as is usual."""
    lengths = np.diff(case.offsets)
    x = (case.features - case.weights["input_mean"]) / case.weights["input_std"]
    order = np.argsort(-lengths, kind="stable")
    result = []
    for first in range(0, len(order), BATCH):
        chosen = order[first : first + BATCH]
        rows = [torch.from_numpy(x[case.offsets[u] : case.offsets[u + 1]]) for u in chosen]
        result.append((pad_sequence(rows), torch.from_numpy(lengths[chosen])))
    return result


class PlainFakeQuantized:
    """Fake quantization in float32: quantize and dequantize weights and activations, torch.where for the delta gate."""

    def __init__(self, case, configuration=None) -> None:
        self.case, self.spec, self.configuration = case, case.spec, configuration or case.configuration
        self.papers = NetworkQuantizer(case.spec, case.weights, case.calibration, PAPERS)
        self.sent = 0.0

    def run(self) -> np.ndarray:
        """Logits [N, outputs], in the order of the frames."""
        case = self.case
        order = np.argsort(-np.diff(case.offsets), kind="stable")
        result = np.empty((len(case.features), self.spec.outputs), np.float32)
        layers = [self.layer_weights(layer) for layer in range(self.spec.layers)]
        output = self.quantized("output", case.weights["output"])
        with torch.inference_mode():
            place = 0
            for x, lengths in batches(case):
                steps = torch.arange(len(x))[:, None]
                flipped = torch.where(steps < lengths, lengths - 1 - steps, steps)
                self.flip = (flipped, torch.arange(x.shape[1]))
                for layer in range(self.spec.layers):
                    x = self.layer(layer, layers[layer], x)
                logits = self.gate("output", x) @ output.t() + torch.from_numpy(case.weights["output_bias"])
                for column, length in enumerate(lengths.tolist()):
                    start = case.offsets[order[place]]
                    result[start : start + length] = logits[:length, column].numpy()
                    place += 1
        return result

    def quantized(self, name: str, matrix: np.ndarray) -> Tensor:
        """With the papers' rounding, which costs the same."""
        return torch.from_numpy(quantize_matrix(matrix, self.configuration[name].operand_bits[0], PAPERS).values)

    def quantize(self, name: str, x: Tensor) -> Tensor:
        step = self.step(name)
        return torch.clamp(torch.round(x / step), *code_range(self.configuration[name].operand_bits[1])) * step

    def step(self, name: str) -> float:
        """At 16 bits the 8-bit quantizer's, 256 times finer: near enough to the grid for what is timed here."""
        bits = self.configuration[name].operand_bits[1]
        grid = 2.0 ** -self.case.engine.quantizer.float_matvecs[name].input_bits
        step = float(self.papers.width(min(bits, 8)).activations[name].step) * grid
        return step / (256 if bits == 16 else 1)

    def threshold(self, name: str) -> float:
        return (self.configuration[name].delta + 0.5) * self.step(name)

    def step_gate(self, name: str, x: Tensor, held: Tensor) -> Tensor:
        """The vector that is multiplied at one step."""
        q = self.quantize(name, x)
        moved = (q - held).abs() > self.threshold(name)
        self.sent += moved.sum()
        return torch.where(moved, q, held)

    def gate(self, name: str, x: Tensor) -> Tensor:
        held, rows = torch.zeros_like(x[0]), []
        for step in x:
            held = self.step_gate(name, step, held)
            rows.append(held)
        return torch.stack(rows)

    def reverse(self, x: Tensor) -> Tensor:
        return x[self.flip]

    def layer_weights(self, layer: int) -> dict[str, Tensor]:
        weights = self.case.weights
        if self.spec.name == "sru":
            result = {"input": self.quantized(f"l{layer}.input", weights[f"weights.l{layer}"])}
            if self.spec.projected(layer):
                result["projection"] = self.quantized(f"l{layer}.projection", weights[f"projections.l{layer}"])
            return result | {k: torch.from_numpy(weights[f"{k}.l{layer}"]) for k in ("v", "b")}
        matrix, bias = fold_batch_norm(self.spec, weights, layer)
        blocks = zip(self.spec.input_names(layer), np.split(matrix, len(self.spec.gates)), strict=True)
        back = np.split(weights[f"recurrent.l{layer}"], len(self.spec.gates))
        recurrent = zip(self.spec.recurrent_names(layer), back, strict=True)
        return {
            "input": torch.cat([self.quantized(name, block) for name, block in blocks]),
            "recurrent": torch.cat([self.quantized(name, block) for name, block in recurrent]),
            "bias": torch.from_numpy(bias),
        }

    def layer(self, layer: int, w: dict[str, Tensor], x: Tensor) -> Tensor:
        if self.spec.name == "sru":
            return self.sru_layer(layer, w, x)
        pre = self.gate(self.spec.input_names(layer)[0], x) @ w["input"].t() + w["bias"]
        pre = torch.cat([pre, self.reverse(pre)], dim=1)  # directions share weights: rows of one batch
        h = torch.zeros(pre.shape[1], self.spec.hidden)
        cell, held, held_reset, outputs = torch.zeros_like(h), torch.zeros_like(h), torch.zeros_like(h), []
        first, last = self.spec.recurrent_names(layer)[0], self.spec.recurrent_names(layer)[-1]
        hidden, scale = self.spec.hidden, self.spec.candidate_scale
        for row in pre:
            held = self.step_gate(first, h, held)
            if self.spec.name == "lstm":
                f, i, o, g = (row + held @ w["recurrent"].t()).chunk(4, dim=1)
                cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g) * scale
                h = torch.sigmoid(o) * torch.tanh(cell)
            elif self.spec.name == "ligru":
                z, g = (row + held @ w["recurrent"].t()).chunk(2, dim=1)
                z = torch.sigmoid(z)
                h = z * h + (1 - z) * torch.relu(g) * scale
            else:
                back = held @ w["recurrent"][: 2 * hidden].t()
                z, r = torch.sigmoid(row[:, : 2 * hidden] + back).chunk(2, dim=1)
                held_reset = self.step_gate(last, r * h, held_reset)
                g = torch.tanh(row[:, 2 * hidden :] + held_reset @ w["recurrent"][2 * hidden :].t()) * scale
                h = z * h + (1 - z) * g
            outputs.append(h)
        forward, backward = torch.stack(outputs).chunk(2, dim=1)
        return torch.cat([forward, self.reverse(backward)], dim=2)

    def sru_layer(self, layer: int, w: dict[str, Tensor], x: Tensor) -> Tensor:
        q = x
        if "projection" in w:
            q = self.gate(f"l{layer}.projection", x) @ w["projection"].t()
        u = self.gate(f"l{layer}.input", q) @ w["input"].t()
        u = u if self.spec.parts(layer) == 4 else torch.cat([u, self.spec.highway_scale * x], dim=2)
        half, outputs = self.spec.hidden, []
        for direction in range(2):
            part = slice(direction * half, (direction + 1) * half)
            v, b = w["v"][:, part], w["b"][:, part]
            c, rows = torch.zeros(x.shape[1], half), []
            for row in self.reverse(u) if direction else u:
                u0, u1, u2, through = (block[:, part] for block in row.chunk(4, dim=1))
                f, r = torch.sigmoid(u1 + v[0] * c + b[0]), torch.sigmoid(u2 + v[1] * c + b[1])
                c = f * c + (1 - f) * u0
                rows.append(r * c + (1 - r) * through)
            h = torch.stack(rows)
            outputs.append(self.reverse(h) if direction else h)
        return torch.cat(outputs, dim=2)
