"""Libraries that the engine is compared with by bench_evaluate.py: torch's own networks and ONNX Runtime."""

import logging
import tempfile
from pathlib import Path

import numpy as np
import torch
from bench_evaluate_rivals import batches
from torch import nn

GATES = {"lstm": 4, "gru": 3}


class UnavailableError(Exception):
    """A contender that cannot run this network."""


class TorchFloat:
    """torch.nn.LSTM or GRU, bidirectional, with a linear output; weights of its own for each direction."""

    def __init__(self, case) -> None:
        kinds = {"lstm": nn.LSTM, "gru": nn.GRU}
        spec = case.spec
        if spec.name not in kinds:
            raise UnavailableError("has no such cell")
        self.batches = batches(case)
        self.rnn = kinds[spec.name](spec.features, spec.hidden, spec.layers, bidirectional=True)
        self.output = nn.Linear(spec.width, spec.outputs)

    def run(self) -> None:
        with torch.inference_mode():
            for x, _ in self.batches:
                self.output(self.rnn(x)[0])


class OnnxFloat:
    """An ONNX graph of LSTM or GRU nodes and a product, in ONNX Runtime."""

    def __init__(self, case) -> None:
        try:
            import onnx
            import onnxruntime
        except ImportError as error:
            raise UnavailableError("onnx and onnxruntime are not installed") from error
        if case.spec.name not in GATES:
            raise UnavailableError("has no such cell")
        self.batches = batches(case)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            onnx.save(self.graph(case.spec), path)
            path = self.prepare(path)
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def prepare(self, path: Path) -> Path:
        return path

    def graph(self, spec):
        from onnx import TensorProto, helper, numpy_helper

        rng = np.random.default_rng(0)
        weights, nodes, last = [], [], "x"

        def constant(name: str, array: np.ndarray) -> str:
            weights.append(numpy_helper.from_array(array, name))
            return name

        def random(name: str, *shape: int) -> str:
            return constant(name, (rng.normal(size=shape) / shape[-1] ** 0.5).astype(np.float32))

        rows = GATES[spec.name] * spec.hidden
        shape = constant("shape", np.array([0, 0, -1], np.int64))
        for layer in range(spec.layers):
            inputs = [
                last,
                random(f"w{layer}", 2, rows, spec.inputs(layer)),
                random(f"r{layer}", 2, rows, spec.hidden),
                random(f"b{layer}", 2, 2 * rows),
            ]
            kind = spec.name.upper()
            nodes.append(
                helper.make_node(kind, inputs, [f"y{layer}"], hidden_size=spec.hidden, direction="bidirectional")
            )
            nodes.append(helper.make_node("Transpose", [f"y{layer}"], [f"t{layer}"], perm=[0, 2, 1, 3]))
            nodes.append(helper.make_node("Reshape", [f"t{layer}", shape], [f"h{layer}"]))
            last = f"h{layer}"
        nodes.append(helper.make_node("MatMul", [last, random("out", spec.width, spec.outputs)], ["product"]))
        nodes.append(helper.make_node("Add", ["product", random("bias", spec.outputs)], ["logits"]))
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "B", spec.features])
        y = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["T", "B", spec.outputs])
        graph = helper.make_graph(nodes, spec.name, [x], [y], weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def run(self) -> None:
        for x, _ in self.batches:
            self.session.run(None, {"x": x.numpy()})


class OnnxDynamicInt8(OnnxFloat):
    """The same graph after onnxruntime's dynamic quantization."""

    def prepare(self, path: Path) -> Path:
        import onnx
        from onnxruntime.quantization import quantize_dynamic

        logging.disable(logging.WARNING)
        quantize_dynamic(path, path.with_name("int8.onnx"))
        kinds = {node.op_type for node in onnx.load(path.with_name("int8.onnx")).graph.node}
        if "GRU" in kinds:
            raise UnavailableError("dynamic quantization leaves GRU in float")
        return path.with_name("int8.onnx")


ONNX = (("ONNX Runtime float", OnnxFloat), ("ONNX Runtime dynamic int8", OnnxDynamicInt8))
