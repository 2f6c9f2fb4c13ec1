"""Greedy decoders in C: the labels that the evaluator decodes, clean under sanitizers, names of any characters."""

import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from conformance.exporters import mixed
from networks import SPECS, engine_of, features_of, offsets_of, trained

from dse.exporters import c99
from dse.exporters.bundle import open_bundle
from dse.exporters.decoding import Decoding
from dse.exporters.golden import Golden, Speech
from dse.exporters.replay import verify
from dse.exporters.write import network_record, write_parts
from dse.phones.greedy import FIRST, LAST, CtcDecoder, FrameDecoder
from models.workload import InputError

LABELS = ('"', "\\", "é", "??/", "%d", "日本", "0")
DECODERS = [CtcDecoder(LABELS, FIRST), CtcDecoder(LABELS, LAST), FrameDecoder(LABELS)]
STRICT = ("-std=c99", "-O1", "-g", "-ffp-contract=off", "-Wall", "-Wextra", "-Wconversion", "-Werror")
SANITIZED = (*STRICT, "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
LENGTHS = [0, 1, 2, 9, 40]
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
IDS = ["first", "last", "frames"]


def case_of(decoder, name="sru", seed=1):
    spec = replace(SPECS[name], outputs=decoder.outputs)
    engine = engine_of(spec, *trained(spec))
    configuration = mixed(spec.workload(), seed)
    return engine, configuration, engine.quantizer.network(configuration)


@needs_compiler
@pytest.mark.parametrize("decoder", DECODERS, ids=IDS)
def test_c_decodes_what_the_evaluator_does(decoder, tmp_path) -> None:
    engine, _, network = case_of(decoder)
    features, offsets = features_of(engine.spec, LENGTHS), offsets_of(LENGTHS)
    c99.write(network, decoder, tmp_path)
    c99.build(tmp_path, tmp_path / "program", SANITIZED)
    replayed = c99.run((str(tmp_path / "program"),), tmp_path, features, offsets)
    sites, _ = engine.trace(network, features, offsets)
    expected = Decoding(decoder).phones(sites["logits"], network.logit_bits, np.array(LENGTHS))
    assert list(replayed.phones) == expected and len({*sum(expected, ())}) > 1
    c99.build(tmp_path, tmp_path / "main", STRICT, "main.c")
    for number, (start, end) in enumerate(pairwise(offsets.tolist())):
        if end > start:
            features[start:end].tofile(tmp_path / "features")
            told = subprocess.run([tmp_path / "main", tmp_path / "features"], capture_output=True, check=True).stdout
            assert told.decode().strip("\n") == " ".join(LABELS[label] for label in expected[number])


def write_bundle(folder, decoder, **changes) -> None:
    engine, configuration, network = case_of(decoder)
    lengths = np.array([9, 4, 15])
    features, decoding = features_of(engine.spec, lengths.tolist()), Decoding(decoder)
    references = tuple((0,) * (n if decoder.by_frame else 2) for n in lengths)
    speech = Speech(("a", "b", "c"), features, lengths, references)
    sites, counter = engine.trace(network, features, speech.offsets)
    phones = tuple(decoding.phones(sites["logits"], network.logit_bits, lengths))
    sent = {name: counter.sent[name] for name in engine.spec.workload().names}
    golden = replace(Golden(speech, np.ascontiguousarray(sites["logits"]), sent, phones), **changes)
    record = network_record(engine.spec, configuration, network, decoder)
    write_parts(folder, record, network, decoding, golden, "a small bundle\n")


@pytest.mark.parametrize("decoder", DECODERS, ids=IDS)
def test_a_bundle_keeps_its_decoder_and_is_scored_by_it(decoder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("dse.exporters.write.EXPORTERS", {})
    write_bundle(tmp_path / "out", decoder)
    bundle = open_bundle(tmp_path / "out")
    assert bundle.decoding.decoder == decoder
    (check,) = verify(bundle, ())
    assert check.difference is None
    wrong = [label != 0 for row in bundle.golden.phones for label in row]
    if decoder.by_frame:
        assert check.error_percent == pytest.approx(100 * np.mean(wrong))


def test_a_label_that_the_decoder_has_not_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("dse.exporters.write.EXPORTERS", {})
    write_bundle(tmp_path / "out", DECODERS[0], phones=((7,), (), ()))
    with pytest.raises(InputError, match="phones hold what is no phone"):
        open_bundle(tmp_path / "out")
