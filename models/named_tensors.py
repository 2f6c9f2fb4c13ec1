"""Tensors of a file of others, by name, until each has found its place. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.workload import InputError


class Tensors:
    """Tensors of one file, taken by name and shape; `kind` says whose and of what they are.

    `finish` rejects a file with tensors that were never taken.

    Methods that reject something raise InputError with one line that names the file and the tensor.
    """

    def __init__(self, source: str, kind: str, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        self.source, self.kind = source, kind
        self._arrays, self._left = arrays, set(arrays)

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    @property
    def left(self) -> list[str]:
        """Names that were neither taken nor accepted, in order."""
        return sorted(self._left)

    def size(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor that is there."""
        return self._arrays[name].shape

    def shape(self, name: str, dimensions: int) -> tuple[int, ...]:
        """Shape of a tensor, which must have so many dimensions, none of them 0."""
        if name not in self._arrays:
            raise InputError(f"{self.source}: tensor {name} is missing; {self.kind} has it")
        shape = self._arrays[name].shape
        if len(shape) != dimensions or not all(shape):
            raise InputError(f"{self.source}: tensor {name} is {list(shape)}, should have {dimensions} dimensions")
        return shape

    def take(self, name: str, *shape: int) -> NDArray[np.float32]:
        """Take a tensor, which must have that shape and finite values."""
        found = self.shape(name, len(shape))
        if found != shape:
            raise InputError(f"{self.source}: tensor {name} is {list(found)}, should be {list(shape)}")
        if not np.isfinite(self._arrays[name]).all():
            raise InputError(f"{self.source}: tensor {name} holds values that are not finite")
        self._left.discard(name)
        return self._arrays[name]

    def count(self, name: str) -> int:
        """Count the tensors name.format(0), name.format(1), ... up to the first that is missing."""
        layers = 0
        while name.format(layers) in self._arrays:
            layers += 1
        return layers

    def refuse(self, name: str, why: str) -> None:
        """Raise InputError: `why`, found in the tensor, is not supported."""
        raise InputError(f"{self.source}: tensor {name}: {why} is not supported")

    def check_unused(self, module: str, initial: Mapping[str, float], what: str) -> None:
        """Accept the parameters of the unused `module` if they have their `initial` values; else refuse `what`."""
        for parameter, value in initial.items():
            name = f"{module}.{parameter}"
            if name in self and (self._arrays[name] != value).any():
                self.refuse(name, what)
            self._left.discard(name)

    def ignore(self, name: str) -> None:
        """Accept a tensor, if there is one, without using it."""
        self._left.discard(name)

    def finish(self) -> None:
        """Check that all tensors were taken or accepted."""
        if self._left:
            raise InputError(f"{self.source}: tensor {self.left[0]} has no place in {self.kind}")
