"""Common base of LSTM, GRU and LiGRU: sizes, workload, parameter layout. Loads no torch.

Input products W x run once a frame, forward in time. Where directions share their matrices they are the same for both,
and the recurrent products U h run once for each direction (`passes` 2). Where each direction has its own, the backward
one's matvecs stand after the forward one's and their names end in `_backward`; all run once a frame.

Parameters, float32, per layer l, gates stacked by rows in the model's order. With separate directions the number of
rows is twice as large: all gates of the forward direction, then all of the backward one.
    input.l{l}      [gates * hidden, inputs]        recurrent.l{l}  [gates * hidden, hidden]
    bias.l{l}       [gates * hidden]
    norm_scale.l{l}, norm_mean.l{l}, norm_var.l{l}  [gates * hidden], with batch normalisation only
    output [outputs, width], output_bias [outputs], input_mean [features], input_std [features]
Source: sizes and cells follow Rezk et al., Information 13(4):176 (2022), and pytorch-kaldi.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

from models.networks.directions import SHARED, SUFFIXES, WAYS, Directions, as_before, count, require_directions
from models.workload import InputError, MatVec, Path, Workload

if TYPE_CHECKING:
    from torch import Tensor

    from models.quantization.calibration import Trace

NORM_EPSILON = 1e-5  # Source: torch.nn.BatchNorm1d's default, as in pytorch-kaldi


@dataclass(frozen=True)
class Recurrent:
    """Sizes of a network of gated layers; `hidden` counts one direction, see `models.networks.directions`.

    `candidate_scale` multiplies the candidate at inference: pytorch-kaldi's dropout is not inverted and leaves the
    keep probability there.
    """

    features: int = 23
    layers: int = 4
    hidden: int = 96
    outputs: int = 144
    batch_norm: bool = True
    candidate_scale: float = 1.0
    directions: Directions = SHARED

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
        require_directions(self.name, self.directions, tuple(WAYS))

    @property
    def width(self) -> int:
        """Size of a layer's output: all directions together."""
        return count(self.directions) * self.hidden

    @property
    def sets(self) -> int:
        """Number of sets of matrices in a layer: 2 where each direction has its own."""
        return len(WAYS[self.directions])

    @property
    def stacked(self) -> int:
        """Rows of a layer's stacked matrices."""
        return self.sets * len(self.gates) * self.hidden

    def inputs(self, layer: int) -> int:
        return self.features if layer == 0 else self.width

    def input_names(self, layer: int) -> tuple[str, ...]:
        """Names of the layer's input matvecs, gate by gate, set by set."""
        return tuple(f"l{layer}.input_{gate}{suffix}" for suffix in SUFFIXES[: self.sets] for gate in self.gates)

    def recurrent_names(self, layer: int) -> tuple[str, ...]:
        """Names of the layer's recurrent matvecs, gate by gate, set by set; the last of a set is the candidate's."""
        kinds = (*(f"recurrent_{gate}" for gate in self.gates[:-1]), "candidate")
        return tuple(f"l{layer}.{kind}{suffix}" for suffix in SUFFIXES[: self.sets] for kind in kinds)

    def workload(self) -> Workload:
        matvecs, hidden = [], self.hidden
        kinds: list[Path] = ["candidate" if gate == self.gates[-1] else "recurrent" for gate in self.gates]
        passes = [len(way) for way in WAYS[self.directions]]
        for layer in range(self.layers):
            matvecs += [MatVec(name, hidden, self.inputs(layer), "input") for name in self.input_names(layer)]
            each = zip(self.recurrent_names(layer), product(passes, kinds), strict=True)
            matvecs += [MatVec(name, hidden, hidden, kind, runs) for name, (runs, kind) in each]
        matvecs.append(MatVec("output", self.outputs, self.width, "output"))
        # Folded batch normalisation leaves one bias vector per gate, as many as without normalisation.
        vectors = self.layers * self.stacked + self.outputs
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
        rows = self.stacked
        vectors = ("bias", *(("norm_scale", "norm_mean", "norm_var") if self.batch_norm else ()))
        for layer in range(self.layers):
            shapes[f"input.l{layer}"] = (rows, self.inputs(layer))
            shapes[f"recurrent.l{layer}"] = (rows, self.hidden)
            shapes |= {f"{vector}.l{layer}": (rows,) for vector in vectors}
        return shapes | {"output": (self.outputs, self.width), "output_bias": (self.outputs,)}

    def to_json(self) -> dict[str, Any]:
        return as_before(asdict(self), directions=SHARED)
