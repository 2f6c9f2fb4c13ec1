"""Checkpoints: what is damaged, or cannot be, is named; a checksum finds the rest and changes no identity."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from models.checkpoint import CHECKSUM, Checkpoint, content_hash, load, save, shipped_path
from models.registry import MODELS, preset
from models.workload import InputError


def test_damaged_checkpoints_are_named(tmp_path):
    whole = load(shipped_path("sru", "edge"))
    data = shipped_path("sru", "edge").read_bytes()
    path = tmp_path / "x.safetensors"
    for cut in (0, 5, 200, len(data) // 2):
        path.write_bytes(data[:cut])
        with pytest.raises(ValueError, match="damaged"):
            load(path)
    path.write_bytes(b"\x80\x04 pickled, perhaps" * 50)
    with pytest.raises(ValueError, match="damaged"):
        load(path)
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        load(tmp_path / "absent.safetensors")
    with pytest.raises(ValueError, match="cannot be read"):
        load(tmp_path)
    for name, change in (("output", lambda a: a[:5]), ("output", lambda a: a * np.nan), ("v.l0", None)):
        weights = dict(whole.weights)
        weights[name] = change(weights[name]) if change else weights[name]
        if change is None:
            del weights[name]
        save(path, dataclasses.replace(whole, weights=weights))
        with pytest.raises(ValueError, match=f"network.{name}"):
            load(path)


def test_a_checkpoint_survives_saving_and_loading(tmp_path):
    whole = load(shipped_path("sru", "edge"))
    save(tmp_path / "again.safetensors", whole)
    again = load(tmp_path / "again.safetensors")
    assert again.spec == whole.spec and json.dumps(again.card) == json.dumps(whole.card)
    assert all((again.weights[name] == whole.weights[name]).all() for name in whole.weights)
    assert all((again.decoder[name] == whole.decoder[name]).all() for name in whole.decoder)


def same(one: Checkpoint, other: Checkpoint) -> bool:
    arrays = [(a, b) for part in ("weights", "decoder") for a, b in both(getattr(one, part), getattr(other, part))]
    return one.spec == other.spec and all(np.array_equal(a, b) for a, b in arrays)


def both(one: dict, other: dict) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(one[name], other[name]) for name in one.keys() | other.keys()]


@pytest.mark.parametrize("model", MODELS)
def test_a_flipped_bit_is_named_or_changes_nothing(tmp_path: Path, model: str) -> None:
    """One in the checksum's own name leaves the network as it is, and a file without one."""
    whole, data = load(shipped_path(model, "edge")), bytearray(shipped_path(model, "edge").read_bytes())
    assert len(whole.card[CHECKSUM]) == 64
    header = int.from_bytes(data[:8], "little")
    rng, path = np.random.default_rng(0), tmp_path / "x.safetensors"
    places = [*rng.integers(0, 8 + header, 80), *rng.integers(8 + header, len(data), 80)]
    for place in places:
        bit = 1 << int(rng.integers(8))
        data[place] ^= bit
        path.write_bytes(data)
        data[place] ^= bit
        try:
            found = load(path)
        except InputError as error:
            assert "\n" not in str(error) and "x.safetensors" in str(error)
        else:
            assert place < 8 + header and same(found, whole)


IMPOSSIBLE = [np.nan, np.inf, -np.inf, 1e30, -1e30]


@pytest.mark.parametrize("model", MODELS)
def test_values_that_cannot_be_are_named(tmp_path: Path, model: str) -> None:
    """Of every tensor, network and decoder, whatever its checksum says."""
    whole, path = load(shipped_path(model, "edge")), tmp_path / "x.safetensors"
    for part in ("weights", "decoder"):
        for name, array in getattr(whole, part).items():
            tensor = f"{'network' if part == 'weights' else part}.{name}"
            for value in [*IMPOSSIBLE, *([0.0, -1.0] if name == "input_std" else [-1.0] if "norm_var" in name else [])]:
                changed = array.copy()
                changed.flat[changed.size // 2] = value
                save(path, dataclasses.replace(whole, **{part: getattr(whole, part) | {name: changed}}))
                with pytest.raises(InputError, match=f"{tensor} holds") as error:
                    load(path)
                assert "\n" not in str(error.value)


@pytest.mark.parametrize("model", MODELS)
def test_a_checksum_changes_no_identity(tmp_path: Path, model: str) -> None:
    """Studies name checkpoints by content; those searched before there were checksums go on."""
    whole, path = load(shipped_path(model, "edge")), tmp_path / "x.safetensors"
    save(path, whole)
    assert content_hash(path) == content_hash(shipped_path(model, "edge"))
    bare = without_checksum(path)
    path.write_bytes(bare)
    assert content_hash(path) == hashlib.sha256(bare).hexdigest()[:16] == content_hash(shipped_path(model, "edge"))
    assert same(load(path), whole) and preset(model, "edge") == whole.spec


def without_checksum(path: Path) -> bytes:
    """As files of earlier versions were, written by safetensors itself."""
    from safetensors.numpy import load_file, save

    card = load(path).card
    del card[CHECKSUM]
    written: bytes = save(load_file(path), {"card": json.dumps(card, sort_keys=True)})
    return written
