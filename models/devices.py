"""Devices that networks run on: the CPU, or a GPU, which has to give the same integers."""

from __future__ import annotations

from collections.abc import Sequence

from models.workload import InputError

CPU, GPU = DEVICES = ("cpu", "cuda")


def require_known(device: str, known: Sequence[str] = DEVICES) -> None:
    """Check that `device` is one of `known`. Raises InputError for any other name."""
    if device not in known:
        raise InputError(f"device '{device}' is none of {', '.join(known)}")


def require_gpu(device: str) -> None:
    """Check that there is a GPU if `device` is one. Raises InputError where there is none."""
    if device == GPU:
        import torch

        if not torch.cuda.is_available():
            raise InputError(f"device {GPU}: this torch sees no GPU; use --device {CPU}")
