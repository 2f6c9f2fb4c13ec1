"""The C of networks that run forward in time: however an utterance is cut, its codes are those of the whole one."""

import shutil
import subprocess

import numpy as np
import pytest
from conformance.exporters import SCHEMES, assert_same, mixed
from networks import SPECS, engine_of, features_of, offsets_of, trained

from dse.exporters import c99
from models.workload import Configuration

SANITIZED = ("-std=c99", "-O1", "-g", "-ffp-contract=off", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FORWARD = [name for name, spec in SPECS.items() if spec.directions == "forward"]
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def case_of(name):
    spec = SPECS[name]
    engine = engine_of(spec, *trained(spec), SCHEMES["row"])
    return engine, engine.quantizer.network(mixed(spec.workload(), 10 + FORWARD.index(name)))


@pytest.mark.parametrize("delta", [3, None])
@pytest.mark.parametrize("name", FORWARD)
def test_frame_by_frame_gives_what_whole_utterances_give(name, delta, tmp_path) -> None:
    engine, network = case_of(name)
    if delta is not None:
        network = engine.quantizer.network(Configuration.uniform(engine.workload, 8, 8, delta))
    lengths = [1, 23, 0, 7, 30]
    features, offsets = features_of(engine.spec, lengths), offsets_of(lengths)
    c99.write(network, None, tmp_path)
    c99.build(tmp_path, tmp_path / "program", SANITIZED)
    sites, counter = engine.trace(network, features, offsets)
    assert delta != 3 or counter.computed["l1.input" if "sru" in name else "l1.candidate"] < 0.95
    for chunk in (0, 1, 7, max(lengths)):
        assert_same(c99.run((str(tmp_path / "program"),), tmp_path, features, offsets, chunk), sites, counter.sent)


INTERLEAVED = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model.h"
/* Two utterances in turn, frame by frame, and after every frame each state elsewhere. */
int main(int argc, char **argv)
{
    FILE *const from = fopen(argv[1], "rb");
    static float features[2][FRAMES][MODEL_FEATURES];
    static int16_t logits[2][FRAMES][MODEL_OUTPUTS];
    void *states[2];
    size_t t, k;
    if (argc != 2 || fread(features, sizeof features, 1, from) != 1)
        return 1;
    for (k = 0; k < 2; k++)
        model_start(states[k] = malloc(MODEL_STATE_BYTES));
    for (t = 0; t < FRAMES; t++)
        for (k = 0; k < 2; k++) {
            void *const moved = malloc(MODEL_STATE_BYTES);
            model_next(states[k], features[k][t], 1, logits[k][t], 0);
            memcpy(moved, states[k], MODEL_STATE_BYTES);
            memset(states[k], 0xA5, MODEL_STATE_BYTES);
            free(states[k]);
            states[k] = moved;
        }
    fwrite(logits, sizeof logits, 1, stdout);
    for (k = 0; k < 2; k++)
        free(states[k]);
    return fclose(from);
}
"""


@pytest.mark.parametrize("name", FORWARD)
def test_states_may_be_moved_and_run_in_turn(name, tmp_path) -> None:
    engine, network = case_of(name)
    lengths = [12, 12]
    features, offsets = features_of(engine.spec, lengths), offsets_of(lengths)
    c99.write(network, None, tmp_path)
    (tmp_path / "main.c").write_text(INTERLEAVED)
    (tmp_path / "features").write_bytes(features.tobytes())
    c99.build(tmp_path, tmp_path / "program", (*SANITIZED, "-DFRAMES=12"), main="main.c")
    done = subprocess.run([tmp_path / "program", tmp_path / "features"], capture_output=True, check=True)
    logits = np.frombuffer(done.stdout, np.int16).reshape(-1, engine.spec.outputs)
    assert np.array_equal(logits, engine.trace(network, features, offsets)[0]["logits"])
