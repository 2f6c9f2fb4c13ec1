"""Checkpoints of other tools and foreign claims: floats of any width are read, the rest is refused at once."""

import json
import struct
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from models.checkpoint import load, read_card, shipped_path
from models.registry import MODELS
from models.workload import InputError

SHIPPED = shipped_path("sru", "edge")


def write(path, change=lambda tensor: tensor, card=None):
    """The shipped SRU with each tensor changed, and its card in the header."""
    with SHIPPED.open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    tensors = {name: change(tensor) for name, tensor in load_file(SHIPPED).items()}
    save_file(tensors, path, metadata={"card": card or header["__metadata__"]["card"]})
    return path


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_floats_of_any_width_are_read(tmp_path, kind):
    found = load(write(tmp_path / "x.safetensors", lambda tensor: tensor.to(kind)))
    expected = {name: tensor.to(kind).to(torch.float32).numpy() for name, tensor in load_file(SHIPPED).items()}
    for name, array in {**found.weights}.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, expected[f"network.{name}"])
    assert {f"decoder.{name}" for name in found.decoder} <= set(expected)


@pytest.mark.parametrize("kind", [torch.int8, torch.int64, torch.bool, torch.float8_e4m3fn])
def test_other_types_are_refused_by_name(tmp_path, kind):
    path = write(tmp_path / "x.safetensors", lambda tensor: tensor.to(kind))
    with pytest.raises(
        InputError, match=r"x.safetensors: tensor '\S+' holds \S+; floats are read: F32, F16, F64, BF16"
    ):
        load(path)


def test_a_float64_that_float32_cannot_hold_is_refused(tmp_path):
    path = write(tmp_path / "x.safetensors", lambda tensor: tensor.double() * 1e300)
    with pytest.raises(InputError, match="holds values that are not finite"):
        load(path)


def sizes(model):
    return read_card(shipped_path(model, "edge"))[1]["sizes"]


def whole_numbers(model):
    return [name for name, size in sizes(model).items() if type(size) is int]


CLAIMS = [10**9, 10**18, 10**400, -1, 0, 2.5, float("inf"), "4", None, [4], {}, True]


@pytest.mark.parametrize("claim", CLAIMS, ids=repr)
@pytest.mark.parametrize("model", MODELS)
def test_sizes_that_cannot_be_are_refused_at_once(tmp_path, model, claim):
    for name in whole_numbers(model):
        card = json.dumps({"model": model, "sizes": sizes(model) | {name: claim}})
        path = write(tmp_path / "x.safetensors", card=card)
        start = time.monotonic()
        with pytest.raises(InputError, match=r"x\.safetensors") as error:
            load(path)
        assert time.monotonic() - start < 5 and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "card", ["[" * 100_000, "[]", "null", '{"model": []}', '{"model": "sru", "sizes": 3}', "9" * 9999]
)
def test_cards_that_are_none_are_refused(tmp_path, card):
    with pytest.raises(InputError, match=r"x.safetensors is damaged or not one of this tool's"):
        read_card(write(tmp_path / "x.safetensors", card=card))


@pytest.mark.parametrize("claim", ["x", None, [], float("nan"), float("inf"), 10**400], ids=repr)
def test_other_fields_of_a_wrong_type_are_refused(tmp_path, claim):
    given = sizes("ligru")
    others = set(given) - set(whole_numbers("ligru"))
    assert others
    for name in others:
        path = write(tmp_path / "x.safetensors", card=json.dumps({"model": "ligru", "sizes": given | {name: claim}}))
        with pytest.raises(InputError, match=rf"ligru: {name} is"):
            load(path)
