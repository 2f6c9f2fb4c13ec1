"""Checkpoints: one safetensors file with weights, decoder and a card. No pickle is read or written.

Tensors are float32, named `network.<parameter>` and `decoder.<array>`; the card (model, sizes, how it was trained and
what it scored) is JSON in the file's metadata under "card", readable without loading a tensor.
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

from models.registry import Spec, build_network, spec_from_json
from models.workload import InputError, MissingError

SHIPPED = Path(__file__).parent / "checkpoints"
HEADER_LIMIT_BYTES = 100 * 2**20  # Source: safetensors format description


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Sizes, parameters and card of a trained network, and its decoder's arrays (empty without a decoder)."""

    spec: Spec
    weights: dict[str, NDArray[np.float32]]
    decoder: Mapping[str, NDArray[Any]]
    card: dict[str, Any]

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
    """Write the checkpoint atomically: a crash leaves the old file or the new one."""
    from safetensors.numpy import save_file

    tensors = {f"network.{name}": np.ascontiguousarray(a, np.float32) for name, a in checkpoint.weights.items()}
    tensors |= {f"decoder.{name}": np.ascontiguousarray(a, np.float32) for name, a in checkpoint.decoder.items()}
    card = dict(checkpoint.card, model=checkpoint.spec.name, sizes=checkpoint.spec.to_json())
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary, metadata={"card": json.dumps(card, sort_keys=True)})
    temporary.replace(path)


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
    except (struct.error, KeyError, TypeError, ValueError) as error:
        raise InputError(f"checkpoint {path} is damaged or not one of this tool's: {_line(error)}") from error


def load(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises InputError naming what is damaged, missing or of the wrong shape."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    spec, card = read_card(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"checkpoint {path} is damaged: {_line(error)}") from error
    parts: dict[str, dict[str, NDArray[Any]]] = {"network": {}, "decoder": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        if part not in parts:
            raise InputError(f"checkpoint {path}: tensor '{name}' is neither network.* nor decoder.*")
        parts[part][rest] = tensor
    _check_shapes(path, spec.shapes(), parts["network"])
    return Checkpoint(spec, parts["network"], parts["decoder"], card)


def _check_shapes(path: Path, wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, np.ndarray]) -> None:
    for name in sorted(wanted.keys() | found.keys()):
        have = found[name].shape if name in found else "missing"
        want = wanted.get(name, "absent")
        if have != want:
            raise InputError(f"checkpoint {path}: network.{name} is {have}, should be {want}")
        if not np.isfinite(found[name]).all():
            raise InputError(f"checkpoint {path}: network.{name} holds values that are not finite")


def content_hash(path: Path) -> str:
    """SHA-256 of the file, first 16 hex digits. Raises MissingError where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except FileNotFoundError:
        raise MissingError(f"no checkpoint at {path}") from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
