"""Quantization encodings of an integer network, for toolchains that read AIMET's JSON. Nothing of it runs here.

`encodings.json` is of version 1.0.0, the newest that has widths of any number of bits (2.x has 2, 4, 8 and 16) and
tells parameters from activations. A value there is (q + offset) * scale with q from 0 to 2^bw - 1.
- `l0.input.weights`, of every matvec: its matrix, with a scale a row, or one where all are equal. A row whose scale is
  negative, which gives it the one code more below zero, has codes of the other sign and an offset of 1 - 2^(bw - 1).
- `l0.input.vector`, of every matvec: the vector that it reads, as its quantizer has it.
- `features`, `l0.state` and so on, and `logits`: the network's 16-bit grids, named as in the ONNX graph.
Source: AIMET, Encoding Format Specification, version 1.0.0 (github qualcomm/aimet, Docs/techniques/encoding_spec.rst).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.engines.integer_network import IntegerMatVec, IntegerNetwork, SruLayer
from models.workload import BASELINE_BITS

if TYPE_CHECKING:
    from dse.phones.decoders import LabelDecoder

FILE, VERSION = "encodings.json", "1.0.0"


def write(network: IntegerNetwork, decoder: LabelDecoder | None, folder: Path) -> None:
    """Write `encodings.json`."""
    content = {
        "version": VERSION,
        "activation_encodings": [*_grids(network), *(_vector(matvec) for matvec in network.matvecs)],
        "param_encodings": [_weights(matvec) for matvec in network.matvecs],
        "quantizer_args": {
            "activation_bitwidth": BASELINE_BITS,  # of what is not listed
            "param_bitwidth": BASELINE_BITS,
            "dtype": "int",
            "is_symmetric": True,
            "per_channel_quantization": True,
            "quant_scheme": "post_training_tf_enhanced",  # the one of its two that clips for the least error
        },
        "excluded_layers": [],
    }
    (folder / FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _encoding(name: str, bits: int, scales: Sequence[float], offsets: Sequence[int]) -> dict[str, Any]:
    return {
        "name": name,
        "enc_type": "PER_CHANNEL" if len(scales) > 1 else "PER_TENSOR",
        "dtype": "INT",
        "bw": bits,
        "is_sym": all(offset == _symmetric(bits) for offset in offsets),
        "scale": list(scales),
        "offset": list(offsets),
    }


def _symmetric(bits: int) -> int:
    """Offset of signed codes without a zero point."""
    return int(-(2 ** (bits - 1)))


def _grids(network: IntegerNetwork) -> Iterator[dict[str, Any]]:
    states = {f"l{number}.state": layer.state_bits for number, layer in enumerate(network.layers)}
    for name, bits in {"features": network.input_bits, **states, "logits": network.logit_bits}.items():
        yield _encoding(name, BASELINE_BITS, [2.0**-bits], [_symmetric(BASELINE_BITS)])


def _vector(matvec: IntegerMatVec) -> dict[str, Any]:
    step, bits = float(matvec.divisor) * 2.0**-matvec.input_bits, matvec.act_bits
    return _encoding(f"{matvec.name}.vector", bits, [step], [_symmetric(bits) + matvec.zero])


def _weights(matvec: IntegerMatVec) -> dict[str, Any]:
    scale, bits = matvec.matrix.scale, matvec.matrix.bits
    scale = scale[:1] if (scale == scale[0]).all() else scale
    offsets = np.where(scale < 0, _symmetric(bits) + 1, _symmetric(bits))
    return _encoding(f"{matvec.name}.weights", bits, np.abs(scale).tolist(), offsets.tolist())


def not_expressed(network: IntegerNetwork) -> list[str]:
    """What these encodings cannot say of a network, each in a sentence."""
    matvecs, layers = network.matvecs, network.layers
    gates = [f"{matvec.name} {matvec.delta}" for matvec in matvecs if matvec.delta]
    found = [
        "that products are exact integer sums, made real by one float32 multiplication and rounded half to even to a "
        "16-bit grid of each row's own, and the 16-bit codes of their biases",
        "that every elementwise step is one float32 operation, rounded half to even to a 16-bit grid and saturated",
        f"the sigmoid and the tanh made of it: {len(network.sigmoid_knots)} knots with straight lines between, in "
        "integers",
        "that several matvecs read one vector, each by a quantizer of its own width: a vector has an entry for each",
        "what delta gates with threshold 0 save: matvecs skip what did not change",
    ]
    if gates:
        found.append(f"delta gates, by their thresholds in integer steps: {', '.join(gates)}")
    if quarters := _names(matvec for matvec in matvecs if matvec.shift):
        found.append(f"zero points in quarters of a step, here rounded to whole ones: {quarters}")
    if wide := _names(matvec for matvec in matvecs if matvec.matrix.bits == BASELINE_BITS):
        found.append(f"that 16-bit weight codes stay within 127 * 257, so that both bytes are signed: {wide}")
    if any(isinstance(layer, SruLayer) for layer in layers):
        found.append("an SRU's 16-bit vectors v and the scale of its highway")
    else:
        found.append("the grids of a cell's state and the constant that scales candidates")
    return found


def _names(matvecs: Iterable[IntegerMatVec]) -> str:
    return ", ".join(matvec.name for matvec in matvecs)
