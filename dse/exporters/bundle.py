"""A bundle: the folder of a chosen configuration, written whole, read with every part checked.

manifest.json        schema, version, SHA-256 of every file and of itself
configuration.json   what was chosen and of what network; all of the integer network but its arrays
weights.safetensors  the integer network's arrays, weights packed at their width, see `weights`
decoder.safetensors  phone bigram and priors; of context-dependent targets also their phones; empty where the decoder,
                     which configuration.json names, needs none
golden.safetensors   held-out utterances, and what the evaluator gave for them, see `golden`
card.md              the same for people
onnx/, c/, ...       the parts that run, see `dse.exporters`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.exporters import weights
from dse.exporters.decoding import Arrays, Decoding
from dse.exporters.golden import Golden
from dse.exporters.manifest import read_json, require_whole
from models.engines.integer_network import IntegerNetwork
from models.registry import Spec, spec_from_json
from models.whole_file import whole_file
from models.workload import Configuration, InputError

CONFIGURATION, CARD = "configuration.json", "card.md"
WEIGHTS, DECODER, GOLDEN = "weights.safetensors", "decoder.safetensors", "golden.safetensors"


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle that was read and checked. `record` is configuration.json."""

    folder: Path
    record: Mapping[str, Any]
    spec: Spec
    configuration: Configuration
    network: IntegerNetwork
    decoding: Decoding
    golden: Golden


def open_bundle(folder: Path) -> Bundle:
    """Read a bundle. Raises MissingError where there is none, InputError naming the file that is not as written."""
    require_whole(folder, (CONFIGURATION, WEIGHTS, DECODER, GOLDEN))
    record = read_json(folder / CONFIGURATION)
    try:
        spec = spec_from_json(record["model"], record["sizes"])
        configuration = Configuration.from_json(record["configuration"])
        if tuple(name for name, _ in configuration) != spec.workload().names:
            raise InputError(f"its matvecs are not those of the {spec.name}")
        network = weights.from_record(spec, record["network"], read_arrays(folder / WEIGHTS))
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        lacks = "it lacks " if isinstance(error, KeyError) else ""
        raise InputError(f"bundle {folder}: {CONFIGURATION} and {WEIGHTS} do not fit: {lacks}{error}") from error
    for matvec in network.matvecs:
        if (matvec.matrix.bits, matvec.act_bits, matvec.delta) != configuration[matvec.name].effect:
            raise InputError(f"bundle {folder}: {CONFIGURATION}: {matvec.name} is not quantized as configured")
    try:
        decoding = Decoding.from_arrays(record.get("decoder"), read_arrays(folder / DECODER), spec.outputs)
    except (InputError, ValueError) as error:
        raise InputError(f"bundle {folder}: {DECODER}: {error}") from error
    try:
        most = {"phones": len(decoding.decoder.labels), "reference_phones": decoding.references}
        golden = Golden.from_arrays(read_arrays(folder / GOLDEN), spec, most)
    except (InputError, KeyError) as error:
        raise InputError(f"bundle {folder}: {GOLDEN}: {error}") from error
    return Bundle(folder, record, spec, configuration, network, decoding, golden)


def read_arrays(path: Path) -> Arrays:
    """Arrays of a safetensors file. Raises InputError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(path.read_bytes()))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split())}") from error


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    from safetensors.numpy import save_file

    with whole_file(path) as beside:  # for its permissions: the library's are the owner's alone
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, beside)
