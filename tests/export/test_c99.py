"""The C exporter: the shipped networks, hostile features, warnings, sanitizers, bytes, and an emulated Cortex-M4."""

import re
import shutil
import subprocess
from functools import cache

import emulated_board
import numpy as np
import pytest
from conformance.exporters import SCHEMES, SEARCHED, assert_same, mixed
from networks import SHIPPED_MODELS, SPECS, engine_of, features_of, offsets_of, trained

from dse.evaluator.task import NetworkTask
from dse.exporters import c99
from dse.exporters.c99_arrays import arrays_of, header_bytes, packed_bytes
from dse.exporters.c99_memory import Memory
from dse.exporters.c99_tables import Tables
from dse.exporters.decoding import Decoding
from dse.exporters.golden import Speech, spread
from models.workload import Configuration, InputError, size_bits

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
SANITIZED = ("-std=c99", "-O1", "-g", "-ffp-contract=off", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SAID_BY_COMPILERS = {"memset", "memcpy", "_GLOBAL_OFFSET_TABLE_"}  # what they may put in place of a loop
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
# Of each family a network and configuration that takes every path: widths, wide sums, quarters of zero points, skips.
CASES = {"sru": 1, "sru-highway": 2, "lstm-scaled": 3, "gru": 4, "gru-after": 5, "ligru": 6}
CASES |= {"lstm-separate": 8, "gru-after-separate": 9}
FORWARD = {"sru-forward": 10, "lstm-forward": 11, "gru-forward": 12, "gru-after-forward": 13, "ligru-forward": 14}
CASES |= FORWARD


@cache
def measurer_of(model):
    return NetworkTask(model, "edge", cache_mib=0).open()


def case_of(name):
    spec = SPECS[name]
    engine = engine_of(spec, *trained(spec), SCHEMES["row"])
    return engine, engine.quantizer.network(mixed(spec.workload(), CASES[name]))


def hostile(spec):
    """Features of one utterance: not numbers, infinite, huge, tiny."""
    features = features_of(spec, [24])
    values = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, -0.0], np.float32)
    places = np.random.default_rng(1).random(features.shape) < 0.3
    features[places] = np.random.default_rng(2).choice(values, int(places.sum()))
    return features


@needs_compiler
@pytest.mark.parametrize("model", SHIPPED_MODELS)
def test_shipped_networks_give_the_evaluators_codes_counts_and_phones(model, tmp_path) -> None:
    measurer = measurer_of(model)
    network = measurer.engine.quantizer.network(mixed(measurer.workload, 3, SEARCHED))
    speech = Speech.of(spread(measurer.split, 3))
    c99.write(network, measurer.decoder, tmp_path)
    replayed = c99.replay(tmp_path, speech.features, speech.offsets)
    sites, counter = measurer.engine.trace(network, speech.features, speech.offsets)
    assert_same(replayed, sites, counter.sent)
    decoded = Decoding(measurer.decoder).phones(sites["logits"], network.logit_bits, speech.lengths)
    assert list(replayed.phones or ()) == decoded


@pytest.mark.parametrize("model", SHIPPED_MODELS)
def test_packed_weights_are_what_the_size_objective_counts(model) -> None:
    measurer = measurer_of(model)
    workload = measurer.workload
    rows = [Configuration.uniform(workload, *bits) for bits in ((16, 16), (8, 8), (4, 8), (2, 16), (16, 4), (4, 4))]
    for configuration in (*rows, mixed(workload, 1, SEARCHED), mixed(workload, 2, SEARCHED)):
        arrays = arrays_of(Tables(measurer.engine.quantizer.network(configuration)), measurer.decoder)
        assert packed_bytes(arrays) == size_bits(workload, configuration) / 8
        assert header_bytes(arrays) < 16000


def test_each_matrix_is_filled_up_to_a_byte() -> None:
    for name in CASES:
        network = case_of(name)[1]
        tables = Tables(network)
        sizes = [-(-m.rows * m.cols * m.matrix.bits // 8) for m in network.matvecs]
        assert list(map(len, tables.weights)) == sizes


@pytest.mark.parametrize("compiler", COMPILERS)
def test_no_compiler_has_a_warning(compiler, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CC", compiler)
    flags = (*c99.FLAGS, *WARNINGS)
    for name in CASES:
        folder = tmp_path / name
        folder.mkdir()
        c99.write(case_of(name)[1], measurer_of("lstm").decoder if name == "ligru" else None, folder)
        c99.build(folder, tmp_path / "main", flags, "main.c")
        c99.build(folder, tmp_path / "replay", flags if name == "sru" else (*flags, "-DDENSE"))


@needs_compiler
@pytest.mark.parametrize("name", CASES)
def test_hostile_features_are_defined_and_clean_under_sanitizers(name, tmp_path) -> None:
    engine, network = case_of(name)
    spec = engine.spec
    features = np.concatenate([hostile(spec), features_of(spec, [5])])
    offsets = offsets_of([0, 24, 0, 5, 0])
    c99.write(network, None, tmp_path)
    c99.build(tmp_path, tmp_path / "program", SANITIZED)
    replayed = c99.run((str(tmp_path / "program"),), tmp_path, features, offsets)
    known = np.where(np.isnan(features), network.input_mean, features)
    with np.errstate(over="ignore"):
        sites, counter = engine.trace(network, known, offsets)
    assert_same(replayed, sites, counter.sent)


@needs_compiler
def test_memory_is_as_stated_and_decoding_is_clean_under_sanitizers(tmp_path) -> None:
    measurer = measurer_of("sru")
    network = measurer.engine.quantizer.network(mixed(measurer.workload, 5))
    speech = Speech.of(spread(measurer.split, 1))
    c99.write(network, measurer.decoder, tmp_path)
    c99.build(tmp_path, tmp_path / "program", SANITIZED)
    # Utterances of every length up to some: fewer frames than a phone has states, and restarts of the scores.
    lengths = [0, 1, 2, 3, 4, 17, 40]
    features, offsets = speech.features[: sum(lengths)], offsets_of(lengths)
    replayed = c99.run((str(tmp_path / "program"),), tmp_path, features, offsets)
    sites, counter = measurer.engine.trace(network, features, offsets)
    assert_same(replayed, sites, counter.sent)
    decoding = Decoding(measurer.decoder)
    kept = sites["logits"][offsets[3] :]
    assert replayed.phones[:3] == ((), (), ())
    assert list(replayed.phones[3:]) == decoding.phones(kept, network.logit_bits, np.array(lengths[3:]))


@needs_compiler
@pytest.mark.parametrize("name", ["gru", "gru-after-separate", "gru-forward", "sru-forward"])
def test_stated_bytes_are_those_that_the_library_takes(name, tmp_path) -> None:
    measurer = measurer_of("gru")
    network = measurer.engine.quantizer.network(mixed(measurer.workload, 5)) if name == "gru" else case_of(name)[1]
    c99.write(network, measurer.decoder, tmp_path)
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "model.h"\nint main(void) {\n'
        '    printf("%zu %zu %zu %zu\\n", model_bytes(0), model_bytes(1), model_bytes(300), model_bytes((size_t)-1));\n'
        "    return 0;\n}\n"
    )
    c99.build(tmp_path, tmp_path / "program", main="main.c")
    told = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=True).stdout.split()
    memory = Memory(Tables(network), 48 * 3 * 4)
    assert list(map(int, told)) == [memory.of(0), memory.of(1), memory.of(300), 0]
    assert re.search(rf"in all +{memory.of(300)} +for 300 frames", (tmp_path / "model.h").read_text())


@needs_compiler
@pytest.mark.parametrize("name", ["gru", "sru"])
def test_dense_products_give_the_same(name, tmp_path) -> None:
    engine, network = case_of(name)
    features, offsets = features_of(engine.spec, [30]), offsets_of([30])
    c99.write(network, None, tmp_path)
    c99.build(tmp_path, tmp_path / "program", (*c99.FLAGS, "-DDENSE"))
    sites, counter = engine.trace(network, features, offsets)
    assert_same(c99.run((str(tmp_path / "program"),), tmp_path, features, offsets), sites, counter.sent)


@needs_compiler
@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm")
def test_library_calls_nothing(tmp_path) -> None:
    measurer = measurer_of("lstm")
    c99.write(measurer.engine.quantizer.network(mixed(measurer.workload, 1)), measurer.decoder, tmp_path)
    command = ["cc", *c99.FLAGS, "-c", *map(str, c99.library(tmp_path))]
    subprocess.run(command, cwd=tmp_path, check=True)
    objects = list(tmp_path.glob("*.o"))
    assert len(objects) == len(c99.library(tmp_path))
    told = subprocess.run(["nm", "-u", *objects], capture_output=True, text=True, check=True).stdout
    called = {line.split()[-1] for line in told.splitlines() if " U " in line}
    assert {name for name in called if not name.startswith("model_")} <= SAID_BY_COMPILERS


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("flags", [("-ffast-math",), ("-m32", "-mfpmath=387"), ("-std=gnu99",)])
def test_other_arithmetic_is_refused(compiler, flags, tmp_path, monkeypatch) -> None:
    if compiler == "clang" and flags != ("-ffast-math",):
        pytest.skip("clang neither fuses, which a pragma tells it, nor has this option")
    monkeypatch.setenv("CC", compiler)
    c99.write(case_of("lstm-scaled")[1], None, tmp_path)
    source = tmp_path / "sigmoid.c"
    command = [compiler, "-std=c99", *flags, "-fsyntax-only", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "bits/" in done.stderr:
        pytest.skip("no headers for this target")
    assert done.returncode
    assert "#error" in done.stderr


def test_no_compiler_and_damaged_sources_are_one_line(tmp_path, monkeypatch) -> None:
    engine, network = case_of("lstm-scaled")
    features, offsets = features_of(engine.spec, [3]), offsets_of([3])
    c99.write(network, None, tmp_path)
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    with pytest.raises(InputError, match="no C compiler 'no-such-compiler'"):
        c99.replay(tmp_path, features, offsets)
    monkeypatch.delenv("CC")
    if shutil.which("cc") is None:
        return
    with pytest.raises(InputError, match="the C program fails: status 5"):
        c99.replay(tmp_path, features[:, 1:], offsets)
    damaged = (tmp_path / "model_data.c").read_text()
    (tmp_path / "model_data.c").write_text(damaged[: len(damaged) // 2])
    with pytest.raises(InputError, match=r"the C sources do not compile: .*error") as refused:
        c99.replay(tmp_path, features, offsets)
    assert "\n" not in str(refused.value)


def test_cut_outputs_are_refused() -> None:
    head = np.array([1, 2, 3, 0, 1, 2], np.uint32).tobytes() + b"a\n"
    body = np.zeros(2 + 3, np.int16).tobytes() + np.array([7], np.uint64).tobytes()
    whole = head + body
    assert c99.read_outputs(whole, [1]).sent == {"a": 7}
    for cut in range(len(whole)):
        with pytest.raises(ValueError):
            c99.read_outputs(whole[:cut], [1])
    with pytest.raises(ValueError):
        c99.read_outputs(whole + b"0", [1])


@pytest.mark.skipif(emulated_board.missing() is not None, reason="no cross-compiler or emulator")
@pytest.mark.parametrize("name", ["sru", "gru", "gru-forward"])
def test_a_cortex_m4_gives_the_same(name, tmp_path) -> None:
    engine, network = case_of(name)
    features, offsets = hostile(engine.spec), offsets_of([20, 0, 4])
    folder = tmp_path / "part"
    folder.mkdir()
    c99.write(network, None, folder)
    emulated_board.build(folder, tmp_path, ("-O2", *WARNINGS))
    replayed, instructions = emulated_board.run(tmp_path, features, offsets)
    known = np.where(np.isnan(features), network.input_mean, features)
    with np.errstate(over="ignore"):
        sites, counter = engine.trace(network, known, offsets)
    assert_same(replayed, sites, counter.sent)
    assert instructions > 1000
