"""The models by name: one line each, loaded when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.workload import Workload

if TYPE_CHECKING:
    from models.engine import Engine

# name -> module that holds the sizes (a frozen dataclass, see ModelSpec) and PRESETS
MODELS = {
    "sru": "models.sru:Sru",
    "lstm": "models.lstm:Lstm",
    "gru": "models.gru:Gru",
    "ligru": "models.ligru:Ligru",
}


class ModelSpec(Protocol):
    """A network's sizes. Only `network` and what runs it load torch."""

    @property
    def name(self) -> str: ...

    @property
    def outputs(self) -> int: ...

    def workload(self) -> Workload: ...

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The network's parameters and buffers; loads no torch."""
        ...

    def network(self) -> Any:
        """The float network, a torch module: forward(features, offsets, trace=None) -> logits."""
        ...

    def engine(self, weights: dict[str, NDArray[np.float32]], calibration: Any, device: str = "cpu") -> Engine:
        """The quantized network, with the same integers on every device of torch."""
        ...

    def to_json(self) -> dict[str, Any]: ...


def _load(model: str) -> tuple[Any, type]:
    if model not in MODELS:
        raise ValueError(f"unknown model '{model}'; there are {', '.join(sorted(MODELS))}")
    module_name, class_name = MODELS[model].split(":")
    module = import_module(module_name)
    return module, getattr(module, class_name)


def presets(model: str) -> Mapping[str, ModelSpec]:
    """The model's size presets by name."""
    found: Mapping[str, ModelSpec] = _load(model)[0].PRESETS
    return found


def preset(model: str, name: str) -> ModelSpec:
    known = presets(model)
    if name not in known:
        raise ValueError(f"unknown preset '{name}' of {model}; there are {', '.join(sorted(known))}")
    return known[name]


def spec_from_json(model: str, sizes: Mapping[str, Any]) -> ModelSpec:
    """Raises ValueError on an unknown model, an unknown size or a value out of range."""
    _, spec_class = _load(model)
    try:
        spec: ModelSpec = spec_class(**sizes)
    except TypeError as error:
        raise ValueError(f"{model}: {error}") from error
    return spec
