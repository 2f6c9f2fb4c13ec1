"""Networks of pytorch-kaldi that the models here are not: named by the tensor that tells."""

from collections import OrderedDict

import pytest
import torch
from pytorch_kaldi import (
    FEATURES,
    FILES,
    HIDDEN,
    OUTPUTS,
    gated,
    one_line,
    output_layer,
    run_import,
    sru,
    state_of,
    write,
)


@pytest.mark.parametrize(
    ("model", "asked", "said"),
    [
        ("gru", "ligru", "tensor bn_wr.0.bias has no place in pytorch-kaldi's liGRU network"),
        ("ligru", "gru", "tensor wr.0.weight is missing; pytorch-kaldi's GRU network has it"),
        ("gru", "lstm", "tensor wfx.0.weight is missing"),
        ("lstm", "sru", "tensor sru.rnn_lst.0.bias is missing"),
        ("lstm", "rnn", "unknown model 'rnn'; there are lstm, gru, ligru, sru"),
    ],
)
def test_the_wrong_model_is_named(folder, capsys, model, asked, said):
    write(folder / FILES["architecture"], state_of(gated(model)))
    assert run_import(folder, asked) == 2
    assert said in one_line(capsys)


def test_swapped_files_are_named(folder, capsys):
    write(folder / FILES["architecture"], state_of(output_layer()))
    write(folder / FILES["output"], state_of(gated("ligru")))
    assert run_import(folder, "ligru") == 2
    assert "final_architecture1.pkl: tensor wz.0.weight is missing" in one_line(capsys)


def test_an_output_layer_of_other_directions_is_refused(folder, capsys):
    write(folder / FILES["architecture"], state_of(gated("ligru")))
    write(folder / FILES["output"], state_of(output_layer(HIDDEN)))
    assert run_import(folder, "ligru") == 2
    assert f"tensor wz.1.weight is [{HIDDEN}, {2 * HIDDEN}], should be [{HIDDEN}, {HIDDEN}]" in one_line(capsys)


@pytest.mark.parametrize(
    ("file", "name", "value", "said"),
    [
        ("architecture", "ln.2.gamma", torch.full((HIDDEN,), 1.1), "tensor ln.2.gamma: layer normalisation"),
        ("architecture", "ln0.gamma", torch.ones(FEATURES), "tensor ln0.gamma has no place"),
        ("architecture", "bn0.weight", torch.ones(FEATURES), "tensor bn0.weight has no place"),
        ("architecture", "wz.1.bias", torch.ones(HIDDEN), "tensor wz.1.bias has no place"),
        ("architecture", "wz.4.weight", torch.ones(HIDDEN, 2 * HIDDEN), "tensor wz.4.weight has no place"),
        ("output", "bn.0.running_mean", torch.ones(OUTPUTS), "tensor bn.0.running_mean: batch normalisation"),
        ("output", "ln.0.beta", torch.ones(OUTPUTS), "tensor ln.0.beta: layer normalisation"),
        ("output", "wx.1.weight", torch.ones(3, OUTPUTS), "tensor wx.1.weight has no place"),
    ],
)
def test_what_the_models_do_not_do_is_named(folder, capsys, file, name, value, said):
    states = {"architecture": state_of(gated("ligru")), "output": state_of(output_layer())}
    states[file] = OrderedDict(states[file], **{name: value})
    for key, state in states.items():
        write(folder / FILES[key], state)
    assert run_import(folder, "ligru") == 2
    assert said in one_line(capsys)


def test_normalisation_beside_a_bias_is_refused(folder, capsys):
    state = state_of(gated("gru", batch_norm=False))
    state["bn_wr.1.running_var"] += 0.1
    write(folder / FILES["architecture"], state)
    assert run_import(folder, "gru") == 2
    assert "tensor bn_wr.1.running_var: batch normalisation beside a bias" in one_line(capsys)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("sru.rnn_lst.1.scale_x", torch.ones(1), "scale_x: a highway scale of 1.3175 beside 1.0000"),
        ("sru.rnn_lst.0.bias", torch.ones(18), "a length of 18"),
        ("sru.rnn_lst.0.gain", torch.ones(48), "tensor sru.rnn_lst.0.gain has no place"),
        ("sru.rnn_lst.2.layer_norm.weight", torch.ones(12), "layer_norm.weight has no place"),
        ("sru.ln_lst.0.a", torch.ones(12), "tensor sru.ln_lst.0.a has no place"),
        # without skip term the first layer has three parts
        ("sru.rnn_lst.0.weight", torch.ones(5, 36), "weight: a layer without highway"),
    ],
)
def test_other_srus_are_refused(folder, capsys, name, value, said):
    write(folder / FILES["architecture"], OrderedDict(sru(FEATURES, 8), **{name: value}))
    assert run_import(folder, "sru") == 2
    assert said in one_line(capsys)


@pytest.mark.parametrize("read", ["architecture", "output"])
def test_what_is_read_is_not_written_over(folder, capsys, read):
    write(folder / FILES[read], sru(FEATURES, 8))
    before = (folder / FILES[read]).read_bytes()
    assert run_import(folder, "sru", "--out", str(folder / FILES[read])) == 2
    assert "it is what is read; give another name" in one_line(capsys)
    assert (folder / FILES[read]).read_bytes() == before
