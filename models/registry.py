"""Registry of models by name, with the modules and classes of each, imported on first use.

To add a model of gated recurrent layers, as LSTM, GRU and LiGRU are:
1. `models/networks/x.py`: a frozen dataclass of its sizes that inherits `models.networks.recurrent.Recurrent` and
   brings its gates and its float step; PRESETS with "edge" and "paper". Its float network is there already, and
   directions are no concern of a step.
2. `models/engines/recurrent_cells.py`: a cell in CELLS, which calls a compiled loop of `models.kernels`.
3. `models/gpu/recurrent.py`: the same step in torch operations, in CELLS.
4. `tests/support/numpy_network.py`: the same step in plain NumPy, in STEPS.
5. `dse/retraining/recurrence.py`: the gradient of the step, in STEPS; in plain torch in
   `tests/support/plain_straight_through.py`.
6. A line in MODELS.

To add a model of another family:
1. `models/networks/`: sizes (see `Spec`) and PRESETS in one file, the float network in another.
2. `models/engines/integer_network.py`: what one of its layers is in integers. `models/engines/x_integers.py`: from
   weights and calibration to such a layer, in `network_quantizer.FAMILIES`.
3. `models/engines/x.py`: the compiled engine, with a float run in `float_run.py`; `models/gpu/x.py`: the same in torch.
4. `tests/support/numpy_network.py`: the layer in plain NumPy, and where `run` chooses it.
5. `dse/retraining/network.py`: its gradient, and where the matrices stand in `start.py`; in plain torch as above.
6. A line in MODELS.

`tests/numbers/test_model_conformance.py` then holds it to what every model must keep, at its edge preset shrunk or at
sizes of its own in `tests/support/networks.py`. A checkpoint in `models/checkpoints`, made by `dse.train`, is what its
edge preset runs with where no --checkpoint is given.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, get_type_hints

from models.devices import CPU
from models.networks.directions import Directions
from models.workload import InputError, Workload

if TYPE_CHECKING:
    from models.engines.engine import Engine
    from models.engines.network_quantizer import NetworkQuantizer


@dataclass(frozen=True)
class Parts:
    """Places of a model's sizes, float network and engines, each as "module:class"."""

    spec: str  # its module holds PRESETS too
    network: str
    engine: str
    gpu_engine: str


_GATED = ("models.networks.recurrent_network:RecurrentNetwork", "models.engines.recurrent:RecurrentEngine",
          "models.gpu.recurrent:GpuRecurrentEngine")  # fmt: skip
MODELS = {
    "sru": Parts(
        "models.networks.sru:Sru",
        "models.networks.sru_network:SruNetwork",
        "models.engines.sru:SruEngine",
        "models.gpu.sru:GpuSruEngine",
    ),
    "lstm": Parts("models.networks.lstm:Lstm", *_GATED),
    "gru": Parts("models.networks.gru:Gru", *_GATED),
    "ligru": Parts("models.networks.ligru:Ligru", *_GATED),
}


# Far above any network that fits edge hardware; sizes that a damaged or foreign file claims take no hours then.
MOST_LAYERS, MOST_UNITS = 1000, 2**20


class Spec(Protocol):
    """Sizes of a network: a frozen dataclass that loads no torch."""

    @property
    def name(self) -> str: ...

    @property
    def features(self) -> int: ...

    @property
    def layers(self) -> int: ...

    @property
    def outputs(self) -> int: ...

    @property
    def directions(self) -> Directions: ...

    def workload(self) -> Workload: ...

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the network's parameters and buffers, by name."""
        ...

    def to_json(self) -> dict[str, Any]: ...


def _load(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def _parts(model: str) -> Parts:
    if model not in MODELS:
        raise InputError(f"unknown model '{model}'; there are {', '.join(sorted(MODELS))}")
    return MODELS[model]


def presets(model: str) -> Mapping[str, Spec]:
    """Sizes of the model's presets, by the preset's name. Raises InputError on an unknown model."""
    found: Mapping[str, Spec] = import_module(_parts(model).spec.partition(":")[0]).PRESETS
    return found


def preset(model: str, name: str) -> Spec:
    """Sizes of one preset. Raises InputError on an unknown model or preset."""
    known = presets(model)
    if name not in known:
        raise InputError(f"unknown preset '{name}' of {model}; there are {', '.join(sorted(known))}")
    return known[name]


def spec_from_json(model: str, sizes: Mapping[str, Any]) -> Spec:
    """Sizes from their JSON form. Raises InputError on an unknown model, an unknown size or a value out of range."""
    spec_class = _load(_parts(model).spec)
    kinds = get_type_hints(spec_class)
    for name, size in sizes.items():
        kind, most = kinds.get(name), MOST_LAYERS if name == "layers" else MOST_UNITS
        if kind in (int, bool) and type(size) is not kind:
            raise InputError(
                f"{model}: {name} is {size!r}, not {'true or false' if kind is bool else 'a whole number'}"
            )
        if kind is float and (type(size) not in (int, float) or not abs(size) <= sys.float_info.max):
            raise InputError(f"{model}: {name} is {size!r}, not a number")
        if kind is int and size > most:
            raise InputError(f"{model}: {name} is {size}, at most {most} are taken")
    try:
        spec: Spec = spec_class(**sizes)
    except TypeError as error:
        raise InputError(f"{model}: {error}") from error
    return spec


def build_network(spec: Spec) -> Any:
    """Build the float network, a trainable torch module: forward(features, offsets, trace=None) -> logits."""
    return _load(_parts(spec.name).network)(spec)


def build_engine(quantizer: NetworkQuantizer, device: str = CPU) -> Engine:
    """Build the engine of a quantized network with delta gates: compiled on the CPU, else in torch operations.

    `device` is a name of torch's. Both engines give the same integers.
    """
    parts = _parts(quantizer.spec.name)
    if device == CPU:
        engine: Engine = _load(parts.engine)(quantizer)
    else:
        engine = _load(parts.gpu_engine)(quantizer, device)
    return engine
