"""Text that a user brings and that is none is told in one line, wherever it is read."""

import ast
import os
import subprocess
import sys
from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kaldi_tree import write_kaldi
from timit_tree import SAMPLES, labels

from dse.__main__ import main
from dse.console import from_settings_file
from dse.corpora import open_corpus
from dse.corpora.base import SPLITS
from dse.corpora.load import load_split
from dse.corpora.timit.audio import read_segments
from dse.import_kaldi import read_dropout
from dse.phones.text import read_lines
from dse.search import parser
from platforms import describe, open_platform

NOT_TEXT = b"\xff\xfe\x00 not UTF-8 \x80\n"
ROOT = Path(__file__).parents[2]
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


CHIP = (ROOT / "platforms" / "example_chip.toml").read_text(encoding="utf-8")
CFG = """[architecture1]
arch_class = liGRU
ligru_act = relu,relu
ligru_use_laynorm = False,False
ligru_drop = 0.2,0.2
"""
READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "settings": ("seed = 3\n", lambda path: from_settings_file(["--settings", str(path)], parser())[:-2]),
    "chip": (CHIP, lambda path: [(c.name, c.value) for c in describe(open_platform(str(path)))]),
    "cfg": (CFG, lambda path: read_dropout(path, "ligru")),
    "labels": (labels(), lambda path: read_segments(path, SAMPLES)),
    "lines": ("ä b\nc d\n", read_lines),
}


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("kind", READERS)
def test_a_byte_order_mark_is_skipped(tmp_path: Path, kind: str, ends: str) -> None:
    text, read = READERS[kind]
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    plain = read(path)
    path.write_bytes(BOM_UTF8 + text.replace("\n", ends).encode())
    assert read(path) == plain


def test_a_byte_order_mark_in_all_tables_of_kaldi_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path / "cache"))
    write_kaldi(tmp_path / "data", means=True)
    plain = [load_split(open_corpus("kaldi", str(tmp_path / "data")), split) for split in SPLITS]
    for path in [*(tmp_path / "data").rglob("*.scp"), *tmp_path.rglob("utt2spk"), *tmp_path.rglob("text")]:
        path.write_bytes(BOM_UTF8 + path.read_bytes())
    phones = tmp_path / "data" / "phone_map.txt"
    phones.write_bytes(BOM_UTF8 + phones.read_bytes())
    marked = [load_split(open_corpus("kaldi", str(tmp_path / "data")), split) for split in SPLITS]
    for one, other in zip(plain, marked, strict=True):
        assert one.names == other.names and np.array_equal(one.features, other.features)
        assert np.array_equal(one.segment_phones, other.segment_phones)


def test_text_is_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    (tmp_path / "utt2spk").write_text("ä_1 jürgen\n", encoding="utf-8")
    code = "import sys; from pathlib import Path; from dse.phones.text import read_lines; "
    code += "print(ascii(read_lines(Path(sys.argv[1]))))"
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", code, str(tmp_path / "utt2spk")]
    run = subprocess.run(command, env=plain, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "['\\xe4_1 j\\xfcrgen']\n"


def test_every_text_is_read_in_an_encoding_of_its_own() -> None:
    for package in ("dse", "models", "platforms"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr == "read_text"
                ):
                    assert node.args or node.keywords, f"{path}:{node.lineno}"
