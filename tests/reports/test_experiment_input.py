"""Bad input of dse.experiment: one line that names what there is, status 2, before the first search."""

import shutil

import pytest
from described import write_described
from fake_task import FakeTask

from dse.evaluator.task import NetworkTask
from models.registry import MODELS

TWO = '[search]\nevaluations = 12\npopulation = 12\n[vary.model]\nsru = { model = "sru" }\ngru = { model = "gru" }\n'
BAD = [
    (["nothing"], "no experiment at studies/nothing/study.toml; there are my-fronts"),
    (["my-front"], "no experiment at studies/my-front/study.toml; my-fronts?"),
    (
        ["--list", "--studies", "file"],
        "no experiments in file: no folder in it has a study.toml; --studies names another",
    ),
    (["my-fronts", "--png", "3"], "PNG cannot be 3 pixels wide; 500 to 4000 can be drawn"),
    (["my-fronts", "--evaluations", "0"], "evaluations 0 is too small; it is at least 1"),
    (["my-fronts", "--out", "file"], "cannot write to the folder file: file is a file"),
    (["my-fronts", "--out", "file/x"], "cannot write to the folder file/x: "),
    (["my-fronts", "--checkpoints", "nowhere"], "--checkpoints nowhere: it needs sru.safetensors, and it is no folder"),
    (["my-fronts", "--checkpoints", "file"], "--checkpoints file: it needs sru.safetensors, and it is no folder"),
    (
        ["my-fronts", "--checkpoints", "empty"],
        "--checkpoints empty: it needs sru.safetensors, and it has no ",
    ),
    (["my-fronts", "--checkpoints", "one"], "--checkpoints one: it needs gru.safetensors, and it has sru.safetensors"),
]
OF_NETWORKS = [  # told by what reads networks and corpora
    (["my-fronts", "--corpus", "nope"], "no corpus 'nope'; there are synthetic, timit, kaldi, arrays"),
    (["my-fronts", "--corpus", "timit"], "the timit corpus needs its folder (--corpus-path)"),
    (["my-fronts", "--corpus", "timit", "--corpus-path", "nowhere"], "no TIMIT: 'nowhere' does not exist"),
    (["my-fronts", "--corpus", "timit", "--corpus-path", "empty"], "no TIMIT in 'empty': expected TRAIN/"),
    (["my-fronts", "--preset", "big"], "unknown preset 'big' of sru; there are edge, paper, stream"),
    (["my-fronts", "--device", "tpu"], "device 'tpu' is none of cpu, cuda"),
    (["my-fronts", "--checkpoints", "damaged"], "checkpoint damaged/gru.safetensors is damaged"),
    (["my-fronts", "--checkpoints", "swapped"], "checkpoint swapped/gru.safetensors holds a sru, not a gru"),
]
MAKES = "the same command without --page makes it\n"


@pytest.fixture
def folders(tmp_path):
    write_described(tmp_path, "fronts", TWO)
    (tmp_path / "file").touch()
    for name in ("empty", "one", "damaged", "swapped"):
        (tmp_path / name).mkdir()
        for model in ("sru", "gru")[: {"empty": 0, "one": 1}.get(name, 2)]:
            shutil.copy(NetworkTask(model).checkpoint_path, tmp_path / name / f"{model}.safetensors")
    damaged, swapped = (tmp_path / name / "gru.safetensors" for name in ("damaged", "swapped"))
    damaged.write_bytes(damaged.read_bytes()[:-1000])
    shutil.copy(swapped.with_name("sru.safetensors"), swapped)
    assert {"sru", "gru"} < {*MODELS}


@pytest.mark.parametrize(("argv", "said"), [*BAD, *OF_NETWORKS])
def test_bad_input_is_told_in_a_line_before_the_first_search(cli, folders, tmp_path, argv, said):
    elsewhere = [] if {"--out", "--list"} & {*argv} else ["--out", "elsewhere"]
    task = NetworkTask if (argv, said) in OF_NETWORKS else FakeTask
    status, out, err = cli("experiment", *argv, *elsewhere, task=task)
    assert (status, out) == (2, "") and err.startswith(f"error: {said}") and len(err.splitlines()) == 1
    assert not (tmp_path / "studies/dse.db").exists()


@pytest.mark.parametrize("option", ["--evaluations=12", "--preset=edge", "--corpus=synthetic", "--checkpoints=one"])
def test_other_results_do_not_replace_the_experiments_own(cli, folders, tmp_path, option):
    for own in ([], ["--out", "studies/../studies/my-fronts"]):
        status, _, err = cli("experiment", "my-fronts", option, *own)
        assert (
            status == 2 and "gives other results than those of" in err and err.endswith(": --out FOLDER takes them\n")
        )
    assert [path.name for path in (tmp_path / "studies/my-fronts").iterdir()] == ["study.toml"]


def test_recorded_speech_brings_its_path_and_networks(cli, folders):
    """As in the command of the study timit-sample."""
    err = cli("experiment", "my-fronts", "--corpus-path", "empty", "--checkpoints", "one")[2]
    assert err.startswith("error: --checkpoints one: it needs gru.safetensors")


@pytest.mark.parametrize("what", ["--list", "--claims"])
def test_what_is_of_all_experiments_takes_no_name(cli, folders, what):
    status, out, err = cli("experiment", "my-fronts", what)
    assert (status, out) == (
        2,
        "",
    ) and err == "error: --list and --claims are of all experiments: leave my-fronts out\n"


def test_a_bad_value_of_a_description_is_told_with_its_file(cli, tmp_path):
    folder = write_described(tmp_path, "fronts", '[search]\nevaluations = "five"\n').relative_to(tmp_path)
    status, _, err = cli("experiment", "my-fronts")
    assert status == 2 and err.startswith(f"{folder}/study.toml: argument --evaluations: ") and err.count("\n") == 1


@pytest.mark.parametrize("kind", ["uniform", "steps"])
def test_every_kind_plans_all_searches_before_the_first(cli, folders, tmp_path, kind):
    write_described(tmp_path, kind, TWO)
    status, _, err = cli("experiment", f"my-{kind}", "--checkpoints", "one", "--out", "elsewhere")
    assert status == 2 and err.startswith("error: --checkpoints one: it needs gru.safetensors") and err.count("\n") == 1


def test_a_page_is_of_what_is_there(cli, tmp_path):
    folder = write_described(tmp_path, "prices")
    status, _, err = cli("experiment", "my-prices", "--page")
    assert status == 2 and err == f"error: no {folder.relative_to(tmp_path)}/result.json; " + MAKES
    assert cli("experiment", "my-prices")[0] == 0
    (folder / "prices.csv").unlink()
    assert cli("experiment", "my-prices", "--page")[2].endswith("/prices.csv; " + MAKES)
    for text in ("{", "[]", '{"answer": "a"}'):
        (folder / "result.json").write_text(text)
        status, _, err = cli("experiment", "my-prices", "--page")
        assert status == 2 and "damaged or of an older version" in err and len(err.splitlines()) == 1
    assert (
        cli("experiment", "my-prices", "--page", "--png", "1000")[2] == "error: --page draws nothing; leave --png out\n"
    )


@pytest.mark.parametrize("step", ["first", "second"])
def test_both_steps_have_options_that_there_are(cli, tmp_path, step):
    write_described(tmp_path, "steps", f"[steps]\n{step} = {{ evaluation = 3 }}\n{TWO}")
    status, _, err = cli("experiment", "my-steps")
    assert status == 2 and "unknown setting 'evaluation'" in err and len(err.splitlines()) == 1
