"""What import_torch cannot take, or needs to be told, is one line."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from arrays_tree import LABELS, write_npz
from torch import nn
from torch_networks import FEATURES, HIDDEN, imported, imported_logits, net, own_logits, refusal, utterances

from dse.import_torch import main
from models.checkpoint import load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(7)
    return tmp_path / "net.pt"


def state(**more: nn.Module) -> dict[str, torch.Tensor]:
    """A GRU's network, and modules beside it."""
    found = dict(net("gru").state_dict())
    for name, module in more.items():
        found |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    return found


class Hostile:
    def __reduce__(self):
        return (Path.touch, (Path("touched"),))


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_missing_damaged_and_hostile_files(file, capsys, monkeypatch, ending):
    monkeypatch.chdir(file.parent)
    file = file.with_suffix(f".{ending}")
    assert "no network at" in refusal(capsys, file)
    assert "is a folder" in refusal(capsys, file.parent)
    from safetensors.torch import save_file

    (torch.save if ending == "pt" else save_file)(state(), file)
    file.write_bytes(file.read_bytes()[:-100])
    assert str(file) in (told := refusal(capsys, file)) and "damaged" in told
    file.write_bytes(b"")
    assert "damaged" in refusal(capsys, file)
    file.write_bytes(pickle.dumps(Hostile()))
    assert "is not loaded" in refusal(capsys, file)
    torch.save({"model": Hostile()}, file)
    assert "is not loaded" in refusal(capsys, file)
    assert not Path("touched").exists()


def test_what_is_read_is_not_written_over(file, capsys):
    torch.save(state(), file)
    labels, before = file.with_name("labels.txt"), file.read_bytes()
    labels.write_text("a\n")
    for out, more in ((file, ()), (file.parent / "." / file.name, ()), (labels, ("--labels", str(labels)))):
        assert main([str(file), "--out", str(out), *more]) == 2
        assert f"cannot write the file {out}: it is what is read; give another name\n" in capsys.readouterr().err
    assert file.read_bytes() == before and labels.read_text() == "a\n"


def test_a_whole_module_is_answered_with_what_to_write(file, capsys):
    torch.save(net("gru"), file)
    assert "write torch.save(net.state_dict(), FILE)" in refusal(capsys, file)


def test_a_state_dict_within_a_training_file_is_found(file, capsys):
    network, speech = net("lstm"), utterances()
    moments = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []}
    torch.save({"epoch": 3, "model": network.state_dict(), "optimizer": moments}, file)
    assert np.allclose(imported_logits(imported(file), speech), own_logits(network, speech), atol=1e-5)
    torch.save({"model": network.state_dict(), "ema": network.state_dict()}, file)
    told = refusal(capsys, file)
    assert "2 state_dicts" in told and "--map state_dict=NAME" in told and "'model', 'ema'" in told
    assert imported(file, "--map", "state_dict=ema")
    assert "no state_dict named 'x'; there are 'model', 'ema'" in refusal(capsys, file, "--map", "state_dict=x")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "holds no state_dict"),
        ({}, "holds no state_dict"),
        ({"w": torch.ones(3, 3)}, "holds no torch.nn.LSTM or GRU, sru.SRU or LiGRU of SpeechBrain: w [3, 3]"),
        ({"rnn.weight_hh_l0": torch.ones(3, 3).to_sparse()}, "'rnn.weight_hh_l0' is not a plain tensor"),
        ({"rnn.weight_hh_l0": torch.ones(12, 3)}, "tensor rnn.weight_ih_l0 is missing"),
        ({"rnn.weight_hh_l0": torch.ones(12)}, "rnn.weight_hh_l0 is [12], should have 2 dimensions"),
        (nn.RNN(5, 6).state_dict(), "weight_hh_l0: torch.nn.RNN (6 rows for 6 units) is not supported"),
        (nn.LSTM(5, 6, proj_size=4).state_dict(), "weight_hr_l0: proj_size of torch.nn.LSTM is not supported"),
        (nn.GRU(5, 6).state_dict(), "no linear output layer of 6 columns"),
        (state() | {"rnn.bias_hh_l1": torch.ones(7)}, "rnn.bias_hh_l1 is [7], should be [18]"),
        (state() | {"rnn.bias_hh_l1": torch.full((18,), torch.nan)}, "rnn.bias_hh_l1 holds values that are not finite"),
        (state(norm=nn.BatchNorm1d(6)), "tensor norm.bias: batch normalisation is not supported; taken are one"),
        (state(norm=nn.LayerNorm(6)), "tensor norm.bias: layer normalisation is not supported; taken are one"),
        (state(norm=nn.GroupNorm(2, 6)), "tensor norm.bias: layer normalisation is not supported; taken are one"),
        (state(conv=nn.Conv1d(4, 5, 3)), "tensor conv.bias: a convolution is not supported"),
        (state(front=nn.Linear(4, 5)), "tensor front.bias: another matrix is not supported"),
        (state() | {"scale": torch.ones(())}, "tensor scale: a parameter of its own is not supported"),
        (state(other=nn.Linear(6, 5)), "2 linear layers of 6 columns: fc, other; --map output=NAME takes one"),
        (
            {
                f"{r}.{k}": v
                for r, m in (("rnn1", nn.GRU(5, 6)), ("rnn2", nn.GRU(6, 8)))
                for k, v in m.state_dict().items()
            },
            "rnn2.weight_hh_l0: a layer of [24, 8] after one of [18, 6]: other units",
        ),
        (state(other=nn.GRU(6, 6)), "rnn (torch.nn.LSTM or GRU)"),
        (
            state(last=nn.utils.parametrizations.weight_norm(nn.Linear(6, 5))),
            "last.parametrizations.weight.original0: a weight made of others (weight or spectral normalisation), which",
        ),
    ],
)
def test_what_does_not_fit_is_named(file, capsys, content, said):
    torch.save(content, file)
    assert said in refusal(capsys, file)


def test_what_could_be_either_is_mapped_and_what_is_not_used_is_ignored(file, capsys):
    network, speech = net("gru"), utterances()
    torch.save(dict(network.state_dict()) | state(other=nn.GRU(6, 6), head=nn.Linear(6, 3)), file)
    torch.save(network.state_dict() | {f"other.{k}": v for k, v in net("gru").state_dict().items()}, file)
    assert "--map network=NAME takes one" in refusal(capsys, file)
    assert "2 linear layers" in refusal(capsys, file, "--map", "network=rnn")
    roles = ["--map", "network=rnn", "--map", "output=fc"]
    assert "--ignore other" in refusal(capsys, file, *roles)
    out = imported(file, *roles, "--ignore", "other")
    assert np.allclose(imported_logits(out, speech), own_logits(network, speech), atol=1e-5)
    assert "nothing named 'x' to ignore" in refusal(capsys, file, *roles, "--ignore", "x")
    assert "no recurrent module 'x'; there are" in refusal(capsys, file, "--map", "network=x")
    assert "tensor x.weight is missing" in refusal(capsys, file, "--map", "network=rnn", "--map", "output=x")
    assert "--map x: should be ROLE=NAME" in refusal(capsys, file, "--map", "x")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--blank middle", "--blank middle: it is first or last"),
        ("--decoder beam", "unknown decoder 'beam'; there are viterbi, ctc, frames"),
        ("--decoder ctc", "--decoder ctc needs --labels FILE or --corpus arrays"),
        ("--blank first", "--labels and --blank need --decoder ctc or frames"),
        ("--decoder frames --blank last", "--blank needs --decoder ctc"),
        ("--decoder ctc --labels labels.txt", "the output layer has 9 outputs, decoder ctc 6: 5 labels and the blank"),
        ("--decoder frames --labels labels.txt", "the output layer has 9 outputs, decoder frames 5: 5 labels"),
        (
            "--corpus arrays --corpus-path data",
            "corpus arrays has no bigram and priors for viterbi; give --decoder ctc or frames",
        ),
        ("--corpus nowhere", "no corpus 'nowhere'"),
        ("--corpus-path data", "need --corpus"),
        ("--standardise train", "need --corpus"),
        ("--standardise norm.npz", "no .npz file of mean and std at norm.npz"),
        ("--standardise wrong.npz", "wrong.npz: mean is [4], should be [5]"),
        ("--standardise zero.npz", "zero.npz: std holds values that are not finite or not over 0"),
        ("--standardise half.npz", "half.npz holds no array 'std'"),
        ("--standardise labels.txt", "labels.txt is not a .npz file"),
        ("--directions 2", "has a network of 1 direction, not 2"),
    ],
)
def test_options_that_do_not_fit_are_named(file, capsys, monkeypatch, options, said):
    monkeypatch.chdir(file.parent)
    torch.save(net("gru").state_dict(), file)
    write_npz(file.parent / "data")
    Path("labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    np.savez("wrong.npz", mean=np.zeros(4), std=np.ones(4))
    np.savez("zero.npz", mean=np.zeros(FEATURES), std=np.zeros(FEATURES))
    np.savez("half.npz", mean=np.zeros(FEATURES))
    assert said in refusal(capsys, file, *options.split())


def test_labels_without_a_corpus_are_the_decoder(file, capsys, monkeypatch):
    monkeypatch.chdir(file.parent)
    labels = "abcdefgh"
    Path("labels.txt").write_text("".join(f"{label}\n" for label in labels))
    torch.save(net("gru").state_dict(), file)
    out = imported(file, "--decoder", "ctc", "--blank", "last", "--labels", "labels.txt")
    assert load(out).card["decoder"] == {"kind": "ctc", "blank": "last", "labels": list(labels)}
    assert "not scored: --corpus tells its error" in capsys.readouterr().out
    assert load(out).spec.hidden == HIDDEN
