"""GRU: sizes, float step. The reset gate acts before the recurrent product (or after it, as in cuDNN and torch).

    z, r = sigmoid(W x + b + U h)
    g = tanh(W_h x + b_h + U_h (r h))         reset before, the papers' variant
    g = tanh(W_h x + b_h + r (U_h h + b'_h))  reset after, `recurrent_bias.l{l}` is b'_h
    h_t = z h_{t-1} + (1 - z) g
b'_h is [hidden], with separate directions [2 hidden], forward and then backward.
Source: Rezk et al., Information 13(4):176 (2022), as in pytorch-kaldi; torch.nn.GRU for the other variant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from models.networks.directions import FORWARD
from models.networks.recurrent import Recurrent
from models.workload import Workload

if TYPE_CHECKING:
    from torch import Tensor

    from models.quantization.calibration import Trace


@dataclass(frozen=True)
class Gru(Recurrent):
    """Sizes of a GRU; with `reset_after` its reset gate acts after the recurrent product."""

    layers: int = 5
    reset_after: bool = False

    name: ClassVar[str] = "gru"
    gates: ClassVar[tuple[str, ...]] = ("z", "r", "h")
    candidate_reads_apart: ClassVar[bool] = True
    # add bias and recurrent product, activate (3 gates x 3); reset: product; h: subtract, multiply, add
    gate_ops: ClassVar[int] = 13

    def shapes(self) -> dict[str, tuple[int, ...]]:
        added = {f"recurrent_bias.l{layer}": (self.sets * self.hidden,) for layer in range(self.layers)}
        return super().shapes() | (added if self.reset_after else {})

    def workload(self) -> Workload:
        """Workload of a gated network; with `reset_after` one bias more, added once per unit and direction."""
        workload = super().workload()
        if not self.reset_after:
            return workload
        return replace(
            workload,
            vector_weights=workload.vector_weights + self.layers * self.sets * self.hidden,
            elementwise_ops_per_frame=workload.elementwise_ops_per_frame + self.layers * self.width,
        )

    def step(
        self,
        pre: Tensor,
        state: tuple[Tensor, ...],
        tensors: Mapping[str, Tensor],
        mask: Tensor,
        layer: int,
        show: Trace,
    ) -> tuple[Tensor, ...]:
        """State (h,) after one step, h [rows, hidden]; pre [rows, 3 hidden] is W x + b."""
        (h,) = state
        hidden, recurrent = self.hidden, tensors["recurrent"]
        z, r = (pre[:, : 2 * hidden] + h @ recurrent[: 2 * hidden].t()).sigmoid().split(hidden, dim=1)
        if self.reset_after:
            back = r * (h @ recurrent[2 * hidden :].t() + tensors["recurrent_bias"])
        else:
            back = (r * h) @ recurrent[2 * hidden :].t()
        g = (pre[:, 2 * hidden :] + back).tanh() * self.candidate_scale * mask
        return (z * h + (1 - z) * g,)


PRESETS = {
    "edge": Gru(),
    "stream": Gru(layers=4, hidden=112, directions=FORWARD),
    "paper": Gru(features=23, layers=5, hidden=550, outputs=1936),
}
