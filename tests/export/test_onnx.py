"""ONNX graphs of the shipped networks, of any batch and time, at every optimisation level; damaged ones are refused."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from conformance.exporters import SEARCHED, assert_same, mixed
from networks import LENGTHS, SHIPPED_MODELS, SPECS, engine_of, features_of, offsets_of, trained
from onnx_products import products

import dse.exporters.onnx as exporter
from dse.evaluator.task import NetworkTask
from dse.exporters.onnx_matvec import MOST_COLS, packed, stacks
from models.workload import BASELINE_BITS, Configuration, InputError

STRANGE = np.float32([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 0])
OVERHEAD_BYTES = 100_000  # of the shipped networks' graphs: nodes, scales, biases and starts of sums


@pytest.fixture(scope="module", params=SHIPPED_MODELS)
def shipped(request):
    measurer = NetworkTask(request.param).open()
    return measurer.workload, measurer.engine, measurer.split.take(np.argsort(measurer.split.lengths)[:3].tolist())


def network_of(name, configuration=None):
    """A small network, its engine and spec."""
    spec = SPECS[name]
    engine = engine_of(spec, *trained(spec))
    return engine.quantizer.network(configuration or mixed(spec.workload(), 3)), engine, spec


def written(network, folder):
    exporter.write(network, None, folder)
    return exporter.open_session(folder / exporter.FILE)


@pytest.mark.parametrize("bits", [(2, 8, 2), (16, 16, 0), None])
def test_shipped_networks_give_the_engines_codes(shipped, bits, tmp_path):
    workload, engine, split = shipped
    configuration = mixed(workload, 1, SEARCHED) if bits is None else Configuration.uniform(workload, *bits)
    network = engine.quantizer.network(configuration)
    offsets = split.offsets.astype(np.int64)
    sites, counter = engine.trace(network, split.features, offsets)
    exporter.write(network, None, tmp_path)
    assert_same(exporter.replay(tmp_path, split.features, offsets), sites, counter.sent)
    matrices = sum(-(-matvec.matrix.codes.size * matvec.matrix.bits // 8) for matvec in network.matvecs)
    assert 0 < (tmp_path / exporter.FILE).stat().st_size - matrices < OVERHEAD_BYTES


@pytest.mark.parametrize("name", SPECS)
def test_the_checker_finds_nothing(name):
    model = exporter.build(network_of(name)[0])
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    assert {node.domain for node in inferred.graph.node} == {""}
    assert model.opset_import[0].version >= 21


@pytest.mark.parametrize("name", SPECS)
def test_one_padded_batch_gives_what_single_utterances_give(name, tmp_path):
    network, _, spec = network_of(name)
    session = written(network, tmp_path)
    lengths, offsets = np.array([*LENGTHS, 0]), offsets_of(LENGTHS)
    features = features_of(spec, LENGTHS)
    padded = np.full(
        (len(lengths), max(LENGTHS) + 3, spec.features), 7, np.float32
    )  # what stands there does not matter
    for row, start, length in zip(padded, offsets, LENGTHS, strict=False):
        row[:length] = features[start : start + length]
    names = [output.name for output in session.get_outputs()]
    together = exporter.run(session, names, padded, lengths)
    for u, length in enumerate(lengths):
        alone = exporter.run(session, names, padded[u : u + 1, : max(length, 1)], lengths[u : u + 1])
        for site, one, other in zip(names, alone, together, strict=True):
            assert np.array_equal(one[0], other[u] if site == "sent" else other[u, : max(length, 1)])
            assert site == "sent" or not other[u, length:].any()


@pytest.mark.parametrize("name", SPECS)
def test_optimisation_changes_nothing(name, tmp_path):
    network, _, spec = network_of(name)
    features, lengths = features_of(spec, [30])[None], np.array([30])
    optimised = written(network, tmp_path)
    plain = exporter.open_session(tmp_path / exporter.FILE, optimised=False)
    names = [output.name for output in plain.get_outputs()]
    for one, other in zip(*(exporter.run(each, names, features, lengths) for each in (optimised, plain)), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("name", SPECS)
def test_features_that_are_no_codes_are_defined(name, tmp_path):
    network, engine, spec = network_of(name)
    features, offsets = features_of(spec, LENGTHS), offsets_of(LENGTHS)
    third = features.ravel()[::3]
    third[:] = np.resize(STRANGE, third.shape)
    sites, counter = engine.trace(network, features, offsets)
    exporter.write(network, None, tmp_path)
    assert_same(exporter.replay(tmp_path, features, offsets), sites, counter.sent)


def test_sums_are_exact_at_the_extremes():
    import onnxruntime

    session, loaded = None, None
    for name, model, inputs, outputs in products([17, MOST_COLS], 5):
        if model is not loaded:
            session, loaded = onnxruntime.InferenceSession(model.SerializeToString()), model
        assert np.array_equal(session.run(None, inputs)[0], outputs["sums"]), name


@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_take_their_width(bits):
    codes = np.random.default_rng(bits).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (3, 11)).astype(np.int16)
    stored = packed(codes, bits)
    assert stored.size == -(-codes.size // 8) * bits
    bitstream = np.unpackbits(stored.ravel(), bitorder="little")[: codes.size * bits].reshape(-1, bits)
    assert np.array_equal(bitstream @ (1 << np.arange(bits)) - 2 ** (bits - 1), codes.ravel())


def test_every_matrix_is_stored_at_its_width():
    network, _, spec = network_of("lstm")
    model = exporter.build(network)
    found = {tensor.name: len(tensor.raw_data) for tensor in model.graph.initializer if ".weights" in tensor.name}
    expected = {}
    for layer in network.layers:
        for reads in (layer.inputs, *(reads for own in layer.recurrent for reads in own)):
            expected |= {f"{stack.name}.weights": stack for stack in stacks(reads)}
    expected |= {"output.weights": stacks([network.output])[0]}
    assert found.keys() == expected.keys()
    for name, stack in expected.items():
        bits, codes = stack.weight_bits, stack.codes.size
        assert found[name] == (2 * codes if bits == BASELINE_BITS else -(-codes // 8) * bits)
    assert sum(stack.codes.size for stack in expected.values()) == spec.workload().weights


def test_matrices_whose_sums_could_overflow_are_refused():
    network, _, _ = network_of("sru")
    matrix = replace(network.output.matrix, codes=np.zeros((9, MOST_COLS + 1), np.int16))
    with pytest.raises(InputError, match=f"output has {MOST_COLS + 1} columns"):
        stacks([replace(network.output, matrix=matrix)])


def test_batches_hold_every_utterance_that_is_not_empty_once():
    lengths = np.array([5, 0, 9, 100, 9, 1, 0])
    found = list(exporter._batches(lengths, 20))
    assert found == [[3], [2, 4], [0, 5]]
    assert not list(exporter._batches(np.zeros(3, np.int64), 20))


def test_files_that_are_damaged_or_of_others_are_refused(tmp_path):
    network, _, spec = network_of("ligru")
    path, features, offsets = tmp_path / exporter.FILE, features_of(spec, [4, 2]), offsets_of([4, 2])
    with pytest.raises(InputError, match=f"no {exporter.FILE}"):
        exporter.replay(tmp_path, features, offsets)
    exporter.write(network, None, tmp_path)
    whole = path.read_bytes()
    model = onnx.load_from_string(whole)
    rng = np.random.default_rng(0)
    for damaged in (b"", b"no model", whole[:-1], whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="is no model that ONNX Runtime can load"):
            exporter.replay(tmp_path, features, offsets)
    for _ in range(100):  # such a file may still be a network: a bundle has the hash of each part
        bytes_ = bytearray(whole)
        bytes_[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes_)
        try:
            exporter.replay(tmp_path, features, offsets)
        except InputError as error:
            assert "\n" not in str(error)
    for change, told in (
        (lambda m: m.metadata_props.pop(0), "its format"),
        (lambda m: setattr(m.metadata_props[1], "value", "9"), "its version is 9"),
        (lambda m: setattr(m.metadata_props[3], "value", "x"), "hidden is 'x'"),
        (lambda m: setattr(m.metadata_props[3], "value", "8"), "in place of"),
        (lambda m: m.graph.output.pop(0), "in place of"),
        (lambda m: setattr(m.metadata_props[4], "value", "l0.z"), "in place of"),
        (lambda m: setattr(m.metadata_props[5], "value", "sideways"), "directions are 'sideways'"),
        (lambda m: setattr(m.metadata_props[5], "value", "forward"), "in place of"),
    ):
        other = onnx.ModelProto()
        other.CopyFrom(model)
        change(other)
        path.write_bytes(other.SerializeToString())
        with pytest.raises(InputError, match=told):
            exporter.replay(tmp_path, features, offsets)


def test_features_of_another_width_are_refused(tmp_path):
    network, _, spec = network_of("gru")
    exporter.write(network, None, tmp_path)
    with pytest.raises(InputError, match="cannot be run"):
        exporter.replay(tmp_path, features_of(spec, [4])[:, 1:].copy(), offsets_of([4]))


@pytest.mark.parametrize("name", ["onnx", "onnxruntime"])
def test_a_missing_library_is_one_line(name, monkeypatch, tmp_path):
    network, _, spec = network_of("gru")
    exporter.write(network, None, tmp_path)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=rf"^ONNX graphs need {name} .*: pip install 'dse\[export\]'$"):
        if name == "onnx":
            exporter.write(network, None, tmp_path)
        else:
            exporter.replay(tmp_path, features_of(spec, [4]), offsets_of([4]))


def test_looking_at_exporters_loads_no_library():
    program = (
        "import sys, dse.exporters as e; [e.exporter_named(n) for n in ('onnx', 'encodings')]; "
        "assert not {'onnx', 'onnxruntime', 'torch', 'numba'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
