"""What pytorch-kaldi's cfg, or --dropout, tells of a network."""

import pytest
from pytorch_kaldi import FEATURES, FILES, gated, one_line, run_import, sru, state_of, write

from models.checkpoint import read_card


@pytest.mark.parametrize("dropout", ["1", "-0.1", "nan", "1.5"])
def test_dropout_out_of_range_is_refused(folder, capsys, dropout):
    write(folder / FILES["architecture"], state_of(gated("gru")))
    assert run_import(folder, "gru", f"--dropout={dropout}") == 2
    assert "dropout must be in [0, 1)" in one_line(capsys)


def test_srus_dropout_leaves_nothing_to_give(folder, capsys):
    write(folder / FILES["architecture"], sru(FEATURES, 8))
    assert run_import(folder, "sru", "--dropout=0.1") == 2
    assert "does not apply to sru" in one_line(capsys)


LIGRU_CFG = """[exp]
cmd =
[architecture1]
arch_name = liGRU_layers
arch_class = liGRU
ligru_lay = 6,6,6
ligru_drop = 0.35,0.35,0.35
ligru_use_laynorm = False,False,False
ligru_act = relu,relu,relu
[architecture2]
arch_class = MLP
[model]
model = out_dnn1=compute(liGRU_layers,fbank)
\tout_dnn2=compute(MLP_layers,out_dnn1)
"""


def test_the_cfg_gives_the_dropout(folder):
    write(folder / FILES["architecture"], state_of(gated("ligru")))
    (folder / "a.cfg").write_text(LIGRU_CFG)
    assert run_import(folder, "ligru", f"--cfg={folder / 'a.cfg'}") == 0
    spec, card = read_card(folder / FILES["out"])
    assert spec.candidate_scale == pytest.approx(0.65)
    assert card["imported"]["cfg_checked"] is True


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("relu,relu,relu", "relu,tanh,relu", "ligru_act is 'relu,tanh,relu', only relu"),
        ("False,False,False", "False,True,False", "ligru_use_laynorm is"),
        ("= liGRU\n", "= minimalGRU\n", "0 architectures of arch_class liGRU, should be 1; it has minimalGRU, MLP"),
        ("0.35,0.35,0.35", "0.35,0.2,0.35", "not one number for all layers"),
        ("0.35,0.35,0.35", "0.2*12|0.1*12", "not one number for all layers"),
        ("0.35,0.35,0.35", "1,1,1", "dropout must be in [0, 1)"),
        ("[exp]", "exp", "is not a pytorch-kaldi cfg"),
    ],
)
def test_a_cfg_of_another_network_is_refused(folder, capsys, old, new, said):
    write(folder / FILES["architecture"], state_of(gated("ligru")))
    (folder / "a.cfg").write_text(LIGRU_CFG.replace(old, new))
    assert run_import(folder, "ligru", f"--cfg={folder / 'a.cfg'}") == 2
    assert said in one_line(capsys)


@pytest.mark.parametrize("option", ["sru_bidirectional", "sru_use_tanh"])
def test_the_cfg_tells_what_an_srus_tensors_do_not(folder, capsys, option):
    write(folder / FILES["architecture"], sru(FEATURES, 8))
    options = {"sru_bidirectional": True, "sru_use_tanh": False, "sru_use_relu": False, "sru_use_selu": False}
    for expected in (0, 2):
        lines = [f"{name} = {value}" for name, value in options.items()]
        (folder / "a.cfg").write_text("\n".join(["[architecture1]", "arch_class = SRU", *lines]))
        assert run_import(folder, "sru", f"--cfg={folder / 'a.cfg'}") == expected
        options[option] = not options[option]
        if expected == 0:
            capsys.readouterr()
    assert option in one_line(capsys)
