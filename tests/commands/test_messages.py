import errno
import os
import tempfile
from pathlib import Path

import fake_task
import pytest

from dse.console import one_line_errors, require_file, require_folder
from dse.reports.files import FILES
from dse.study.storage import StoreError
from models.workload import InputError, MissingError

FORGETFUL = [
    (("search", "--settings", "folder"), "settings file folder cannot be read: Is a directory"),
    (("search", "--out", "file/x"), "cannot write to the folder file/x: {}/file is a file"),
    (("search", "--out", "file"), "cannot write to the folder file: file is a file"),
    (("front", "--study", "s", "--out", "file/x"), "cannot write to the folder file/x: {}/file is a file"),
    (("front", "--study", "s", "--frame", "file/x.csv"), "cannot write to the folder file: file is a file"),
    (("front", "--study", "s", "--frame", "file/new/x.csv"), "cannot write to the folder file/new: {}/file is a file"),
    (("train", "--model", "sru", "--out", "folder"), "cannot write the file folder: it is a folder"),
    (("train", "--model", "sru", "--out", "file/x.safetensors"), "cannot write to the folder file: file is a file"),
    (("data", "check", "--out", "file"), "cannot write to the folder file: file is a file"),
]


@pytest.mark.parametrize(("argv", "message"), FORGETFUL, ids=[" ".join(argv) for argv, _ in FORGETFUL])
def test_what_cannot_be_read_or_written_is_told_before_any_work(cli, tmp_path, argv, message):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    status, out, err = cli(*argv)
    assert (status, out, err) == (2, "", f"error: {message.format(tmp_path)}\n")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}


OUTPUTS = [("--out", "new/out"), ("--frame", "new/all.csv"), ("--frame", "new/deep/all.json")]


@pytest.mark.parametrize(("option", "path"), OUTPUTS)
def test_a_new_folder_is_made_for_any_output_and_for_no_refused_one(cli, tmp_path, option, path):
    assert cli("search", "--study", "s", "--workers", "1", "--evaluations", "4", "--population", "4")[0] == 0
    for refused in (
        ("--study", "none"),
        ("--study", "s", "--objectives", "speed"),
        ("--study", "s", "--platform", "x"),
    ):
        assert cli("front", *refused, option, path)[0] == 2
        assert not (tmp_path / "new").exists()
    assert cli("front", "--study", "s", option, path)[0] == 0
    assert (tmp_path / path).exists()


def test_a_missing_pytorch_kaldi_file_is_told_as_such(tmp_path, capsys):
    from dse.import_kaldi import main

    (tmp_path / "network.pkl").mkdir()
    out = ["--out", str(tmp_path / "o.safetensors")]
    for argv, message in (
        (["--architecture", "none.pkl"], "no pytorch-kaldi network (final_architecture*.pkl) at none.pkl"),
        (["--architecture", f"{tmp_path}/network.pkl"], f"at {tmp_path}/network.pkl, it is a folder"),
        (["--architecture", "x", "--cfg", "none.cfg"], "no pytorch-kaldi cfg at none.cfg"),
        (["--architecture", "x", "--out", str(tmp_path)], f"cannot write the file {tmp_path}: it is a folder"),
    ):
        assert main(["--model", "gru", "--output", "none.pkl", *out, *argv]) == 2
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1


def test_the_name_of_a_file_comes_without_an_error_number(capsys):
    @one_line_errors
    def main():
        raise PermissionError(13, "Permission denied", "/some/file")

    assert main() == 2
    assert capsys.readouterr().err == "error: /some/file: Permission denied\n"


def test_a_cache_that_cannot_be_written_names_the_variable_that_helps(cli, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path / "file" / "cache"))
    status, _, err = cli("data", "check")
    assert status == 2 and err.count("\n") == 1
    assert err.startswith(f"error: {tmp_path}/file") and "; DSE_CACHE_DIR names another folder" in err


def test_folders_that_can_be_made_pass(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    require_folder(Path("new/er/est"))
    require_file(Path("new.csv"))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_takes_no_files_is_refused_whatever_its_permissions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def read_only(dir):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)  # the tests may run as root, whom nothing is refused
    with pytest.raises(ValueError, match=f"cannot write to the folder new/er: Read-only file system in {tmp_path}"):
        require_folder(Path("new/er"))


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_the_place_of_a_file_is_told_before_the_search(cli, tmp_path, name):
    argv = ("--evaluations", "8", "--population", "4", "--workers", "1", "--study", "s", "--out", "out")
    assert cli("search", *argv)[0] == 0
    (tmp_path / "out" / name).unlink()
    (tmp_path / "out" / name / "x").mkdir(parents=True)
    calls = fake_task.FakeMeasurer.calls
    for command in (("search", *argv, "--evaluations", "12"), ("report", "study", "s", "--out", "out")):
        assert cli(*command) == (2, "", f"error: cannot write the file out/{name}: it is a folder\n")
    assert fake_task.FakeMeasurer.calls == calls


@pytest.mark.parametrize("kind", [InputError, MissingError, StoreError])
def test_an_error_is_one_line_whatever_it_quotes(kind):
    assert str(kind("unknown model 'a\nb\r\nc'")) == "unknown model 'a b c'"
