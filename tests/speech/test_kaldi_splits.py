"""Kaldi splits that do not fit one another, or whose tables do not: refused in one line, or told."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kaldi_tree import COLUMNS, write_kaldi
from kaldiio import WriteHelper, load_scp

from dse.__main__ import main
from dse.corpora import open_corpus
from dse.corpora.base import SPLITS
from dse.corpora.kaldi import KaldiCorpus
from dse.corpora.load import load_split


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


def rewrite(table: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], object]:
    """Change every array of the table."""

    def damage(folder: Path) -> None:
        arrays = {name: np.array(array) for name, array in load_scp(str(folder / f"{table}.scp")).items()}
        with WriteHelper(f"ark,scp:{folder}/{table}.ark,{folder}/{table}.scp") as write:
            for name, array in arrays.items():
                write(name, change(array))

    return damage


def columns(count: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda array: array[:, :count]


def remove(table: str) -> Callable[[Path], object]:
    return lambda folder: (folder / table).unlink()


def empty(table: str) -> Callable[[Path], object]:
    return lambda folder: (folder / table).write_text("\n")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "width": (
        rewrite("feats", columns(13)),
        r"differ between splits: .*{n} in {other}.*13 in {split}|13 in {split}.*{n}",
    ),
    "no means": (remove("cmvn.scp"), r"cmvn.scp is in .*{other}.* but not in {split}"),
    "means of fewer": (
        rewrite("cmvn", columns(14)),
        r"{split}/cmvn.scp has statistics of 13 features.*{split} have {n}",
    ),
    "means of one": (rewrite("cmvn", columns(2)), r"{split}/cmvn.scp has statistics of 1 features"),
    "empty means": (empty("cmvn.scp"), r"{split}/cmvn.scp lists no speaker"),
    "empty features": (empty("feats.scp"), r"{split}/feats.scp lists no utterance"),
}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("kind", REFUSED)
def test_splits_of_unlike_features_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, split: str
) -> None:
    """In one line, not one an utterance, by every command."""
    write_kaldi(tmp_path / "data", means=True)
    damage, message = REFUSED[kind]
    damage(tmp_path / "data" / split)
    corpus = ["--corpus", "kaldi", "--corpus-path", str(tmp_path / "data")]
    out = ["--out", str(tmp_path / "out.safetensors")]
    for command in (["data", "check", *out], ["train", "--model", "sru", *out], ["search", *out]):
        assert main([*command, *corpus]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        other = next(name for name in SPLITS if name != split)
        assert re.search(message.format(split=split, other=other, n=COLUMNS), err)


def one_phone(folder: Path) -> None:
    lines = [line.split() for line in (folder / "text").read_text().splitlines()]
    (folder / "text").write_text("".join(f"{words[0]} {words[1]}\n" for words in lines))


DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "one phone a line": (one_phone, r"text has [01] phones where the alignment has \d"),
    "means over no frame": (rewrite("cmvn", lambda sums: 0 * sums), r"statistics of speaker t[ab] over 0.0 frames"),
    "means not finite": (rewrite("cmvn", lambda sums: sums * np.nan), "not finite"),
    "numbers that are not whole": (
        rewrite("ali", lambda senones: senones.astype(np.float32)),
        "the alignment in '.*ali.ark' holds no whole numbers",
    ),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_tables_that_cannot_be_are_damage(tmp_path: Path, kind: str) -> None:
    write_kaldi(tmp_path / "data", means=True)
    damage, message = DAMAGED[kind]
    damage(tmp_path / "data" / "train")
    problems = KaldiCorpus(str(tmp_path / "data"), skip_bad=True).problems("train")
    assert len(problems) >= 3 and all(re.search(message, problem.what) for problem in problems)


def test_what_another_table_lists_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_kaldi(tmp_path / "data")
    table = tmp_path / "data" / "train" / "feats.scp"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:2]))
    argv = ["data", "check", "--corpus", "kaldi", "--corpus-path", str(tmp_path / "data"), "--out", str(tmp_path)]
    assert main(argv) == 0
    out = capsys.readouterr().out
    for other in ("text", "utt2spk", "the alignments"):
        assert f"train: 2 of 4 utterances of {other} are not in feats.scp, such as tb_0\n" in out
    assert out.count("not in feats.scp") == 3 and "no errors" in out


def write_text_alignments(folder: Path, form: str) -> None:
    for split in SPLITS:
        aligned = load_scp(str(folder / split / "ali.scp"))
        lines = [f"{name} {form.format(' '.join(map(str, aligned[name])))}\n" for name in aligned]
        (folder / split / "ali.txt").write_text("".join(lines))
        (folder / split / "ali.scp").unlink()


@pytest.mark.parametrize("form", ["{}", "[ {} ]", "[{}]"])
def test_text_alignments_are_read_in_brackets_or_not(tmp_path: Path, form: str) -> None:
    write_kaldi(tmp_path / "data")
    wanted = [load_split(open_corpus("kaldi", str(tmp_path / "data")), split).targets for split in SPLITS]
    write_text_alignments(tmp_path / "data", form)
    found = [load_split(open_corpus("kaldi", str(tmp_path / "data")), split).targets for split in SPLITS]
    assert all(np.array_equal(one, other) for one, other in zip(wanted, found, strict=True))


@pytest.mark.parametrize("form", ["[ {}", "{} ]", "[[{}]]", "x {}", "{} -1", "{} 1.5", "{} 99999999999"])
def test_other_text_alignments_name_file_line_and_layout(tmp_path: Path, form: str) -> None:
    write_kaldi(tmp_path / "data")
    write_text_alignments(tmp_path / "data", form)
    problems = KaldiCorpus(str(tmp_path / "data"), skip_bad=True).problems("train")
    assert len(problems) == 4
    for number, problem in enumerate(problems, 1):
        assert f"{tmp_path}/data/train/ali.txt line {number}: " in problem.what
        assert "'utterance pdf-id pdf-id ...'" in problem.what and "\n" not in problem.what
