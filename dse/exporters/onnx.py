"""ONNX graph of an integer network, standard operators only, and its replay in ONNX Runtime.

`model.onnx` takes features float32 [batch, time, features] and lengths int64 [batch], frames of each padded utterance.
An utterance may have none, but batch and time are at least 1, as ONNX Runtime's Scan takes no empty sequence. It gives
logits int16 [batch, time, outputs], codes int16 [batch, time, width] of every layer's output, `l0.state` and so on,
all directions side by side, all 0 past an utterance's end, and sent int64 [batch, matvecs], how many elements each
matvec's delta gate sent. Its metadata names the format, its version, the model, hidden units of a direction, the
matvecs and the directions, which graphs of earlier versions lack: they read both ways.

Products are MatMulInteger of unsigned bytes, 16-bit operands split into bytes and summed in int64. ONNX Runtime's
kernels for unsigned bytes are exact on every CPU: pmaddwd on words with SSE2, AVX2 and AVX-512, vpdpbuud, which does
not saturate, with AVX-VNNI-INT8; umlal on words, udot and ummla on ARM (read in its source, onnxruntime/core/mlas/lib,
and not run on ARM). `tests/check_onnx_cpus.py` checks products of the largest codes and whole networks on this CPU and
on an emulated Haswell and Nehalem, without VNNI, where the product of unsigned and signed bytes is wrong on the former.
No optimisation of ONNX Runtime changes a result (tested), nor puts operators of its own in place of these.
Weights of 2 to 8 bits are bit-packed at their width, 16-bit ones are planes of bytes; all are unpacked in the graph.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.exporters import Replayed
from dse.exporters.onnx_cells import Tables
from dse.exporters.onnx_graph import Graph, Tensor
from dse.exporters.onnx_layers import Utterances, run_layer
from dse.exporters.onnx_matvec import Counts, over_frames
from models.engines.integer_network import IntegerNetwork
from models.networks.directions import SHARED, WAYS, count
from models.workload import InputError, MissingError

if TYPE_CHECKING:
    from dse.phones.decoders import LabelDecoder

FILE = "model.onnx"
FORMAT, VERSION = "dse.integer_network", "1"
MOST_HIDDEN_FRAMES = 2**20  # hidden units times padded frames of a batch, which bounds its memory


def write(network: IntegerNetwork, decoder: LabelDecoder | None, folder: Path) -> None:
    """Write `model.onnx`. The graph does not decode. Raises InputError where onnx is not installed."""
    (folder / FILE).write_bytes(build(network).SerializeToString())


def build(network: IntegerNetwork) -> Any:
    """Model (ModelProto) of a network."""
    onnx = _required("onnx")
    g, kind = Graph(onnx), onnx.TensorProto
    outputs = [("logits", kind.INT16, ["batch", "time", network.output.rows])]
    x = g("Transpose", g("Identity", "features"), perm=[1, 0, 2])
    x = _input_codes(g, network, x)
    time = g("Range", np.int64(0), g("Squeeze", g("Shape", x, start=0, end=1)), np.int64(1))
    valid = g("Less", g("Unsqueeze", time, np.array([1])), "lengths")
    reversed_ = g("Max", "lengths", np.int64(1))  # ONNX Runtime leaves what it reverses no frame of unwritten
    utterances, counts, tables = Utterances(reversed_, valid), Counts(valid, {}), Tables.of(g, network.sigmoid_knots)
    for number, layer in enumerate(network.layers):
        x = run_layer(g, layer, network, tables, x, utterances, counts)
        outputs.append((_codes(g, x, f"l{number}.state"), kind.INT16, ["batch", "time", network.width]))
    logits = over_frames(g, [network.output], x, counts)
    _codes(g, g("Where", g("Unsqueeze", valid, np.array([2])), logits, np.float32(0)), "logits")
    names = [matvec.name for matvec in network.matvecs]
    sent = g("Concat", *(g("Unsqueeze", counts.of[name], np.array([1])) for name in names), axis=1)
    outputs.append((g.named(sent, "sent"), kind.INT64, ["batch", len(names)]))
    inputs = [("features", kind.FLOAT, ["batch", "time", len(network.input_mean)]), ("lengths", kind.INT64, ["batch"])]
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "model": network.model,
        "hidden": str(network.hidden),
        "matvecs": " ".join(names),
        "directions": network.directions,
    }
    describe = onnx.helper.make_tensor_value_info
    return g.proto([describe(*each) for each in inputs], [describe(*each) for each in outputs], metadata)


def _input_codes(g: Graph, network: IntegerNetwork, features: Tensor) -> Tensor:
    """Codes of features, see `IntegerNetwork.input_codes`."""
    normal = g("Div", g("Sub", features, network.input_mean), network.input_std)
    scaled = g("Mul", normal, np.float32(2.0**network.input_bits))
    return g.grid(g("Where", g("IsNaN", scaled), np.float32(0), scaled))


def _codes(g: Graph, x: Tensor, name: str) -> Tensor:
    """Output of codes x [time, batch, units], as int16 [batch, time, units]."""
    return g.named(g("Cast", g("Transpose", x, perm=[1, 0, 2]), to=g.onnx.TensorProto.INT16), name)


def replay(folder: Path, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> Replayed:
    """Run features float32 [N, features], utterances bounded by offsets int64 [U + 1], in ONNX Runtime on one thread.

    Raises InputError where onnxruntime is not installed, or `model.onnx` is missing, damaged or of another network.
    """
    session = open_session(folder / FILE)
    metadata = session.get_modelmeta().custom_metadata_map
    sites = [output for output in session.get_outputs() if output.name != "sent"]
    sites = [*sites[1:], sites[0]]  # the logits are the first output, and the last site
    found = {site.name: np.zeros((len(features), site.shape[2]), np.int16) for site in sites}
    matvecs = metadata["matvecs"].split(" ")
    sent = np.zeros(len(matvecs), np.int64)
    for batch in _batches(np.diff(offsets), MOST_HIDDEN_FRAMES // int(metadata["hidden"])):
        bounds = [(int(offsets[u]), int(offsets[u + 1])) for u in batch]
        lengths = np.array([end - start for start, end in bounds])
        padded = np.zeros((len(batch), int(lengths.max()), features.shape[1]), np.float32)
        for row, (start, end) in zip(padded, bounds, strict=True):
            row[: end - start] = features[start:end]
        *codes, counts = run(session, [*found, "sent"], padded, lengths)
        for name, rows in zip(found, codes, strict=True):
            for row, (start, end) in zip(rows, bounds, strict=True):
                found[name][start:end] = row[: end - start]
        sent += counts.sum(axis=0)
    return Replayed(found, dict(zip(matvecs, sent.tolist(), strict=True)))


def _batches(lengths: NDArray[np.int64], most_frames: int) -> Iterator[list[int]]:
    """Utterances that are not empty in batches of similar length, of at most so many padded frames or one utterance."""
    batch: list[int] = []
    for u in np.argsort(-lengths, kind="stable").tolist():
        if batch and (not lengths[u] or lengths[batch[0]] * (len(batch) + 1) > most_frames):
            yield batch
            batch = []
        if not lengths[u]:
            return
        batch.append(u)
    if batch:
        yield batch


def open_session(path: Path, optimised: bool = True) -> Any:
    """Session (InferenceSession) of a `model.onnx` on the CPU, one thread. Raises InputError as `replay` does."""
    runtime = _required("onnxruntime")
    if not path.is_file():
        raise MissingError(f"no {path.name} in {path.parent}")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if not optimised:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        # Without its second try, of which it tells on standard output.
        session = runtime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        wrong = _wrong(session)
    except Exception as error:  # ONNX Runtime has a class of its own for each of its codes, with no common base
        raise InputError(f"{path} is no model that ONNX Runtime can load: {_one_line(error)}") from None
    if wrong:
        raise InputError(f"{path} is no network of this tool: {wrong}")
    return session


def _wrong(session: Any) -> str:
    """What is not as `write` makes it in a model's metadata, inputs and outputs; empty if nothing."""
    metadata = session.get_modelmeta().custom_metadata_map
    if metadata.get("format") != FORMAT:
        return f"its format is not {FORMAT}"
    if metadata.get("version") != VERSION:
        return f"its version is {metadata.get('version')}, not {VERSION}"
    hidden, matvecs = metadata.get("hidden", ""), metadata.get("matvecs", "").split(" ")
    if not (hidden.isascii() and hidden.isdigit() and len(hidden) < 8 and int(hidden)):
        return f"hidden is {hidden!r}"
    directions = metadata.get("directions", SHARED)
    if directions not in WAYS:
        return f"directions are {directions!r}"
    width = count(directions) * int(hidden)
    have = [(tensor.name, tensor.type, tensor.shape) for tensor in (*session.get_inputs(), *session.get_outputs())]
    widths = [shape[-1] if len(shape) == 3 and isinstance(shape[-1], int) else 0 for _, _, shape in have]
    layers = len(have) - 4
    expected = [
        ("features", "tensor(float)", ["batch", "time", widths[0]]),
        ("lengths", "tensor(int64)", ["batch"]),
        ("logits", "tensor(int16)", ["batch", "time", widths[2] if layers > 0 else 0]),
        *((f"l{layer}.state", "tensor(int16)", ["batch", "time", width]) for layer in range(layers)),
        ("sent", "tensor(int64)", ["batch", len(matvecs)]),
    ]
    for expects, has in itertools.zip_longest(expected, have):
        if expects != has:
            return f"it has {has} in place of {expects}"
    return ""


def run(session: Any, outputs: list[str], features: NDArray[np.float32], lengths: NDArray[np.int64]) -> list[Any]:
    """Run padded features [batch, time, features]. Raises InputError where they do not fit, or the graph fails."""
    try:
        found: list[Any] = session.run(outputs, {"features": features, "lengths": lengths})
    except Exception as error:  # as in `open_session`
        raise InputError(f"{FILE} cannot be run: {_one_line(error)}") from None
    for name, tensor in zip(outputs, found, strict=True):
        if tensor.shape[: tensor.ndim - 1] != features.shape[: tensor.ndim - 1]:
            raise InputError(f"{FILE} gives {name} {list(tensor.shape)} for features {list(features.shape)}")
    return found


def _required(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(f"ONNX graphs need {name} ({_one_line(error)}): pip install 'dse[export]'") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
