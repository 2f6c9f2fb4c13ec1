"""LSTM without peepholes: sizes, float step.

    f, i, o = sigmoid(W x + b + U h)      g = tanh(W_g x + b_g + U_g h)
    c_t = f c_{t-1} + i g                 h_t = o tanh(c_t)
Source: Rezk et al., Information 13(4):176 (2022), Eq. of the LSTM as in pytorch-kaldi.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from models.networks.directions import FORWARD
from models.networks.recurrent import Recurrent

if TYPE_CHECKING:
    from torch import Tensor

    from models.quantization.calibration import Trace


@dataclass(frozen=True)
class Lstm(Recurrent):
    """Sizes of an LSTM without peepholes."""

    name: ClassVar[str] = "lstm"
    gates: ClassVar[tuple[str, ...]] = ("f", "i", "o", "g")
    # add bias and recurrent product, activate (4 gates x 3); c: two products, a sum; h: tanh, product
    gate_ops: ClassVar[int] = 17

    def start(self, zeros: Tensor) -> tuple[Tensor, ...]:
        """State (h, c) before the first step, each [rows, hidden]."""
        return zeros, zeros

    def step(
        self,
        pre: Tensor,
        state: tuple[Tensor, ...],
        tensors: Mapping[str, Tensor],
        mask: Tensor,
        layer: int,
        show: Trace,
    ) -> tuple[Tensor, ...]:
        """State (h, c) after one step, each [rows, hidden]; pre [rows, 4 hidden] is W x + b."""
        h, c = state
        total = pre + h @ tensors["recurrent"].t()
        f, i, o = total[:, : 3 * self.hidden].sigmoid().split(self.hidden, dim=1)
        g = total[:, 3 * self.hidden :].tanh() * self.candidate_scale * mask
        c = f * c + i * g
        show(f"l{layer}.cell", c)
        return o * c.tanh(), c


PRESETS = {
    "edge": Lstm(),
    "stream": Lstm(directions=FORWARD),
    "paper": Lstm(features=23, layers=4, hidden=550, outputs=1936),
}
