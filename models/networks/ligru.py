"""LiGRU, a GRU without reset gate and with ReLU: sizes, float step.

    z = sigmoid(W x + b + U h)      g = relu(W_h x + b_h + U_h h)      h_t = z h_{t-1} + (1 - z) g
Source: Ravanelli et al., "Light Gated Recurrent Units for Speech Recognition" (2018), as in pytorch-kaldi.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from models.networks.recurrent import Recurrent

if TYPE_CHECKING:
    from torch import Tensor

    from models.quantization.calibration import Trace


@dataclass(frozen=True)
class Ligru(Recurrent):
    """Sizes of a LiGRU."""

    layers: int = 5

    name: ClassVar[str] = "ligru"
    gates: ClassVar[tuple[str, ...]] = ("z", "h")
    rectified: ClassVar[bool] = True
    # add bias and recurrent product, activate (2 gates x 3); h: subtract, multiply, add
    gate_ops: ClassVar[int] = 9

    def step(
        self,
        pre: Tensor,
        state: tuple[Tensor, ...],
        tensors: Mapping[str, Tensor],
        mask: Tensor,
        layer: int,
        show: Trace,
    ) -> tuple[Tensor, ...]:
        """State (h,) after one step, h [rows, hidden]; pre [rows, 2 hidden] is W x + b."""
        (h,) = state
        back = h @ tensors["recurrent"].t()
        total = pre + back
        for part in (pre, back, total):
            show(f"l{layer}.rectified", part[:, self.hidden :])
        z = total[:, : self.hidden].sigmoid()
        g = total[:, self.hidden :].relu() * self.candidate_scale * mask
        return (z * h + (1 - z) * g,)


PRESETS = {"edge": Ligru(), "paper": Ligru(features=23, layers=5, hidden=550, outputs=1936)}
