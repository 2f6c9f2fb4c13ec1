"""Builder of ONNX graphs: operators by name on tensors by name, arrays as initialisers, loops as Scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.quantization.fixed_point import HIGH, LOW

OPSET, IR_VERSION = 21, 10  # ONNX 1.16 of March 2024; ONNX Runtime reads it from 1.18 on
Tensor = str  # a tensor's name in the graph
Value = Tensor | NDArray[Any] | np.generic  # arrays become initialisers
# Body of a Scan: states and the sequences' rows at one step -> the new states, and rows of what is kept of all steps.
Body = Callable[["Graph", Sequence[Tensor], Sequence[Tensor]], tuple[Sequence[Tensor], Sequence[Tensor]]]


class Graph:
    """Graph under construction. A Scan's body is a graph of its own, which reads the outer one's tensors too."""

    def __init__(self, onnx: ModuleType, outer: Graph | None = None) -> None:
        self.onnx = onnx
        self.root: Graph = self if outer is None else outer.root
        self.nodes: list[Any] = []
        self._initialisers: dict[tuple[str, tuple[int, ...], bytes], Any] = {}
        self._named = 0

    def __call__(self, operator: str, *inputs: Value, **attributes: Any) -> Tensor:
        """Add a node of one output, and return it."""
        return self.several(operator, 1, *inputs, **attributes)[0]

    def several(self, operator: str, outputs: int, *inputs: Value, **attributes: Any) -> tuple[Tensor, ...]:
        """Add a node, and return its outputs."""
        names = tuple(self._name() for _ in range(outputs))
        values = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        self.nodes.append(self.onnx.helper.make_node(operator, values, names, **attributes))
        return names

    def named(self, tensor: Tensor, name: str) -> Tensor:
        """Give a tensor a name of one's own, as outputs have."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [tensor], [name]))
        return name

    def constant(self, value: NDArray[Any] | np.generic, name: str = "") -> Tensor:
        """Initialiser of an array; equal ones without a name are stored once."""
        array = np.asarray(value)
        key = (name or array.dtype.str, array.shape, array.tobytes())
        known = self.root._initialisers
        if key not in known:
            known[key] = self.onnx.numpy_helper.from_array(array, name or self._name())
        tensor: str = known[key].name
        return tensor

    def scan(self, states: Sequence[Tensor], sequences: Sequence[Tensor], body: Body, kept: int) -> tuple[Tensor, ...]:
        """Run a body over the first axis of sequences, all float32; returns all steps of the `kept` rows it keeps."""
        helper, inner = self.onnx.helper, Graph(self.onnx, self)
        inputs = [self._name() for _ in (*states, *sequences)]
        after, rows = body(inner, inputs[: len(states)], inputs[len(states) :])
        outputs = [inner("Identity", tensor) for tensor in (*after, *rows)]  # a tensor may be both state and row

        def described(names: Sequence[Tensor]) -> list[Any]:
            return [helper.make_tensor_value_info(name, self.onnx.TensorProto.FLOAT, None) for name in names]

        graph = helper.make_graph(inner.nodes, "step", described(inputs), described(outputs))
        found = self.several(
            "Scan", len(states) + kept, *states, *sequences, num_scan_inputs=len(sequences), body=graph
        )
        return found[len(states) :]

    def clip(self, tensor: Tensor) -> Tensor:
        """Saturate whole numbers to 16-bit codes."""
        return self("Clip", tensor, LOW, HIGH)

    def grid(self, tensor: Tensor) -> Tensor:
        """Round half to even and saturate to 16-bit codes."""
        return self.clip(self("Round", tensor))

    def before(self, sequence: Tensor) -> Tensor:
        """All steps one later, the first axis: what was there before each, zeros before the first."""
        first, all_but_last = self("Shape", self.part(sequence, 0, 1)), self.part(sequence, 0, -1)
        zeros = self("ConstantOfShape", first, value=self.onnx.numpy_helper.from_array(np.zeros(1, np.float32)))
        return self("Concat", zeros, all_but_last, axis=0)

    def split(self, tensor: Tensor, parts: int, axis: int) -> tuple[Tensor, ...]:
        """Equal parts along an axis; of one part the tensor itself."""
        return self.several("Split", parts, tensor, axis=axis, num_outputs=parts) if parts > 1 else (tensor,)

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        """Tensors one after another along an axis; a single one itself."""
        return self("Concat", *tensors, axis=axis) if len(tensors) > 1 else tensors[0]

    def part(self, tensor: Tensor, start: int, end: int) -> Tensor:
        """Part of the first axis."""
        return self("Slice", tensor, np.array([start]), np.array([end]), np.array([0]))

    def proto(self, inputs: Sequence[Any], outputs: Sequence[Any], metadata: dict[str, str]) -> Any:
        """Model of this graph; inputs and outputs are descriptions of tensors (ValueInfoProto)."""
        helper = self.onnx.helper
        graph = helper.make_graph(self.nodes, "network", inputs, outputs, list(self._initialisers.values()))
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="dse"
        )
        helper.set_model_props(model, metadata)
        return model

    def _name(self) -> Tensor:
        self.root._named += 1
        return f"t{self.root._named}"
