"""Splits and labels of users' own arrays together: shared speakers, other columns, missing files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arrays_tree import LABELS, contents, table_of, write_npz, write_parquet

from dse import data as data_check
from dse.corpora import open_corpus, training_record
from dse.corpora.load import load_split
from models.workload import InputError, MissingError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


def of(split: str, name: str, make: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    return lambda splits: splits[split].update({name: make(splits[split][name])})


TOGETHER: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "speaker": (
        of("validation", "speakers", lambda s: np.where(s == "va", "ta", s)),
        "speaker ta is in train and in val",
    ),
    "utterance": (
        of("test", "utterances", lambda u: np.where(u == "test1", "train1", u)),
        "utterance train1 is in train and in test",
    ),
    "width": (of("test", "features", lambda f: f[:, 1:]), "6 features a frame in train, 5 in test"),
    "speakers": (lambda splits: splits["test"].pop("speakers"), "train and validation has speakers, test has none"),
}


@pytest.mark.parametrize("kind", TOGETHER)
def test_splits_that_do_not_go_together_are_one_line(tmp_path: Path, kind: str) -> None:
    splits = contents()
    change, message = TOGETHER[kind]
    change(splits)
    write_npz(tmp_path, splits)
    with pytest.raises(InputError) as error:
        open_corpus("arrays", str(tmp_path))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_columns_of_another_order_are_one_line(tmp_path: Path) -> None:
    splits = write_parquet(tmp_path)
    table = table_of(splits["test"])
    table[["f1", "f0", *(name for name in table if name not in ("f0", "f1"))]].to_parquet(
        tmp_path / "test.parquet", index=False
    )
    with pytest.raises(InputError, match="feature 'f0' in train is 'f1' in test"):
        open_corpus("arrays", str(tmp_path))


def test_an_index_of_pandas_is_no_feature(tmp_path: Path) -> None:
    splits = write_parquet(tmp_path)
    table_of(splits["train"]).sample(frac=1.0, random_state=1).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(InputError, match="'__index_level_0__' is pandas' index, no feature: write it with index=False"):
        open_corpus("arrays", str(tmp_path)).fingerprint("train")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\nb\n", "label 3, 'b', is there twice"),
        ("a\n\nb\n", "label 2 is ''; it must be a text without spaces, such as '|' for one"),
        ("a b\n", "label 1 is 'a b'"),
        ("", "0 labels"),
    ],
)
def test_labels_that_cannot_be_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    write_npz(tmp_path)
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(InputError) as error:
        open_corpus("arrays", str(tmp_path))
    assert message in str(error.value) and "labels.txt" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["labels.txt", "train.npz", "validation.npz"])
def test_a_missing_file_says_what_is_needed(tmp_path: Path, file: str) -> None:
    write_npz(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(MissingError, match=r"it needs|needs labels.txt, train.npz and validation.npz"):
        open_corpus("arrays", str(tmp_path))


def test_two_files_of_a_split_are_one_too_many(tmp_path: Path) -> None:
    write_npz(tmp_path)
    (tmp_path / "train.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"has both train.npz and train.parquet; leave one out"):
        open_corpus("arrays", str(tmp_path))


def test_a_missing_test_split_is_missed_where_it_is_needed(tmp_path: Path) -> None:
    write_npz(tmp_path)
    (tmp_path / "test.npz").unlink()
    corpus = open_corpus("arrays", str(tmp_path))
    assert corpus.speakers("test") == () and corpus.splits == ("train", "validation")
    assert "test" not in training_record(corpus)
    with pytest.raises(MissingError, match=r"no '.*test.npz' \(or .parquet\)"):
        load_split(corpus, "test")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parquet(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match="Parquet needs the package pyarrow: pip install pyarrow"):
        open_corpus("arrays", str(tmp_path)).fingerprint("train")


@pytest.mark.parametrize(("sequences", "targets"), [(True, False), (False, True)])
def test_a_check_counts_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sequences: bool, targets: bool
) -> None:
    splits = contents(sequences=sequences, targets=targets)
    if targets:
        splits["train"]["targets"][splits["train"]["targets"] == 4] = 0
    for arrays in splits.values():
        arrays["features"][:, 3] = 7.0
    write_npz(tmp_path / "data", splits)
    check = ["check", "--corpus", "arrays", "--corpus-path", str(tmp_path / "data"), "--out", str(tmp_path)]
    assert data_check.main(check) == 0
    lines = capsys.readouterr().out.splitlines()
    frames = len(splits["train"]["features"])
    count = str(sum(len(text.split()) for text in splits["train"]["labels"])) if sequences else "–"
    row = next(line.split() for line in lines if line.startswith("train "))
    assert row[:6] == ["train", "2", "6", str(frames), "6", count] and row[7] == ("yes" if targets else "–")
    assert "no errors" in lines and "features that never vary in train: 3 (of 0 to 5)" in lines
    assert f"labels absent in train: {LABELS[4] if targets else 'none'}" in lines
    assert (tmp_path / "check-arrays.png").stat().st_size > 1000
