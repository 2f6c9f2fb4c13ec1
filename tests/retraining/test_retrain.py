"""Retraining: what is written is what was trained; killed and resumed is the same file; bad input is told."""

import dataclasses
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_retraining
from tiny_retraining import SETTINGS, TinyCorpus, configuration, retrain

from dse.corpora.load import load_split
from dse.evaluator.measure import open_measurer
from dse.evaluator.remarks import untaken
from dse.retraining import retrain as module
from models.checkpoint import load, read_card, save
from models.quantization.learned import Learned
from models.quantization.quantizer import ActivationQuantizer
from models.quantization.scheme import PAPERS, Scheme
from models.workload import Configuration, InputError

OUT = "out.safetensors"
ENVIRONMENT = dict(os.environ)  # in which compiled code is kept already


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(folder, monkeypatch):
    monkeypatch.setenv("DSE_CACHE_DIR", str(folder))


@pytest.mark.parametrize("model", tiny_retraining.SPECS)
def test_what_is_written_measures_what_was_trained_and_is_better(tmp_path, model):
    card = retrain(tmp_path, model, OUT)
    before, after = (card["retrained"][when] for when in ("before", "after"))
    errors = [epoch["validation_error_percent"] for epoch in card["history"]]
    assert after["validation_error_percent"] == min(errors) < errors[0] == before["validation_error_percent"]
    measurer = open_measurer(tmp_path / OUT, TinyCorpus(), "validation", Scheme())
    found = measurer.measure(configuration(model, 2, 3, 1))
    assert found.error_percent == after["validation_error_percent"]
    assert read_card(tmp_path / OUT)[1]["retrained"] == card["retrained"]
    assert not list(tmp_path.glob("*.state.*"))


def test_before_is_what_the_base_measures(tmp_path):
    card = retrain(tmp_path, "gru", OUT, scheme=PAPERS)
    measurer = open_measurer(tmp_path / "gru.safetensors", TinyCorpus(), "validation", PAPERS)
    found = measurer.measure(configuration("gru", 2, 3, 1))
    assert card["retrained"]["before"]["validation_error_percent"] == found.error_percent


def test_other_widths_are_calibrated_and_other_schemes_too(tmp_path):
    retrain(tmp_path, "sru", OUT)
    made = load(tmp_path / OUT)
    bare = dataclasses.replace(made, learned=Learned(peaks=made.learned.peaks))
    save(tmp_path / "bare.safetensors", bare)
    for bits, scheme, same in (((2, 3, 0), Scheme(), False), ((4, 8, 0), Scheme(), True), ((2, 3, 0), PAPERS, True)):
        one, other = (
            open_measurer(tmp_path / name, TinyCorpus(), "validation", scheme) for name in (OUT, "bare.safetensors")
        )
        networks = [m.engine.quantizer.network(configuration("sru", *bits)) for m in (one, other)]
        alike = [
            a.divisor == b.divisor and np.array_equal(a.scale, b.scale)
            for a, b in zip(*(n.matvecs for n in networks), strict=True)
        ]
        assert all(alike) if same else not any(alike)


def test_a_scheme_that_does_not_take_what_was_learned_is_told():
    learned = Learned(activations={"output": (4, ActivationQuantizer(np.float32(2), 1.25))})
    assert untaken(learned, Scheme()) == ()
    (line,) = untaken(learned, PAPERS)
    assert line.startswith("warning: the checkpoint was retrained with") and str(PAPERS) in line


def test_killed_and_resumed_is_the_same_file(tmp_path, capsys):
    """Killed in the middle of the second of three epochs."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for each in (whole, cut):
        each.mkdir()
    retrain(whole, "sru", OUT)
    command = [sys.executable, "-m", "tiny_retraining", str(cut), "sru", "1"]
    path = os.pathsep.join((str(Path(tiny_retraining.__file__).parent), os.environ.get("PYTHONPATH", "")))
    done = subprocess.run(command, env={**ENVIRONMENT, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (cut / "out.state.safetensors").exists() and not (cut / OUT).exists()
    capsys.readouterr()
    retrain(cut, "sru", OUT)
    first, *epochs = capsys.readouterr().out.splitlines()
    assert first == "goes on after 1 of 3 epochs" and [line.split()[1] for line in epochs] == ["2/3", "3/3"]
    assert (cut / OUT).read_bytes() == (whole / OUT).read_bytes()


def test_it_is_never_worse_than_its_start(tmp_path, monkeypatch):
    """Where training only harms, here by a rate far too high, the start is kept, and training stops early."""
    monkeypatch.setattr(module, "PATIENCE", 1)
    card = retrain(tmp_path, "gru", OUT, settings=dataclasses.replace(SETTINGS, learning_rate=1.0))
    assert card["retrained"]["after"] == card["retrained"]["before"]
    assert len(card["history"]) == 2


def test_a_training_that_diverges_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("dse.training.settings.HIGHEST_RATE", 1e30)  # 1,000 stays finite on some processors
    with pytest.raises(InputError, match=r"the training diverged: .* lower the learning rate"):
        retrain(tmp_path, "sru", OUT, settings=dataclasses.replace(SETTINGS, learning_rate=1e30))


def test_a_retrained_network_can_be_retrained(tmp_path):
    first = retrain(tmp_path, "sru", OUT)
    (tmp_path / OUT).rename(tmp_path / "first.safetensors")
    second = module.retrain(
        tmp_path / "first.safetensors", configuration("sru", 2, 3, 1), TinyCorpus(), tmp_path / OUT, settings=SETTINGS
    )
    assert second["retrained"]["before"] == first["retrained"]["after"]


class OtherFeatures(TinyCorpus):
    name = "other"

    def split_arrays(self, split, per_speaker=None):
        whole = super().split_arrays(split, per_speaker)
        return dataclasses.replace(whole, features=whole.features[:, :5].copy())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"out": "net"}, "net: a checkpoint's name ends in .safetensors"),
        ({"out": "there.safetensors"}, "there.safetensors exists; --force writes over it"),
        ({"out": "sru.safetensors", "force": True}, "sru.safetensors is the network that retraining starts from"),
        ({"configuration": configuration("sru", 32)}, "a float configuration has nothing to retrain"),
        ({"corpus": OtherFeatures()}, "sru.safetensors has 23 features, corpus other has 5"),
    ],
)
def test_bad_input_is_told_before_anything_is_trained(tmp_path, changes, message):
    (tmp_path / "there.safetensors").touch()
    out = changes.pop("out", OUT)
    with pytest.raises(InputError, match=message):
        retrain(tmp_path, "sru", out, **changes)
    assert not list(tmp_path.glob("*.state.*"))


def test_a_state_of_another_retraining_is_refused(tmp_path, monkeypatch):
    def stopped(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "run_epoch", stopped)
        with pytest.raises(KeyboardInterrupt):
            retrain(tmp_path, "sru", OUT)
    for change, what in (
        ({"settings": dataclasses.replace(SETTINGS, epochs=9)}, "epochs: stored 3, now 9"),
        ({"configuration": configuration("sru", 2, 2)}, "configuration"),
        ({"scheme": PAPERS}, "quantization"),
    ):
        with pytest.raises(InputError, match=f"out.state.safetensors has other settings .*{what}"):
            retrain(tmp_path, "sru", OUT, **change)
    retrain(tmp_path, "sru", OUT)


def test_force_writes_over_a_checkpoint(tmp_path):
    (tmp_path / OUT).write_text("not one")
    retrain(tmp_path, "sru", OUT, force=True, settings=dataclasses.replace(SETTINGS, epochs=1))
    assert load(tmp_path / OUT).learned


def test_recipes_that_cannot_be_are_told():
    for name, least, most in (
        ("epochs", 1, 10**4),
        ("seed", 0, 2**32 - 1),
        ("batch_utterances", 1, 10**6),
        ("threads", 1, 1024),
    ):
        for value in (least, most):
            dataclasses.replace(SETTINGS, **{name: value})
        for value in (least - 1, most + 1, 10**400, 2.5, math.nan, "3", True):
            with pytest.raises(InputError, match=f"^{name.replace('_', '-')} must be a whole number from {least} to "):
                dataclasses.replace(SETTINGS, **{name: value})
    for rate in (0, -1e-3, math.nan, math.inf, 1001.0, "1"):
        with pytest.raises(InputError, match="learning-rate must be above 0 and at most 1000, not"):
            dataclasses.replace(SETTINGS, learning_rate=rate)


def test_the_tiny_corpus_is_one():
    assert load_split(TinyCorpus(), "validation").lengths.sum() > 0
    assert isinstance(configuration("sru", 8), Configuration)
