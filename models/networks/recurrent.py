"""Common base of LSTM, GRU and LiGRU: sizes, workload, parameter layout. Loads no torch.

Bidirectional, with the same weights for both directions. The input products W x are the same for both and run once a
frame; the recurrent products U h run once for each direction (`passes` 2).

Parameters, float32, per layer l, gates stacked by rows in the model's order:
    input.l{l}      [gates * hidden, inputs]        recurrent.l{l}  [gates * hidden, hidden]
    bias.l{l}       [gates * hidden]
    norm_scale.l{l}, norm_mean.l{l}, norm_var.l{l}  [gates * hidden], with batch normalisation only
    output [outputs, 2 * hidden], output_bias [outputs], input_mean [features], input_std [features]
Source: sizes and cells follow Rezk et al., Information 13(4):176 (2022), and pytorch-kaldi.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from models.workload import InputError, MatVec, Workload

if TYPE_CHECKING:
    from torch import Tensor

    from models.quantization.calibration import Trace

NORM_EPSILON = 1e-5  # Source: torch.nn.BatchNorm1d's default, as in pytorch-kaldi


@dataclass(frozen=True)
class Recurrent:
    """Sizes of a bidirectional network of gated layers; `hidden` counts one direction.

    `candidate_scale` multiplies the candidate at inference: pytorch-kaldi's dropout is not inverted and leaves the
    keep probability there.
    """

    features: int = 23
    layers: int = 4
    hidden: int = 96
    outputs: int = 144
    batch_norm: bool = True
    candidate_scale: float = 1.0

    name: ClassVar[str]
    gates: ClassVar[tuple[str, ...]]  # in the order they are stacked; the candidate is the last
    rectified: ClassVar[bool] = False  # ReLU candidate: its preactivations are unbounded and need a grid of their own
    candidate_reads_apart: ClassVar[bool] = False  # its recurrent matvec runs after the others', on a vector of its own
    gate_ops: ClassVar[int]  # elementwise operations per unit, direction and frame

    def __post_init__(self) -> None:
        for field in ("features", "layers", "hidden", "outputs"):
            if getattr(self, field) < 1:
                raise InputError(f"{self.name}: {field} must be at least 1, not {getattr(self, field)}")
        if not 0 < self.candidate_scale <= 1:
            raise InputError(f"{self.name}: candidate_scale must be in (0, 1], not {self.candidate_scale}")

    @property
    def width(self) -> int:
        """Size of a layer's output: both directions together."""
        return 2 * self.hidden

    def inputs(self, layer: int) -> int:
        return self.features if layer == 0 else self.width

    def input_names(self, layer: int) -> tuple[str, ...]:
        return tuple(f"l{layer}.input_{gate}" for gate in self.gates)

    def recurrent_names(self, layer: int) -> tuple[str, ...]:
        """Names of the layer's recurrent matvecs, one per gate; the last is the candidate's."""
        return (*(f"l{layer}.recurrent_{gate}" for gate in self.gates[:-1]), f"l{layer}.candidate")

    def workload(self) -> Workload:
        matvecs = []
        for layer in range(self.layers):
            matvecs += [MatVec(name, self.hidden, self.inputs(layer), "input") for name in self.input_names(layer)]
            *gates, candidate = self.recurrent_names(layer)
            matvecs += [MatVec(name, self.hidden, self.hidden, "recurrent", passes=2) for name in gates]
            matvecs.append(MatVec(candidate, self.hidden, self.hidden, "candidate", passes=2))
        matvecs.append(MatVec("output", self.outputs, self.width, "output"))
        # Folded batch normalisation leaves one bias vector per gate, as many as without normalisation.
        vectors = self.layers * len(self.gates) * self.hidden + self.outputs
        elementwise = self.layers * self.width * self.gate_ops + self.outputs
        return Workload(self.name, tuple(matvecs), vectors, elementwise)

    def start(self, zeros: Tensor) -> tuple[Tensor, ...]:
        """State before the first step, h [rows, hidden] first."""
        return (zeros,)

    def step(
        self,
        pre: Tensor,
        state: tuple[Tensor, ...],
        tensors: Mapping[str, Tensor],
        mask: Tensor,
        layer: int,
        show: Trace,
    ) -> tuple[Tensor, ...]:
        """State after one step of the float network, h [rows, hidden] first; every model implements it.

        pre [rows, gates * hidden] is W x + b; `tensors` are the layer's: `recurrent`, and others that a model needs.
        `mask` multiplies the candidate; `show(name, tensor)` receives every fixed-point site but the state.
        """
        raise NotImplementedError

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the network's parameters and buffers, by name."""
        shapes: dict[str, tuple[int, ...]] = {"input_mean": (self.features,), "input_std": (self.features,)}
        rows = len(self.gates) * self.hidden
        vectors = ("bias", *(("norm_scale", "norm_mean", "norm_var") if self.batch_norm else ()))
        for layer in range(self.layers):
            shapes[f"input.l{layer}"] = (rows, self.inputs(layer))
            shapes[f"recurrent.l{layer}"] = (rows, self.hidden)
            shapes |= {f"{vector}.l{layer}": (rows,) for vector in vectors}
        return shapes | {"output": (self.outputs, self.width), "output_bias": (self.outputs,)}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
