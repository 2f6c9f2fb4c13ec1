"""State dicts of torch, read from safetensors or by torch's weights-only loader. Nothing in a file is executed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.workload import InputError, MissingError

Arrays = dict[str, NDArray[np.float32]]
MOST_DEPTH = 3  # of tables in tables; a training script's file has its state dicts in one table or two


def read_content(path: Path, what: str, advice: str = "") -> Any:
    """Content of a file of torch.save, of any extension, or of safetensors: a dict of tensors.

    Raises MissingError, naming `what` it should be, without the file; InputError in one line, which ends in `advice`,
    where it is damaged or holds anything but plain data.
    """
    if not path.is_file():
        raise MissingError(f"no {what} at {path}" + (", it is a folder" if path.is_dir() else ""))
    try:
        with path.open("rb") as file:
            begin = file.read(9)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if begin[8:] == b"{":  # after the length of its header; Source: safetensors' format description
        return _safetensors(path)
    import torch

    with path.open("rb") as file, warnings.catch_warnings(action="ignore"):
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged or hostile pickle fails in as many ways as there are opcodes
            raise InputError(
                f"{path} is not loaded: it is damaged, or holds objects other than tensors, numbers and text{advice}"
            ) from error


def _safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(path.read_bytes())
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is damaged: {' '.join(str(error).split()) or type(error).__name__}") from error


def arrays_of(tensors: Mapping[Any, Any], where: str) -> Arrays:
    """Tensors as float32 arrays, of floats of any width and of whole numbers. Raises InputError naming others."""
    import torch

    arrays = {}
    for name, value in tensors.items():
        plain = isinstance(value, torch.Tensor) and value.layout is torch.strided and not value.is_meta
        if not plain or value.is_quantized or value.is_complex():
            raise InputError(f"{where}: '{name}' is not a plain tensor of numbers")
        arrays[str(name)] = value.detach().float().numpy()
    return arrays


def state_dicts(content: object, prefix: str = "") -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """State dicts in a file's content, each with where it stands: '' for the file as a whole, as in 'model.encoder'.

    One is a table with a tensor in it under a name; tables beside tensors are not looked into.
    """
    import torch

    if not isinstance(content, Mapping) or prefix.count(".") >= MOST_DEPTH:
        return
    if any(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in content.items()):
        yield prefix.removesuffix("."), content
        return
    for name, value in content.items():
        yield from state_dicts(value, f"{prefix}{name}.")
