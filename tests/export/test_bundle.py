"""Bundles: integers packed and read back, written whole, refused where anything was changed."""

import json
import os
import stat
from dataclasses import fields, replace

import numpy as np
import pytest
from bundles import write_small
from conformance.exporters import SCHEMES, mixed
from hypothesis import given
from hypothesis import strategies as st
from networks import SPECS, engine_of, trained

from dse.exporters import bundle, manifest, weights
from dse.exporters.bundle import CONFIGURATION, WEIGHTS, open_bundle, read_arrays, write_arrays
from dse.exporters.manifest import MANIFEST, require_whole, seal, whole_folder
from dse.exporters.replay import verify
from models.quantization.quantizer import code_range
from models.workload import Configuration, InputError, MissingError, size_bits


@pytest.fixture(autouse=True)
def no_parts(monkeypatch):
    """What runs is tested with its exporter."""
    monkeypatch.setattr("dse.exporters.write.EXPORTERS", {})


@given(st.data())
def test_packed_codes_are_as_long_as_their_bits_and_come_back(data):
    bits = data.draw(st.sampled_from([2, 3, 4, 5, 6, 7, 8, 16]))
    rows, cols = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    low, high = code_range(bits)
    some = data.draw(st.lists(st.integers(low, high), min_size=rows * cols, max_size=rows * cols))
    codes = np.array(some, np.int16).reshape(rows, cols)
    packed = weights.pack(codes, bits)
    assert packed.dtype == np.uint8 and len(packed) == -(-rows * cols * bits // 8)
    assert (weights.unpack(packed, bits, (rows, cols)) == codes).all()


def test_many_codes_are_packed_part_by_part(monkeypatch):
    monkeypatch.setattr(weights, "AT_ONCE", 8)
    codes = np.arange(-4, 4, dtype=np.int16).repeat(7).reshape(8, 7)
    packed = weights.pack(codes, 3)
    assert (weights.unpack(packed, 3, (8, 7)) == codes).all()
    monkeypatch.undo()
    assert weights.pack(codes, 3).tobytes() == packed.tobytes()


def test_a_packed_byte_holds_the_first_code_lowest():
    codes = np.array([[1, -1, 0, -2]], np.int16)
    assert weights.pack(codes, 2).tolist() == [0b10_00_11_01]
    with pytest.raises(InputError, match=r"\[1\] bytes are not \[1, 5\] codes of 2 bits"):
        weights.unpack(weights.pack(codes, 2), 2, (1, 5))


def assert_equal(one, other):
    """Two descriptions are the same, field for field."""
    if hasattr(one, "__dataclass_fields__"):
        assert type(one) is type(other)
        for field in fields(one):
            assert_equal(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for each in zip(one, other, strict=True):
            assert_equal(*each)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes()
    else:
        assert type(one) is type(other) and one == other


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("seed", range(3))
def test_a_network_comes_back_as_it_was(name, scheme, seed, tmp_path):
    spec = SPECS[name]
    network = engine_of(spec, *trained(spec), SCHEMES[scheme]).quantizer.network(mixed(spec.workload(), seed))
    write_arrays(tmp_path / WEIGHTS, weights.to_arrays(network))
    record = json.loads(json.dumps(weights.to_record(network)))
    assert_equal(weights.from_record(spec, record, read_arrays(tmp_path / WEIGHTS)), network)


@pytest.mark.parametrize("name", ["sru", "gru-after"])
@pytest.mark.parametrize("bits", [2, 3, 4, 8, 16])
def test_what_is_stored_is_the_size_that_the_search_counts(name, bits):
    spec = SPECS[name]
    for scheme in SCHEMES.values():
        network = engine_of(spec, *trained(spec), scheme).quantizer.network(
            Configuration.uniform(spec.workload(), bits)
        )
        arrays, record = weights.to_arrays(network), weights.to_record(network)
        wide = bits == 16
        stored = sum(m.matrix.codes.size * bits for m in network.matvecs)
        for matvec in network.matvecs:
            of_it = record["matvecs"][matvec.name]
            stored += 0 if of_it["row_multiples"] is None else 8 * len(of_it["row_multiples"])
            stored += 0 if wide else 2 * 32 + (8 if scheme.zero_points else 0)  # steps, zero point
        stored += 16 * spec.workload().vector_weights
        counted = size_bits(
            replace(spec.workload(), stored=scheme.stored), Configuration.uniform(spec.workload(), bits)
        )
        assert stored == counted
        packed = sum(8 * arrays[f"{m.name}.codes"].size for m in network.matvecs)
        assert 0 <= packed - sum(m.matrix.codes.size * bits for m in network.matvecs) < 8 * len(network.matvecs)


@pytest.mark.parametrize("name", SPECS)
def test_the_evaluator_gives_a_bundles_golden_outputs(name, tmp_path):
    write_small(tmp_path / "out", name)
    (check,) = verify(open_bundle(tmp_path / "out"), ())
    assert check.difference is None and check.utterances == 3 and check.frames == 28
    assert 0 < check.eliminated_percent < 100


@pytest.mark.parametrize(("name", "directions"), [("gru", "shared"), ("sru", "separate"), ("gru-forward", "forward")])
def test_bundles_tell_directions_only_where_they_are_unusual(name, directions, tmp_path):
    """So that those of before are read as they were."""
    write_small(tmp_path / "out", name)
    read = open_bundle(tmp_path / "out")
    assert ("directions" in read.record["sizes"]) == (directions == "forward")
    assert read.spec.directions == read.network.directions == directions


def test_context_dependent_targets_keep_their_phones(tmp_path):
    write_small(tmp_path / "out", outputs=11)
    read = open_bundle(tmp_path / "out")
    assert read.decoding.senones is not None
    (check,) = verify(read, ())
    assert check.difference is None


def test_golden_outputs_that_are_others_are_told_with_their_place(tmp_path):
    write_small(tmp_path / "out")
    golden = read_arrays(tmp_path / "out" / bundle.GOLDEN)
    golden["logits"] = golden["logits"].copy()
    golden["logits"][11, 5] += 1
    write_arrays(tmp_path / "out" / bundle.GOLDEN, golden)
    (tmp_path / "out" / MANIFEST).unlink()
    seal(tmp_path / "out")
    (check,) = verify(open_bundle(tmp_path / "out"), ())
    assert str(check.difference).startswith("utterance b, frame 2, logits unit 5: ")


@pytest.mark.parametrize("name", [CONFIGURATION, WEIGHTS, bundle.DECODER, bundle.GOLDEN, bundle.CARD, MANIFEST])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "edit"])
def test_what_was_changed_is_refused_by_name(name, harm, tmp_path):
    write_small(tmp_path / "out")
    path = tmp_path / "out" / name
    content = path.read_bytes()
    half = len(content) // 2
    changed = {"flip": content[:half] + bytes([content[half] ^ 4]) + content[half + 1 :], "cut": content[:half]}
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(changed.get(harm, content.replace(b'"version": 1', b'"version": 1.0') + b"\n"))
    with pytest.raises(InputError, match=f"{name}"):
        open_bundle(tmp_path / "out")


def reseal(folder, change):
    record = json.loads((folder / MANIFEST).read_text())
    change(record)
    record.pop("sha256", None)
    record["sha256"] = manifest._digest(record)
    (folder / MANIFEST).write_text(json.dumps(record))


@pytest.mark.parametrize("outside", ["../secret", "/etc/passwd", "c/../../secret", "link"])
def test_no_path_leaves_the_bundle(outside, tmp_path):
    write_small(tmp_path / "out")
    (tmp_path / "secret").write_text("mine")
    (tmp_path / "out/link").symlink_to(tmp_path / "secret")
    reseal(tmp_path / "out", lambda record: record["files"].update({outside: "0" * 64}))
    with pytest.raises(InputError, match="which is not inside the bundle"):
        require_whole(tmp_path / "out")


def test_a_later_version_and_another_folder_are_refused(tmp_path):
    with pytest.raises(MissingError, match=f"no bundle at .*: it has no {MANIFEST}"):
        open_bundle(tmp_path)
    write_small(tmp_path / "out")
    reseal(tmp_path / "out", lambda record: record.update(version=2))
    with pytest.raises(InputError, match="has version 2, this one reads up to 1; install a newer one"):
        open_bundle(tmp_path / "out")


def test_configuration_and_integers_must_agree(tmp_path):
    write_small(tmp_path / "out")
    path = tmp_path / "out" / CONFIGURATION
    record = json.loads(path.read_text())
    record["configuration"]["output"]["delta"] = 7
    path.write_text(json.dumps(record))
    (tmp_path / "out" / MANIFEST).unlink()
    seal(tmp_path / "out")
    with pytest.raises(InputError, match="output is not quantized as configured"):
        open_bundle(tmp_path / "out")


def test_a_bundle_is_written_over_by_force_alone_and_nothing_else_ever(tmp_path):
    write_small(tmp_path / "out")
    with pytest.raises(InputError, match=r"there is a bundle at .*; --force writes over it"):
        write_small(tmp_path / "out")
    before = (tmp_path / "out" / MANIFEST).read_bytes()
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "out", force=True) as beside:
        (beside / "x").write_text("half")
        raise RuntimeError
    assert (tmp_path / "out" / MANIFEST).read_bytes() == before
    with whole_folder(tmp_path / "out", force=True) as beside:
        (beside / "x").write_text("new")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [MANIFEST, "x"]
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="is there and no bundle"), whole_folder(tmp_path / "home", force=True):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out"]


def test_files_have_the_permissions_of_any_new_file(tmp_path):
    write_small(tmp_path / "out")
    umask = os.umask(0)
    os.umask(umask)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()}
    assert modes == {0o666 & ~umask}


def test_golden_outputs_are_compared_however_many_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr("dse.exporters.replay.frames_at_once", lambda workload: 5)
    write_small(tmp_path / "out")
    golden = read_arrays(tmp_path / "out" / bundle.GOLDEN)
    golden["sent"] = golden["sent"] + 1
    write_arrays(tmp_path / "out" / bundle.GOLDEN, golden)
    (tmp_path / "out" / MANIFEST).unlink()
    seal(tmp_path / "out")
    read = open_bundle(tmp_path / "out")
    (check,) = verify(read, ())
    assert str(check.difference).startswith("elements sent by l0.input_f: ")
    (whole,) = verify(read, (), read.golden.speech)
    assert whole.difference is None
    assert (whole.frames, whole.error_percent, whole.eliminated_percent) == (
        check.frames,
        check.error_percent,
        check.eliminated_percent,
    )
