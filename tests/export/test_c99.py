"""The C sources: shipped models against the evaluator, hostile features, sanitizers, sizes, and an emulated board."""

import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from conformance.exporters import SCHEMES, assert_same, mixed
from emulated_board import MISSING, TARGET, build_for_board, run_on_board
from networks import LENGTHS, SHIPPED_MODELS, SPECS, engine_of, features_of, offsets_of, trained
from numpy_network import Stream

from dse.evaluator.task import NetworkTask
from dse.exporters import c99
from dse.exporters.c99_build import FLAGS, build, run_replay
from dse.exporters.c99_plan import plan_of
from dse.exporters.c99_text import flash_of
from dse.exporters.golden import Speech
from models.workload import Configuration, InputError, size_bits

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Werror", "-O2"]
SANITIZERS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover"]
LIBRARY_NEEDS = {"memcpy", "memset", "memmove", "memcmp"}  # a compiler may call them, as any free-standing program


class Written:
    """A shipped model at a configuration of several widths and thresholds, and its C sources."""

    def __init__(self, model, folder) -> None:
        self.measurer = NetworkTask(model).open()
        workload = self.measurer.workload
        self.configuration = Configuration(
            tuple(
                (name, replace(setting, weight_bits=(8, 4)[k % 2], delta=k % 3, skip=k == 1))
                for k, (name, setting) in enumerate(Configuration.uniform(workload, 8))
            )
        )
        self.network = self.measurer.engine.quantizer.network(self.configuration)
        self.folder = folder
        c99.write(self.network, self.measurer.decoder, folder)

    def trace(self, features, offsets):
        sites, counter = self.measurer.engine.trace(self.network, features, offsets)
        return sites, counter.sent

    def phones(self, logits, lengths):
        scores = logits.astype(np.float32) * np.float32(2.0**-self.network.logit_bits)
        found, counts = self.measurer.decoder.decode(scores, lengths)
        return tuple(tuple(part.tolist()) for part in np.split(found, np.cumsum(counts)[:-1]))

    def speech(self, utterances, frames=None):
        """Some utterances of the validation split, of so many frames at most."""
        speech = Speech.of(self.measurer.split).part(slice(utterances))
        pieces = [speech.part(slice(u, u + 1)).features[:frames] for u in range(utterances)]
        return np.concatenate(pieces), np.cumsum([0, *map(len, pieces)])


@pytest.fixture(scope="module", params=SHIPPED_MODELS)
def written(request, tmp_path_factory):
    return Written(request.param, tmp_path_factory.mktemp(request.param))


def hostile(width):
    """Utterances of no frames, and of features that are huge, infinite or not numbers."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(24, width)).astype(np.float32)
    values = np.array([np.nan, -np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, -0.0], np.float32)
    x[4:20] = values[rng.integers(0, len(values), (16, width))]
    x[20] = np.nan
    return x, np.array([0, 0, 3, 24, 24])


@needs_compiler
def test_a_shipped_model_gives_the_evaluators_codes_counts_and_phones(written) -> None:
    features, offsets = written.speech(3)
    replayed = c99.replay(written.folder, features, offsets)
    sites, sent = written.trace(features, offsets)
    assert_same(replayed, sites, sent)
    assert replayed.phones == written.phones(sites["logits"], np.diff(offsets))


@needs_compiler
def test_hostile_features_are_defined_and_sanitizers_find_nothing(written, tmp_path) -> None:
    program = build(written.folder, "replay", tmp_path, SANITIZERS)
    for features, offsets in (written.speech(2, 40), hostile(written.network.input_mean.size)):
        replayed = c99.read_replay(run_replay(program, features, offsets), offsets)
        assert_same(replayed, *written.trace(features, offsets))


@needs_compiler
def test_multiplying_every_column_changes_nothing(written, tmp_path) -> None:
    features, offsets = written.speech(2, 40)
    program = build(written.folder, "replay", tmp_path, ["-O2", "-DDENSE"])
    assert_same(c99.read_replay(run_replay(program, features, offsets), offsets), *written.trace(features, offsets))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_compilers_have_no_warning(written, compiler, tmp_path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    sources = map(str, written.folder.glob("*.c"))
    subprocess.run([compiler, *FLAGS, *WARNINGS, "-c", *sources], check=True, cwd=tmp_path)


@needs_compiler
@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm")
def test_the_library_calls_nothing(written, tmp_path) -> None:
    library = [str(path) for path in written.folder.glob("*.c") if path.name not in c99.PROGRAMS]
    # without position-independent code, which has constants with addresses in data that is relocated
    subprocess.run(["cc", *FLAGS, "-O2", "-fno-pic", "-c", *library], check=True, cwd=tmp_path)
    objects = list(map(str, tmp_path.glob("*.o")))
    listed = subprocess.run(["nm", *objects], check=True, capture_output=True, text=True).stdout
    defined = set(re.findall(r"^[0-9a-f]+ [A-Z] (\w+)$", listed, re.M))
    needed = set(re.findall(r"^ +U (\w+)$", listed, re.M)) - defined
    assert needed <= LIBRARY_NEEDS
    assert not re.findall(r"^[0-9a-f]+ [bBdDcC] (\w+)$", listed, re.M), "no static memory that is written to"


@pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
def test_an_emulated_cortex_m4_gives_the_same(written, tmp_path) -> None:
    features, offsets = written.speech(2, 12)
    replayed, counts = run_on_board(build_for_board(written.folder, tmp_path), features, offsets)
    sites, sent = written.trace(features, offsets)
    assert_same(replayed, sites, sent)
    assert replayed.phones == written.phones(sites["logits"], np.diff(offsets))
    assert all(instructions > 1000 * frames for frames, instructions in counts)


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_flash_is_what_the_header_states(written, tmp_path) -> None:
    command = ["arm-none-eabi-gcc", *TARGET, *FLAGS, *WARNINGS, "-fdata-sections", "-c"]
    subprocess.run([*command, str(written.folder / "model_data.c")], check=True, cwd=tmp_path)
    told = subprocess.run(["arm-none-eabi-size", "-A", "model_data.o"], check=True, capture_output=True, cwd=tmp_path)
    sections = re.findall(r"^\.rodata\S* +(\d+)", told.stdout.decode(), re.M)
    flash = flash_of(plan_of(written.network), written.measurer.decoder)
    assert sum(map(int, sections)) == flash.total
    header = (written.folder / "model.h").read_text()
    assert f"packed {flash.packed}:" in header
    assert f"in all {flash.total}, with pointers of 4 bytes" in header


def test_packed_bytes_of_a_shipped_model_are_the_size_objectives(written) -> None:
    workload, quantizer = written.measurer.workload, written.measurer.engine.quantizer
    for configuration in (
        written.configuration,
        *(Configuration.uniform(workload, *b) for b in [(16,), (8,), (4, 16)]),
    ):
        plan = plan_of(quantizer.network(configuration))
        assert plan.padding_bits == 0
        assert 8 * (plan.packed_bytes + plan.zero_bytes) == size_bits(workload, configuration)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", SPECS)
def test_packed_bits_are_the_size_objectives_at_any_widths(name, scheme) -> None:
    spec = SPECS[name]
    quantizer = engine_of(spec, *trained(spec), SCHEMES[scheme]).quantizer
    workload = replace(spec.workload(), stored=SCHEMES[scheme].stored)
    for seed in range(3):
        configuration = mixed(spec.workload(), seed)
        plan = plan_of(quantizer.network(configuration))
        counted = plan.packed_bytes + plan.zero_bytes * SCHEMES[scheme].zero_points
        assert 8 * counted - plan.padding_bits == size_bits(workload, configuration)


STEP = """
#include <stdio.h>
#include <stdlib.h>
#include "model_data.h"
int main(void)
{
    const MatVec *matvec = model_matvecs;
    Memory memory;
    MatVecMove *moves = malloc(matvec->cols * sizeof(MatVecMove));
    int16_t *x = malloc(matvec->cols * sizeof(int16_t)), *y = malloc(matvec->rows * sizeof(int16_t));
    void *own = malloc(matvec_bytes(matvec));
    MatVecState state;
    memory.next = own;
    state = matvec_open(matvec, &memory);
    matvec_start(matvec, &state, moves);
    while (fread(x, sizeof(int16_t), matvec->cols, stdin) == matvec->cols) {
        fprintf(stderr, "%lu\\n", (unsigned long)matvec_step(matvec, &state, x, y, moves));
        fwrite(y, sizeof(int16_t), matvec->rows, stdout);
    }
    free(moves), free(x), free(y), free(own);
    return 0;
}
"""


@needs_compiler
def test_a_matvec_runs_frame_by_frame(tmp_path) -> None:
    spec = SPECS["lstm"]
    network = engine_of(spec, *trained(spec), SCHEMES["row"]).quantizer.network(
        Configuration.uniform(spec.workload(), 3, 4, 1)
    )
    folder, (matvec, *_) = tmp_path / "c", network.matvecs
    folder.mkdir()
    c99.write(network, None, folder)
    (folder / "main.c").write_text(STEP)
    program = build(folder, "main", tmp_path, SANITIZERS)
    codes = network.input_codes(features_of(spec, LENGTHS))
    done = subprocess.run([str(program)], input=codes.tobytes(), capture_output=True, check=True)
    stream = Stream(matvec)
    expected = np.array([stream(row) for row in codes], np.int16)
    assert np.array_equal(np.frombuffer(done.stdout, np.int16).reshape(expected.shape), expected)
    assert sum(map(int, done.stderr.split())) == stream.sent


def small(tmp_path):
    spec = SPECS["ligru"]
    network = engine_of(spec, *trained(spec)).quantizer.network(Configuration.uniform(spec.workload(), 8))
    c99.write(network, None, tmp_path)
    return spec


def test_what_does_not_compile_is_one_line(tmp_path, monkeypatch) -> None:
    spec = small(tmp_path)
    given = features_of(spec, LENGTHS), offsets_of(LENGTHS)
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(InputError, match="no C compiler 'no-such-compiler'"):
        c99.replay(tmp_path, *given)
    monkeypatch.delenv("CC")
    if shutil.which("cc") is None:
        return
    (tmp_path / "sigmoid.c").write_text("this is no C\n")
    with pytest.raises(InputError, match=r"does not compile: .*sigmoid\.c") as raised:
        c99.replay(tmp_path, *given)
    assert "\n" not in str(raised.value)


@needs_compiler
def test_features_of_another_width_are_refused(tmp_path) -> None:
    spec = small(tmp_path)
    with pytest.raises(InputError, match="does not run"):
        c99.replay(tmp_path, np.zeros((3, spec.features + 1), np.float32), np.array([0, 3]))


@needs_compiler
def test_fast_math_is_refused(tmp_path, monkeypatch) -> None:
    spec = small(tmp_path)
    monkeypatch.setenv("CFLAGS", "-O2 -ffast-math")
    with pytest.raises(InputError, match="ffast-math"):
        c99.replay(tmp_path, features_of(spec, LENGTHS), offsets_of(LENGTHS))


@needs_compiler
def test_main_prints_phones_by_name(written, tmp_path) -> None:
    from dse.phones.sets import PHONES_48

    features, offsets = written.speech(1)
    (tmp_path / "features").write_bytes(features.astype("<f4").tobytes())
    program = build(written.folder, "main", tmp_path)
    said = subprocess.run([str(program), str(tmp_path / "features")], capture_output=True, text=True, check=True).stdout
    phones = written.phones(written.trace(features, offsets)[0]["logits"], np.diff(offsets))[0]
    assert said.split() == [PHONES_48[phone] for phone in phones]
