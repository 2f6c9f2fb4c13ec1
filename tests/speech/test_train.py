"""Training: interrupted and resumed is the same as uninterrupted; cards tell how; damage is named."""

import dataclasses

import numpy as np
import pytest

import models.networks.lstm
import models.networks.sru
from dse import train as dse_train
from dse.corpora.split import Split
from dse.training import loop
from dse.training.settings import TrainSettings
from models.checkpoint import load, read_card, save
from models.registry import MODELS, build_network
from models.workload import InputError


def tiny_split(name: str, utterances: int, seed: int) -> Split:
    """Features that betray the phone, so that a little training shows."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(3, 6, utterances)
    phones = rng.integers(0, 61, counts.sum()).astype(np.int16)
    frames = np.repeat(phones, 9)
    centres = np.random.default_rng(99).normal(size=(61, 23))
    return Split(
        name=name,
        features=(centres[frames] + 0.3 * rng.normal(size=(len(frames), 23))).astype(np.float32),
        lengths=counts * 9,
        phones=frames,
        states=np.tile(np.repeat([0, 1, 2], 3), len(phones)).astype(np.int8),
        segment_phones=phones,
        segment_counts=counts,
        names=tuple(f"{name}{u}" for u in range(utterances)),
        speakers=("s",) * utterances,
        fingerprint=f"{name}-{seed}",
    )


class TinyCorpus:
    name = "tiny"

    def fingerprint(self, split: str) -> str:
        return f"tiny-{split}"

    def speakers(self, split: str) -> tuple[str, ...]:
        return (f"{split}-speaker",)


@pytest.fixture
def tiny(monkeypatch):
    splits = {
        name: tiny_split(name, n, k) for k, (name, n) in enumerate([("train", 40), ("validation", 9), ("test", 8)])
    }
    monkeypatch.setattr(loop, "open_corpus", lambda name, path, skip_bad: TinyCorpus())
    monkeypatch.setattr(loop, "load_split", lambda corpus, name: splits[name])
    monkeypatch.setitem(
        models.networks.sru.PRESETS, "tiny", models.networks.sru.Sru(layers=2, hidden=16, projection=12)
    )
    monkeypatch.setitem(models.networks.lstm.PRESETS, "tiny", models.networks.lstm.Lstm(layers=1, hidden=8))


SETTINGS = TrainSettings("sru", "tiny", epochs=4, batch_utterances=4, learning_rate=1e-2)


@pytest.mark.parametrize("model", ["sru", "lstm"])
def test_interrupted_and_resumed_equals_uninterrupted(tiny, tmp_path, monkeypatch, model):
    settings = dataclasses.replace(SETTINGS, model=model)
    whole = loop.train(settings, tmp_path / "whole.safetensors")
    epochs = loop.run_epoch

    def interrupted(*arguments):
        if arguments[-1] == 2:
            raise KeyboardInterrupt
        return epochs(*arguments)

    monkeypatch.setattr(loop, "run_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.train(settings, tmp_path / "cut.safetensors")
    monkeypatch.setattr(loop, "run_epoch", epochs)
    resumed = loop.train(settings, tmp_path / "cut.safetensors")
    assert resumed["history"] == whole["history"]
    one, two = load(tmp_path / "whole.safetensors"), load(tmp_path / "cut.safetensors")
    assert all((one.weights[name] == two.weights[name]).all() for name in one.weights)
    assert not list(tmp_path.glob("*.state.*"))


def test_training_lowers_the_error_and_the_card_tells_how(tiny, tmp_path):
    path = tmp_path / "x.safetensors"
    card = loop.train(dataclasses.replace(SETTINGS, epochs=12), path)
    history = card["history"]
    assert history[-1]["loss"] < history[0]["loss"]
    assert min(h["validation_error_percent"] for h in history) < history[0]["validation_error_percent"]
    spec, stored = read_card(path)
    assert spec == models.networks.sru.PRESETS["tiny"]
    assert (
        stored["command"]
        == "python -m dse.train --model sru --preset tiny --epochs 12 --batch-utterances 4 --learning-rate 0.01"
    )
    assert stored["corpus"]["validation"] == "tiny-validation"
    assert set(stored["float_error_percent"]) == {"validation", "test"}


def test_state_of_other_settings_is_refused(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "tune", None, raising=False)
    path = tmp_path / "x.safetensors"
    state = loop.TrainState(path.with_suffix(".state.safetensors"), dataclasses.asdict(SETTINGS))
    import torch

    network = build_network(models.networks.sru.PRESETS["tiny"])
    optimizer = torch.optim.Adam(network.parameters())
    state.save(network, optimizer, [{"loss": 1.0, "validation_error_percent": 50.0}], is_best=True)
    recipe = ["--epochs", "4", "--seed", "7", "--batch-utterances", "4", "--learning-rate", "0.01"]
    command = ["--model", "sru", "--preset", "tiny", *recipe]
    assert dse_train.main([*command, "--out", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "seed: stored 1, now 7" in error
    state.path.write_bytes(state.path.read_bytes()[:100])
    assert dse_train.main([*command, "--out", str(path)]) == 2
    assert "damaged" in capsys.readouterr().err


def test_a_finished_training_says_so_and_no_other_checkpoint_is_overwritten(tiny, tmp_path, capsys):
    import torch

    path = tmp_path / "x.safetensors"
    settings = dataclasses.replace(SETTINGS, epochs=1)
    threads = torch.get_num_threads()
    card = loop.train(settings, path)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(threads)
    first = path.read_bytes()
    capsys.readouterr()
    again = loop.train(settings, path)
    assert again["history"] == card["history"] and "is trained already" in capsys.readouterr().out
    for change, what in (({"seed": 2}, "seed"), ({"epochs": 2, "dropout": 0.5}, "epochs, dropout")):
        with pytest.raises(InputError, match=f"x.safetensors was trained with another {what}; --force writes over"):
            loop.train(dataclasses.replace(settings, **change), path)
    assert path.read_bytes() == first
    foreign = load(path)
    save(path, dataclasses.replace(foreign, card={"command": "import"}))
    with pytest.raises(InputError, match="was not trained by this command"):
        loop.train(settings, path)


def test_by_force_it_is_trained_anew_and_a_killed_one_goes_on(tiny, tmp_path, monkeypatch, capsys):
    path = tmp_path / "x.safetensors"
    sizes = ["--epochs", "2", "--batch-utterances", "4", "--learning-rate", "0.01"]
    command = ["--model", "sru", "--preset", "tiny", *sizes, "--out", str(path)]
    assert dse_train.main(command) == 0
    first, weights = capsys.readouterr().out, load(path).weights
    assert dse_train.main(command) == 0 and "epoch" not in capsys.readouterr().out.partition("best epoch")[0]
    assert dse_train.main([*command, "--force"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == first.splitlines()[:2]  # its epochs, the same
    assert all((load(path).weights[name] == weights[name]).all() for name in weights)

    other, epochs = [*command, "--seed", "3", "--force"], loop.run_epoch

    def interrupted(*given):
        if given[-1] == 1:
            raise KeyboardInterrupt
        return epochs(*given)

    monkeypatch.setattr(loop, "run_epoch", interrupted)
    dse_train.main(other)
    assert read_card(path)[1]["settings"]["seed"] == 1  # nothing is lost before the end
    monkeypatch.setattr(loop, "run_epoch", epochs)
    capsys.readouterr()
    assert dse_train.main(other) == 0 and "epoch 1/" not in capsys.readouterr().out
    assert read_card(path)[1]["settings"]["seed"] == 3


@pytest.mark.parametrize("name", ["m.png", "mine.tmp", "mine"])
def test_a_checkpoint_has_a_name_that_its_curves_do_not_take(tiny, tmp_path, name):
    with pytest.raises(InputError, match=f"{name}: a checkpoint's name ends in .safetensors"):
        loop.train(SETTINGS, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "sru", "--threads", "0"], "threads must be a whole number from 1 to 1024, not 0"),
        (["--model", "sru", "--batch-utterances", "0"], "batch-utterances must be a whole number from 1 to 1000000"),
        (["--model", "sru", "--seed", "-1"], "seed must be a whole number from 0 to 4294967295, not -1"),
        (["--model", "sru", "--learning-rate", "nan"], "learning-rate must be above 0 and at most 1000, not nan"),
        (["--model", "sru", "--learning-rate", "1e400"], "learning-rate must be above 0 and at most 1000, not inf"),
        (["--model", "sru", "--dropout", "nan"], "dropout must be in [0, 1), not nan"),
        (["--model", "sru", "--dropout", "1"], "dropout must be in [0, 1), not 1.0"),
        (["--model", "sur"], f"unknown model 'sur'; there are {', '.join(sorted(MODELS))}"),
        (["--model", "sru", "--preset", "big"], "unknown preset 'big' of sru; there are edge, paper"),
        (["--model", "sru", "--epochs", "0"], "epochs must be a whole number from 1 to 10000, not 0"),
        (["--model", "sru", "--corpus", "nope"], "no corpus 'nope'"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, message, capsys):
    assert dse_train.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize("model", ["sru", "lstm"])
def test_mixed_precision_trains_too(tiny, tmp_path, monkeypatch, model):
    """What a GPU would run, bfloat16 products, on the CPU."""
    import torch

    monkeypatch.setattr(loop, "mixed_precision", lambda device: torch.autocast("cpu", torch.bfloat16))
    settings = dataclasses.replace(SETTINGS, model=model, epochs=6)
    history = loop.train(settings, tmp_path / "x.safetensors")["history"]
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_a_gpu_that_is_not_there_is_told(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="sees no GPU"):
        loop.device_of(dataclasses.replace(SETTINGS, device="cuda"))
    assert loop.device_of(SETTINGS).type == "cpu"


def test_training_stops_when_validation_no_longer_improves(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "PATIENCE", 2)
    monkeypatch.setattr(loop, "float_error", lambda *arguments: 50.0)
    card = loop.train(dataclasses.replace(SETTINGS, epochs=9), tmp_path / "x.safetensors")
    assert len(card["history"]) == 3


def test_the_time_of_every_process_counts(tmp_path, monkeypatch):
    import torch

    network = build_network(models.networks.sru.PRESETS["edge"])
    optimizer = torch.optim.Adam(network.parameters())
    now = [1000.0]
    monkeypatch.setattr("dse.training.state.time.perf_counter", lambda: now[0])
    for spent_seconds in (300, 360, 420):
        now[0] += 10**6  # between two processes
        state = loop.TrainState(tmp_path / "state.safetensors", dataclasses.asdict(SETTINGS))
        state.resume(network, optimizer)
        now[0] += spent_seconds
        state.save(network, optimizer, [], is_best=True)
    assert state.seconds == pytest.approx(300 + 360 + 420)
