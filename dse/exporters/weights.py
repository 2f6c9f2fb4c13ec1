"""The integer network of a bundle: plain JSON and arrays, weights packed at their width.

Codes of `bits` bits are two's complement, row after row, each code's lowest bit first, from the lowest bit of a byte
on; the last byte of a matrix is filled with zeros.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.engines.gated_integers import by_vector
from models.engines.integer_network import GatedLayer, IntegerMatVec, IntegerNetwork, Layer, SruLayer
from models.networks.recurrent import Recurrent
from models.networks.sru import Sru
from models.quantization.fixed_point import MAX_FRACTION_BITS, sigmoid_knots
from models.quantization.quantizer import WEIGHT_CODE_MAX, QuantizedMatrix
from models.registry import Spec
from models.workload import BASELINE_BITS, INTEGER_BITS, MOST_STEPS, InputError, MatVec

Arrays = Mapping[str, NDArray[Any]]
WIDTHS = (*INTEGER_BITS, BASELINE_BITS)
AT_ONCE = 1 << 16  # codes that are unfolded to bits at once; of a whole number of bytes at any width
MOST_ZERO = 128  # steps; zero points are 8-bit numbers
NUMBERS = (int, float, np.float32, bool)  # what a layer holds besides matvecs and arrays


def pack(codes: NDArray[np.int16], bits: int) -> NDArray[np.uint8]:
    """Pack codes (any shape) of `bits` bits into bytes [ceil(codes * bits / 8)]."""
    flat = codes.ravel()
    parts = (flat[k : k + AT_ONCE].astype(np.int32)[:, None] >> np.arange(bits) for k in range(0, len(flat), AT_ONCE))
    return np.concatenate([np.packbits((part & 1).astype(np.uint8).ravel(), bitorder="little") for part in parts])


def unpack(packed: NDArray[np.uint8], bits: int, shape: tuple[int, int]) -> NDArray[np.int16]:
    """Codes [rows, cols] of what `pack` gives. Raises InputError where it has another length."""
    count = shape[0] * shape[1]
    if packed.shape != (-(-count * bits // 8),):
        raise InputError(f"{list(packed.shape)} bytes are not {list(shape)} codes of {bits} bits")
    codes = np.empty(count, np.int16)
    for start in range(0, count, AT_ONCE):
        part = codes[start : start + AT_ONCE]
        bytes_of_part = packed[start * bits // 8 :][: -(-len(part) * bits // 8)]
        planes = np.unpackbits(bytes_of_part, count=len(part) * bits, bitorder="little").reshape(-1, bits)
        values = planes.astype(np.int32) @ (1 << np.arange(bits, dtype=np.int32))
        part[:] = np.where(planes[:, -1] == 1, values - (1 << bits), values)
    return codes.reshape(shape)


def to_record(network: IntegerNetwork) -> dict[str, Any]:
    """All of a network but its arrays, JSON-ready; floats are float32 values, which JSON's decimals keep exactly."""
    return {
        "hidden": network.hidden,
        "input_fraction_bits": network.input_bits,
        "layers": [_numbers(layer) for layer in network.layers],
        "matvecs": {matvec.name: _matvec_record(matvec) for matvec in network.matvecs},
    }


def to_arrays(network: IntegerNetwork) -> dict[str, NDArray[Any]]:
    """Arrays of a network, by name."""
    arrays: dict[str, NDArray[Any]] = {
        "input_mean": network.input_mean,
        "input_std": network.input_std,
        "sigmoid_knots": network.sigmoid_knots,
    }
    for number, layer in enumerate(network.layers):
        if isinstance(layer, SruLayer):
            arrays[f"l{number}.v"] = layer.v
    for matvec in network.matvecs:
        arrays[f"{matvec.name}.codes"] = pack(matvec.matrix.codes, matvec.matrix.bits)
        arrays[f"{matvec.name}.bias"] = matvec.bias
        arrays[f"{matvec.name}.result_fraction_bits"] = matvec.result_bits
    return arrays


def from_record(spec: Spec, record: Mapping[str, Any], arrays: Arrays) -> IntegerNetwork:
    """Network of these sizes. Raises InputError naming what is missing, of another size or out of range."""
    try:
        matvecs = {m.name: _matvec(m, record["matvecs"][m.name], arrays) for m in spec.workload()}
        numbers = record["layers"]
        if len(numbers) != spec.layers or len(record["matvecs"]) != len(matvecs):
            raise InputError(f"{len(numbers)} layers, {len(record['matvecs'])} matvecs are not those of a {spec.name}")
        layers = tuple(_layer(spec, number, numbers[number], matvecs, arrays) for number in range(spec.layers))
        hidden = _whole("hidden", record["hidden"], 1, 2**20)
        network = IntegerNetwork(
            spec.name,
            hidden,
            spec.directions,
            _array(arrays, "input_mean", np.float32, (spec.features,)),
            _array(arrays, "input_std", np.float32, (spec.features,)),
            _fraction_bits("input_fraction_bits", record["input_fraction_bits"]),
            layers,
            matvecs["output"],
            _array(arrays, "sigmoid_knots", np.int16, sigmoid_knots().shape),
        )
    except KeyError as error:
        raise InputError(f"it lacks {error.args[0]}") from error
    except (TypeError, AttributeError) as error:
        raise InputError(f"it is not as it should be: {error}") from error
    if not (np.isfinite(network.input_mean).all() and (network.input_std > 0).all()):
        raise InputError("input_mean or input_std holds values that cannot be")
    if (network.sigmoid_knots != sigmoid_knots()).any():
        raise InputError("sigmoid_knots are not those of the sigmoid")
    return network


def _matvec_record(matvec: IntegerMatVec) -> dict[str, Any]:
    multiples = matvec.matrix.multiples
    return {
        "rows": matvec.rows,
        "cols": matvec.cols,
        "weight_bits": matvec.matrix.bits,
        "weight_step": float(matvec.matrix.step),
        "row_multiples": None if (multiples == 1).all() else multiples.tolist(),
        "act_bits": matvec.act_bits,
        "act_step": float(matvec.divisor),
        "act_zero": matvec.zero,
        "act_zero_rest": float(matvec.shift),
        "delta_steps": matvec.delta,
        "input_fraction_bits": matvec.input_bits,
    }


def _matvec(sizes: MatVec, record: Mapping[str, Any], arrays: Arrays) -> IntegerMatVec:
    name, rows = sizes.name, sizes.rows
    if (record["rows"], record["cols"]) != (rows, sizes.cols):
        raise InputError(f"{name} is [{record['rows']}, {record['cols']}], not [{rows}, {sizes.cols}]")
    bits = _one_of(f"{name}: weight_bits", record["weight_bits"], WIDTHS)
    act_bits = _one_of(f"{name}: act_bits", record["act_bits"], WIDTHS)
    packed = arrays[f"{name}.codes"]
    if packed.dtype != np.uint8:
        raise InputError(f"{name}.codes are {packed.dtype}, not bytes")
    codes = unpack(packed, bits, (rows, sizes.cols))
    if bits == BASELINE_BITS and np.abs(codes.astype(np.int32)).max() > WEIGHT_CODE_MAX:
        raise InputError(f"{name}.codes hold a code beyond {WEIGHT_CODE_MAX}")
    given = record["row_multiples"]
    multiples = np.ones(rows, np.int8)
    if given is not None:
        if len(given) != rows:
            raise InputError(f"{name}: row_multiples are {len(given)}, not {rows}")
        multiples = np.array([_whole(f"{name}: row_multiples", each, -127, 127) for each in given], np.int8)
    step, divisor = (_step(f"{name}: {field}", record[field]) for field in ("weight_step", "act_step"))
    input_bits = _fraction_bits(f"{name}: input_fraction_bits", record["input_fraction_bits"])
    result_bits = _array(arrays, f"{name}.result_fraction_bits", np.int8, (rows,))
    if (np.abs(result_bits) > MAX_FRACTION_BITS).any():
        raise InputError(f"{name}.result_fraction_bits are beyond {MAX_FRACTION_BITS}")
    rest = record["act_zero_rest"]
    if type(rest) not in (int, float) or rest * 4 not in (-2, -1, 0, 1, 2):
        raise InputError(f"{name}: act_zero_rest is {rest!r}, not a number of quarters")
    matrix = QuantizedMatrix(codes, step, multiples, bits)
    scale = matrix.scale * divisor * np.ldexp(np.float32(1), result_bits - input_bits)
    if not np.isfinite(scale).all():
        raise InputError(f"{name}: its scales are not finite")
    return IntegerMatVec(
        name,
        matrix,
        act_bits,
        _whole(f"{name}: act_zero", record["act_zero"], -MOST_ZERO, MOST_ZERO),
        np.float32(rest),
        _whole(f"{name}: delta_steps", record["delta_steps"], 0, MOST_STEPS),
        input_bits,
        divisor,
        scale,
        result_bits,
        _array(arrays, f"{name}.bias", np.int16, (rows,)),
    )


def _layer(
    spec: Spec, number: int, record: Mapping[str, Any], matvecs: Mapping[str, IntegerMatVec], arrays: Arrays
) -> Layer:
    """Layer of a network of these sizes, which say how its matvecs stand."""
    where = f"layer l{number}: "
    if isinstance(spec, Sru):
        v = _array(arrays, f"l{number}.v", np.int16, (2, spec.width))
        projection = matvecs[f"l{number}.projection"] if spec.projected(number) else None
        bits = {name: _fraction_bits(where + name, record[name]) for name in _bit_fields(SruLayer)}
        return SruLayer(
            projection, matvecs[f"l{number}.input"], v, alpha=_whole(where + "alpha", record["alpha"], 0, 2**15), **bits
        )
    if not isinstance(spec, Recurrent):
        raise InputError(f"no layer of a {spec.name} is known here")
    recurrent = tuple(matvecs[name] for name in spec.recurrent_names(number))
    scale, after = _step(f"{where}candidate_scale", record["candidate_scale"]), record["reset_after"]
    if scale > 1 or after is not getattr(spec, "reset_after", False):
        raise InputError(f"{where}candidate_scale {scale} or reset_after {after} is not the network's")
    return GatedLayer(
        tuple(matvecs[name] for name in spec.input_names(number)),
        by_vector(spec, recurrent),
        candidate_scale=scale,
        reset_after=after,
        **{name: _fraction_bits(where + name, record[name]) for name in _bit_fields(GatedLayer)},
    )


def _numbers(layer: Layer) -> dict[str, Any]:
    held = {field.name: getattr(layer, field.name) for field in fields(layer)}
    return {
        name: float(value) if isinstance(value, np.float32) else value
        for name, value in held.items()
        if isinstance(value, NUMBERS)
    }


def _bit_fields(kind: type[Layer]) -> Iterator[str]:
    return (field.name for field in fields(kind) if field.name.endswith("_bits"))


def _array(arrays: Arrays, name: str, kind: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    array = arrays[name]
    if array.dtype != kind or array.shape != shape:
        raise InputError(f"{name} is {array.dtype} {list(array.shape)}, not {np.dtype(kind)} {list(shape)}")
    return array


def _whole(what: str, value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise InputError(f"{what} is {value!r}, not a whole number from {least} to {most}")
    return value


def _fraction_bits(what: str, value: Any) -> int:
    return _whole(what, value, -MAX_FRACTION_BITS, MAX_FRACTION_BITS)


def _one_of(what: str, value: Any, valid: tuple[int, ...]) -> int:
    if type(value) is not int or value not in valid:
        raise InputError(f"{what} is {value!r}, none of {', '.join(map(str, valid))}")
    return value


def _step(what: str, value: Any) -> np.float32:
    if type(value) not in (int, float) or not 0 < value < math.inf or not 0 < (step := np.float32(value)) < np.inf:
        raise InputError(f"{what} is {value!r}, not a step above 0")
    return step
