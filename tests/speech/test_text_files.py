"""Text that a user brings and that is none is told in one line, wherever it is read."""

from pathlib import Path

import pytest
from kaldi_tree import write_kaldi

from dse.__main__ import main

NOT_TEXT = b"\xff\xfe\x00 not UTF-8 \x80\n"
TABLES = ["phone_map.txt", "train/feats.scp", "train/text", "validation/utt2spk", "test/ali.scp"]


@pytest.mark.parametrize("table", TABLES)
def test_a_kaldi_table_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str) -> None:
    write_kaldi(tmp_path / "data")
    (tmp_path / "data" / table).write_bytes(NOT_TEXT)
    out = str(tmp_path / "out")
    assert main(["data", "check", "--corpus", "kaldi", "--corpus-path", str(tmp_path / "data"), "--out", out]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and table in err and "is not a text file in UTF-8" in err


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (["search", "--settings", "file.toml"], "settings file file.toml is not TOML"),
        (["search", "--platform", "file.toml"], "file.toml"),
        (["import_kaldi", "--model", "gru", "--architecture", "a", "--output", "b", "--out", "c", "--cfg", "file.toml"],
         "file.toml is not a pytorch-kaldi cfg"),
    ],
)  # fmt: skip
def test_other_files_that_are_no_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, argv: list[str], what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file.toml").write_bytes(NOT_TEXT)
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and what in err
