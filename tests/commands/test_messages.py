import os
from pathlib import Path

import pytest

from dse.console import one_line_errors, require_file, require_folder

FORGETFUL = [
    (("search", "--settings", "folder"), "settings file folder cannot be read: Is a directory"),
    (("search", "--out", "file/x"), "cannot write to the folder file/x: {}/file is a file"),
    (("search", "--out", "file"), "cannot write to the folder file: file is a file"),
    (("front", "--study", "s", "--out", "file/x"), "cannot write to the folder file/x: {}/file is a file"),
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


def test_folders_that_can_be_made_pass(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    require_folder(Path("new/er/est"))
    require_file(Path("new.csv"))
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root
    with pytest.raises(ValueError, match=f"cannot write to the folder new/er: no permission to write in {tmp_path}"):
        require_folder(Path("new/er"))
