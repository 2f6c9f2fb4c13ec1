"""Checkpoints: one safetensors file with weights, decoder and a card. No pickle is read or written.

Tensors are float32, named `network.<parameter>`, `decoder.<array>` and, where the network was retrained under
quantization, `quantizer.<array>`, see `models.quantization.learned`; the card (model, sizes, how it was trained and
what it scored) is JSON in the file's metadata under "card", readable without loading a tensor. It holds a checksum of
the tensors and of itself; files of earlier versions have none.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.quantization.learned import NOTHING_LEARNED, Learned
from models.registry import Spec, build_network, spec_from_json
from models.whole_file import whole_file
from models.workload import InputError, MissingError

SHIPPED = Path(__file__).parent / "checkpoints"
CHECKSUM = "sha256"  # its name in the card
FLOATS = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}  # safetensors' names of types, and numpy's
# Magnitudes that a 16-bit grid without fraction bits holds, and with them products of a unit's inputs.
LARGEST_WEIGHT = 2.0**15
LARGEST_FEATURE = 2.0**30
HEADER_LIMIT_BYTES = 100 * 2**20  # Source: safetensors format description


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Sizes, parameters and card of a trained network, its decoder's arrays, and what it learned of its quantizers.

    The decoder is empty where there is none.
    """

    spec: Spec
    weights: dict[str, NDArray[np.float32]]
    decoder: Mapping[str, NDArray[Any]]
    card: dict[str, Any]
    learned: Learned = NOTHING_LEARNED

    def network(self) -> Any:
        """Build the float network with these weights: a torch module in evaluation mode."""
        import torch

        network = build_network(self.spec).eval()
        network.load_state_dict({name: torch.from_numpy(array) for name, array in self.weights.items()})
        return network


def is_shipped(model: str, preset: str) -> bool:
    """Whether the repository has a checkpoint of its own for these sizes."""
    return (SHIPPED / f"{model}-{preset}.safetensors").exists()


def shipped_path(model: str, preset: str) -> Path:
    """Path of the checkpoint shipped with the package. Raises MissingError where none is shipped."""
    path = SHIPPED / f"{model}-{preset}.safetensors"
    if not path.exists():
        raise MissingError(
            f"no checkpoint is shipped for {model} {preset}; train one with "
            f"`python -m dse.train --model {model} --preset {preset}` and pass it with --checkpoint"
        )
    return path


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint whole: a crash leaves the old file or the new one. Raises InputError where it cannot."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    tensors = {f"network.{name}": np.ascontiguousarray(a, np.float32) for name, a in checkpoint.weights.items()}
    for part, arrays in (("decoder", checkpoint.decoder), ("quantizer", checkpoint.learned.to_arrays())):
        tensors |= {f"{part}.{name}": np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
    card = dict(checkpoint.card, model=checkpoint.spec.name, sizes=checkpoint.spec.to_json())
    card[CHECKSUM] = _checksum(card, tensors)
    try:
        with whole_file(path) as beside:
            save_file(tensors, beside, metadata={"card": json.dumps(card, sort_keys=True)})
    except SafetensorError as error:
        raise InputError(f"cannot write the checkpoint {path}: {_line(error)}") from error


def read_card(path: Path) -> tuple[Spec, dict[str, Any]]:
    """Read sizes and card from the file's header alone.

    Raises MissingError without the file, InputError on a damaged one.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > HEADER_LIMIT_BYTES:
                raise InputError("its header is too long")
            card = json.loads(json.loads(file.read(length))["__metadata__"]["card"])
        return spec_from_json(card["model"], card["sizes"]), card
    except FileNotFoundError:
        raise MissingError(f"no checkpoint at {path}") from None
    except OSError as error:
        raise InputError(f"checkpoint {path} cannot be read: {error.strerror}") from error
    except (struct.error, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"checkpoint {path} is damaged or not one of this tool's: {_line(error)}") from error


def load(path: Path) -> Checkpoint:
    """Read a checkpoint, of floats of any width.

    Raises InputError naming what is damaged, missing, of the wrong shape or out of range.
    """
    from safetensors import SafetensorError, deserialize

    spec, card = read_card(path)
    try:
        stored = deserialize(path.read_bytes())
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"checkpoint {path} is damaged: {_line(error)}") from error
    tensors = {name: _floats(f"checkpoint {path}: tensor '{name}'", fields) for name, fields in stored}
    # A file of other floats was converted by somebody, who may have kept the card, by which its values are others.
    as_saved = all(fields["dtype"] == "F32" for _, fields in stored)
    if as_saved and card.get(CHECKSUM, expected := _checksum(card, tensors)) != expected:
        raise InputError(f"checkpoint {path} is damaged: its content is not that of its checksum")
    parts: dict[str, dict[str, NDArray[Any]]] = {"network": {}, "decoder": {}, "quantizer": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        if part not in parts:
            raise InputError(f"checkpoint {path}: tensor '{name}' is none of network.*, decoder.* and quantizer.*")
        parts[part][rest] = tensor
    _check_shapes(path, spec.shapes(), parts["network"])
    _check_values(path, tensors)
    try:
        learned = Learned.from_arrays(parts["quantizer"], spec.workload())
    except InputError as error:
        raise InputError(f"checkpoint {path}: {error}") from error
    return Checkpoint(spec, parts["network"], parts["decoder"], card, learned)


def _floats(what: str, stored: Mapping[str, Any]) -> NDArray[np.float32]:
    """A tensor as float32, from any of the usual floats. Raises InputError on one of another type."""
    data, kind = stored["data"], stored["dtype"]
    if kind == "BF16":  # the upper half of a float32
        values = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    elif kind in FLOATS:
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and refused as such
            values = np.frombuffer(data, FLOATS[kind]).astype(np.float32)
    else:
        raise InputError(f"{what} holds {kind}; floats are read: {', '.join((*FLOATS, 'BF16'))}")
    return values.reshape(stored["shape"])


def _check_shapes(path: Path, wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, np.ndarray]) -> None:
    for name in sorted(wanted.keys() | found.keys()):
        have = found[name].shape if name in found else "missing"
        want = wanted.get(name, "absent")
        if have != want:
            raise InputError(f"checkpoint {path}: network.{name} is {have}, should be {want}")


def _check_values(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Check that all values are finite and such as a network can have and its fixed-point grids can hold."""
    for name, tensor in tensors.items():
        least, largest = -LARGEST_WEIGHT, LARGEST_WEIGHT
        if name == "network.input_std":
            least, largest = 1 / LARGEST_FEATURE, LARGEST_FEATURE
        elif name == "network.input_mean":
            least, largest = -LARGEST_FEATURE, LARGEST_FEATURE
        elif name.startswith("network.norm_var."):
            least, largest = 0.0, LARGEST_WEIGHT**2
        if not np.isfinite(tensor).all():
            raise InputError(f"checkpoint {path}: {name} holds values that are not finite")
        wrong = tensor[(tensor < least) | (tensor > largest)]
        if wrong.size:
            raise InputError(f"checkpoint {path}: {name} holds {wrong[0]:g}; {least:g} to {largest:g} is possible")


def _checksum(card: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of a card, but for its checksum, and of tensors."""
    told = {name: value for name, value in card.items() if name != CHECKSUM}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype.str} {list(tensor.shape)}\n".encode() + tensor.tobytes())
    return digest.hexdigest()


def content_hash(path: Path) -> str:
    """SHA-256 of the file without its checksum, first 16 hex digits. Raises MissingError where there is none.

    A checkpoint of an earlier version thus stays the same when it is given a checksum.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise MissingError(f"no checkpoint at {path}") from None
    return hashlib.sha256(_without_checksum(content)).hexdigest()[:16]


def _without_checksum(content: bytes) -> bytes:
    """Bytes of the file as `save` would write it without a checksum; unchanged where it has none."""
    try:
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        card = json.loads(header["__metadata__"]["card"])
        del card[CHECKSUM]
    except (struct.error, KeyError, TypeError, ValueError, RecursionError):
        return content
    header["__metadata__"]["card"] = json.dumps(card, sort_keys=True)
    compact = json.dumps(header, separators=(",", ":")).encode()
    padded = compact + b" " * (-len(compact) % 8)  # Source: safetensors, as its library writes it
    return struct.pack("<Q", len(padded)) + padded + content[8 + length :]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
