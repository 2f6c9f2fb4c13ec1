"""Recurrent layers backwards: gradients of LSTM, GRU and LiGRU at the states that the integer network went through.

All states are known beforehand, so that gates and their slopes are computed for all steps at once; only what goes back
from step to step runs in a loop. Rows, D for each of N frames, are (utterance, direction) in the order of `StepRows`:
all first steps, then all second ones; the rows of a step are the first rows of the step before. Gates are the real
sigmoid and tanh, which the deployed ones follow within 3.4e-4.

To retrain a new gated model: a class of its steps in STEPS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

from dse.retraining.operands import Read
from models.engines.integer_network import GatedLayer, IntegerMatVec


@dataclass(eq=False)
class Product:
    """Recurrent matvecs that read one vector alike: the columns of a layer's preactivations that they add to.

    `gradients` are those of what is read, [D N, H], and of the results, of which it takes its columns.
    """

    columns: slice | Tensor
    read: Read
    weights: Tensor  # [rows, H]
    gradients: tuple[Tensor, Tensor] = field(init=False)

    def results(self) -> Tensor:
        return self.read.values.detach() @ self.weights.detach().t()

    def back(self, rows: slice) -> Tensor:
        """Gradient [n, H] that a step's results pass to the vector."""
        read, results = self.gradients
        mine = torch.mm(results[rows][:, self.columns], self.weights, out=read[rows])
        return mine * self.read.passes[rows]


# Gives the products of matvecs, whose gates are counted from the first one on, for the vector [D N, H] that they read.
Reader = Callable[[Sequence[IntegerMatVec], Tensor, int], list[Product]]


class Steps:
    """Steps of one set of a layer's matrices: slopes of all gates, and the way back from a step to the one before."""

    def __init__(
        self,
        layer: GatedLayer,
        reads: Sequence[Sequence[IntegerMatVec]],
        pre: Tensor,
        sizes: Sequence[int],
        h: Tensor,
        reader: Reader,
        bias: Tensor | None,
    ) -> None:
        """pre [D N, gates H] are W x + b, h [D N, H] the states after every step, `sizes` the rows of every step.

        `reads` are the set's recurrent matvecs, see `GatedLayer`; `bias` [H] is that of a candidate's recurrent
        product, where a model has one.
        """
        self.layer, self.reads, self.sizes, self.bias = layer, reads, sizes, bias
        self.hidden, self.scale = h.shape[1], float(layer.candidate_scale)
        self.rows = [slice(a, b) for a, b in pairwise(accumulate(sizes, initial=0))]
        self.before = self.shifted(h)
        self.products = reader(reads[0], self.before, 0)
        self.pre = pre
        total = pre.detach().clone()
        for product in self.products:
            total[:, product.columns] += product.results()
        self.prepare(total, reader)

    def shifted(self, states: Tensor) -> Tensor:
        """States [D N, H] before every step, zero before the first."""
        parts = [states[rows][:n] for rows, n in zip(self.rows, self.sizes[1:], strict=False)]
        return torch.cat([states.new_zeros(self.sizes[0], states.shape[1]), *parts])

    def gates(self, values: Tensor) -> tuple[Tensor, ...]:
        return values.split(self.hidden, dim=1)

    def prepare(self, total: Tensor, reader: Reader) -> None:
        """Compute the slopes from preactivations [D N, gates H], in which those of `reads[0]` are added."""
        raise NotImplementedError

    def back(self, rows: slice, dh: Tensor, out: Tensor) -> Tensor:
        """Write a step's gradients of preactivations to out [n, gates H]; returns that of the state before it."""
        raise NotImplementedError

    def run_back(self, dh: Tensor) -> Tensor:
        """Gradients [D N, gates H] of preactivations, from those of the states [D N, H]."""
        out, carry = torch.empty_like(self.pre), torch.zeros_like(dh[: self.sizes[0]])
        for product in self.products:
            product.gradients = torch.empty_like(product.read.values), out
        for rows in reversed(self.rows):
            n = rows.stop - rows.start
            carry[:n] = self.back(rows, dh[rows] + carry[:n], out[rows])
        return out

    def read_back(self, rows: slice) -> Tensor:
        """Gradient of the state that the products of a step read."""
        first, *others = (product.back(rows) for product in self.products)
        return sum(others, start=first)


class LstmSteps(Steps):
    def prepare(self, total: Tensor, reader: Reader) -> None:
        f, i, o = self.gates(total[:, : 3 * self.hidden].sigmoid())
        squashed = total[:, 3 * self.hidden :].tanh()
        g = squashed * self.scale
        added, c = i * g, torch.empty_like(f)
        state = torch.zeros_like(f[: self.sizes[0]])
        for rows in self.rows:
            n = rows.stop - rows.start
            state = torch.addcmul(added[rows], f[rows], state[:n], out=c[rows])
        out = c.tanh()
        self.forget, self.through_c, self.by_o = f, o * (1 - out * out), out * o * (1 - o)
        slopes = (self.shifted(c) * f * (1 - f), g * i * (1 - i), i * self.scale * (1 - squashed * squashed))
        self.by_c = torch.stack((slopes[0], slopes[1], torch.zeros_like(f), slopes[2]), dim=1)
        self.carry = torch.zeros_like(state.new_zeros(self.sizes[0], self.hidden))

    def back(self, rows: slice, dh: Tensor, out: Tensor) -> Tensor:
        carry = self.carry[: len(dh)]
        dc = torch.addcmul(carry, dh, self.through_c[rows])
        torch.mul(self.by_c[rows], dc[:, None], out=out.view(len(dh), 4, self.hidden))
        torch.mul(self.by_o[rows], dh, out=out[:, 2 * self.hidden : 3 * self.hidden])
        torch.mul(dc, self.forget[rows], out=carry)
        return self.read_back(rows)


class GruSteps(Steps):
    def prepare(self, total: Tensor, reader: Reader) -> None:
        hidden, h = self.hidden, self.before
        z, r = self.gates(total[:, : 2 * hidden].sigmoid())
        unit = 2.0**-self.layer.state_bits
        vector = h if self.layer.reset_after else (r * h / unit).round_() * unit
        self.candidate = reader(self.reads[1], vector, 2)
        back = torch.zeros_like(h) if self.bias is None else self.bias.detach().expand(h.shape).clone()
        for product in self.candidate:
            back += product.results()
        added = r * back if self.layer.reset_after else back
        squashed = (total[:, 2 * hidden :] + added).tanh()
        self.z, self.r = z, r
        self.by_z, self.by_g = (h - squashed * self.scale) * z * (1 - z), (1 - z) * self.scale * (1 - squashed**2)
        self.by_r = (back if self.layer.reset_after else h) * r * (1 - r)

    def run_back(self, dh: Tensor) -> Tensor:
        self.results = torch.empty_like(self.pre)
        for product in self.candidate:
            product.gradients = torch.empty_like(product.read.values), self.results
        return super().run_back(dh)

    def back(self, rows: slice, dh: Tensor, out: Tensor) -> Tensor:
        hidden, r = self.hidden, self.r[rows]
        torch.mul(dh, self.by_z[rows], out=out[:, :hidden])
        dg = torch.mul(dh, self.by_g[rows], out=out[:, 2 * hidden :])
        after = self.layer.reset_after
        self.results[rows, 2 * hidden :] = dg * r if after else dg
        first, *others = (product.back(rows) for product in self.candidate)
        dvector = sum(others, start=first)
        torch.mul(dg if after else dvector, self.by_r[rows], out=out[:, hidden : 2 * hidden])
        before = torch.addcmul(self.read_back(rows), dh, self.z[rows])
        return before.add_(dvector) if after else before.addcmul_(dvector, r)


class LigruSteps(Steps):
    def prepare(self, total: Tensor, reader: Reader) -> None:
        z, rectified = total[:, : self.hidden].sigmoid(), total[:, self.hidden :].relu()
        self.z = z
        by_z = (self.before - rectified * self.scale) * z * (1 - z)
        self.slopes = torch.cat((by_z, (1 - z) * self.scale * (rectified > 0)), dim=1).view(len(z), 2, self.hidden)

    def back(self, rows: slice, dh: Tensor, out: Tensor) -> Tensor:
        torch.mul(self.slopes[rows], dh[:, None], out=out.view(len(dh), 2, self.hidden))
        return self.read_back(rows).addcmul_(dh, self.z[rows])


STEPS: dict[str, type[Steps]] = {"lstm": LstmSteps, "gru": GruSteps, "ligru": LigruSteps}


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, steps: Steps, h: Tensor, pre: Tensor, bias: Tensor | None, *operands: Tensor) -> Tensor:
        ctx.steps = steps
        return h

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        steps: Steps = ctx.steps
        with torch.no_grad():
            dpre = steps.run_back(gradients[0].contiguous())
            operands: list[Tensor] = []
            dbias = None
            for product in products_of(steps):
                dread, results = product.gradients
                dresults = results[:, product.columns]
                operands += [dread, dresults.t() @ product.read.values.detach()]
                if product not in steps.products and steps.bias is not None:
                    dbias = dresults.sum(dim=0)
        return None, None, dpre, dbias, *operands


def products_of(steps: Steps) -> list[Product]:
    return [*steps.products, *getattr(steps, "candidate", ())]


def recur(steps: Steps, h: Tensor) -> Tensor:
    """States h [D N, H], with the gradients of the layer's steps."""
    operands = (each for product in products_of(steps) for each in (product.read.values, product.weights))
    out: Tensor = _Recurrence.apply(steps, h, steps.pre, steps.bias, *operands)
    return out
