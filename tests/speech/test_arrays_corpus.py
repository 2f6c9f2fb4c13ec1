"""Users' own arrays: what is read is what was written; damage is named or skipped, by one line each."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arrays_tree import LABELS, contents, table_of, write_npz, write_parquet

from dse import data as data_check
from dse.corpora import open_corpus
from dse.corpora.arrays.corpus import ArraysCorpus
from dse.corpora.base import SPLITS
from dse.corpora.load import load_split
from models.workload import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("write", [write_npz, write_parquet])
@pytest.mark.parametrize(("sequences", "targets"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("speakers", [True, False])
def test_a_split_holds_what_was_written(
    tmp_path: Path, write: Callable[..., dict[str, Any]], sequences: bool, targets: bool, speakers: bool
) -> None:
    splits = write(tmp_path / "data", sequences=sequences, targets=targets, speakers=speakers)
    corpus = open_corpus("arrays", str(tmp_path / "data"))
    for name in SPLITS:
        arrays = splits[name]
        ends = np.cumsum(arrays["lengths"])
        for split in (load_split(corpus, name), load_split(corpus, name)):  # computed, then from the cache
            assert sorted(split.names) == sorted(arrays["utterances"])
            assert (split.targets is not None) == targets and split.has_sequences == sequences
            assert split.phones is None and split.states is None
            for index, utterance in enumerate(split.names):
                u = list(arrays["utterances"]).index(utterance)
                mine = slice(split.offsets[index], split.offsets[index + 1])
                theirs = slice(ends[u] - arrays["lengths"][u], ends[u])
                assert np.array_equal(split.features[mine], arrays["features"][theirs])
                assert split.speakers[index] == (arrays["speakers"][u] if speakers else utterance)
                if targets:
                    assert np.array_equal(split.targets[mine], arrays["targets"][theirs])
                wanted = (
                    arrays["labels"][u].split()
                    if sequences
                    else [LABELS[t] for t in arrays["targets"][theirs].tolist()]
                )
                assert [LABELS[label] for label in split.references[index]] == wanted
            if targets:
                frames = split.by_frame()
                assert frames.segment_counts.tolist() == split.lengths.tolist()
                assert np.array_equal(frames.segment_phones, split.targets)
    assert ("nobody can check" in " ".join(corpus.notes)) != speakers


def test_parquet_and_npz_of_the_same_have_one_fingerprint(tmp_path: Path) -> None:
    splits = write_npz(tmp_path / "npz", targets=True)
    write_parquet(tmp_path / "parquet", splits)
    one, other = (open_corpus("arrays", str(tmp_path / kind)) for kind in ("npz", "parquet"))
    assert [one.fingerprint(split) for split in SPLITS] == [other.fingerprint(split) for split in SPLITS]


def test_another_order_of_labels_is_another_content(tmp_path: Path) -> None:
    write_npz(tmp_path)
    before = open_corpus("arrays", str(tmp_path)).fingerprint("train")
    (tmp_path / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS[::-1]), encoding="utf-8")
    assert open_corpus("arrays", str(tmp_path)).fingerprint("train") != before


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int16])
def test_features_of_other_types_are_read(tmp_path: Path, kind: type) -> None:
    splits = contents()
    for arrays in splits.values():
        arrays["features"] = arrays["features"].astype(kind)
    write_npz(tmp_path, splits)
    split = load_split(open_corpus("arrays", str(tmp_path)), "train")
    assert split.features.dtype == np.float32
    assert np.array_equal(
        np.sort(split.features, axis=None), np.sort(splits["train"]["features"].astype(np.float32), axis=None)
    )


Change = Callable[[dict[str, Any]], object]


def frame_of(arrays: dict[str, Any], u: int) -> int:
    return int(np.cumsum(arrays["lengths"])[u] - 1)


def put(name: str, u: int, value: Any) -> Change:
    def change(arrays: dict[str, Any]) -> None:
        place = frame_of(arrays, u) if name in ("features", "targets") else u
        arrays[name] = arrays[name].astype(object) if arrays[name].dtype.kind == "U" else arrays[name]
        arrays[name][place] = value
        arrays[name] = arrays[name].astype(str) if arrays[name].dtype == object else arrays[name]

    return change


def emptied(arrays: dict[str, Any]) -> None:
    arrays["lengths"][1] += arrays["lengths"][2]
    arrays["lengths"][2] = 0


# Of the third training utterance: it is named, and the others stay.
DAMAGE: dict[str, tuple[Change, str]] = {
    "nan": (put("features", 2, np.nan), "train2: features are not finite"),
    "huge": (put("features", 2, 1e30), r"train2: features hold 1e\+30"),
    "label": (put("labels", 2, "a x b"), "train2: label 'x' is not in labels.txt"),
    "no label": (put("labels", 2, " "), "train2: it has no label"),
    "long": (put("labels", 2, "a a " * 99), r"train2: 198 labels need 395 frames at least, there are \d+"),
    "target": (put("targets", 2, len(LABELS)), "train2: target 5 is no label: labels.txt has 5, counted from 0"),
    "below": (put("targets", 2, -1), "train2: target -1 is no label"),
    "twice": (put("utterances", 2, "train0"), "train0: its name is there twice"),
    "no name": (put("utterances", 2, ""), "utterance 3: its name is empty"),
    "lines": (put("utterances", 2, "a\nb"), "its name is empty, or more than a line"),
    "no speaker": (put("speakers", 2, ""), "train2: it has no speaker"),
    "no frame": (emptied, "train2: it has no frame"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_or_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    splits = contents(targets=True)
    change, message = DAMAGE[kind]
    change(splits["train"])
    write_npz(tmp_path / "data", splits)
    with pytest.raises(InputError, match=r"arrays train: 1 of 6 utterances are damaged, first ") as error:
        load_split(open_corpus("arrays", str(tmp_path / "data")), "train")
    assert re.search(message, str(error.value)) and "\n" not in str(error.value)
    corpus = ArraysCorpus(str(tmp_path / "data"), skip_bad=True)
    assert len(corpus.problems("train")) == 1 and len(load_split(corpus, "train")) == 5
    check = ["check", "--corpus", "arrays", "--corpus-path", str(tmp_path / "data"), "--out", str(tmp_path)]
    assert data_check.main(check) == data_check.EXIT_DAMAGED
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("damaged (train): ")]
    assert len(told) == 1 and re.search(message, told[0])
    assert data_check.main([*check, "--skip-bad"]) == 0


def drop(name: str) -> Change:
    return lambda arrays: arrays.pop(name)


def become(name: str, make: Callable[[Any], Any]) -> Change:
    return lambda arrays: arrays.update({name: make(arrays[name])})


def objects(array: Any) -> Any:
    return array.astype(object)


FILES: dict[str, tuple[Change, str]] = {
    "no features": (drop("features"), "train.npz: there is no array 'features'; it has labels, lengths"),
    "no utterances": (drop("utterances"), "train.npz: there is no array 'utterances'"),
    "no references": (
        lambda arrays: [arrays.pop("labels"), arrays.pop("targets")],
        "train.npz: there is neither labels (a text an utterance) nor targets",
    ),
    "sum": (become("lengths", lambda x: x + 1), "train.npz: lengths sum to "),
    "negative": (become("lengths", lambda x: x - 9), "train.npz: lengths sum to "),
    "too few": (become("lengths", lambda x: x[1:]), "train.npz: lengths is [5], should be [6]"),
    "too few labels": (become("labels", lambda x: x[1:]), "train.npz: labels is [5], should be [6]"),
    "too few targets": (become("targets", lambda x: x[1:]), "train.npz: targets is ["),
    "flat": (become("features", np.ravel), "wanted are [frames, dimensions]"),
    "objects": (become("labels", objects), "labels holds Python objects; wanted is text: give np.array(labels, dtype"),
    "bytes": (become("labels", np.char.encode), "labels holds |S"),
    "real lengths": (become("lengths", lambda x: x * 1.0), "lengths holds float64; wanted is whole numbers"),
    "texts": (become("features", lambda x: x.astype(str)), "features holds <U"),
    "complex": (become("features", lambda x: x * 1j), "features holds complex64; wanted is numbers"),
    "empty": (lambda arrays: arrays.update({name: array[:0] for name, array in arrays.items()}), "holds no utterance"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    splits = contents(targets=True)
    change, message = FILES[kind]
    change(splits["train"])
    write_npz(tmp_path, splits)
    with pytest.raises(InputError) as error:
        load_split(open_corpus("arrays", str(tmp_path), skip_bad=True), "train")
    assert message in str(error.value) and "\n" not in str(error.value)
    assert data_check.main(["check", "--corpus", "arrays", "--corpus-path", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().out


def test_a_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    write_npz(tmp_path)
    for content in (b"", b"PK", b"features", (tmp_path / "train.npz").read_bytes()[:900]):
        (tmp_path / "train.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"train.npz is no .npz file, or damaged"):
            open_corpus("arrays", str(tmp_path)).fingerprint("train")


Table = Callable[[Any], Any]
TABLES: dict[str, tuple[Table, str]] = {
    "no utterance": (lambda t: t.drop(columns="utterance"), "there is no column 'utterance'"),
    "no references": (lambda t: t.drop(columns=["labels", "target"]), "there is neither labels"),
    "no features": (lambda t: t[["utterance", "labels"]], "there is no feature"),
    "a text": (lambda t: t.assign(f1="x"), "column 'f1' holds"),
    "a number": (lambda t: t.assign(utterance=1), "column 'utterance' holds int64; wanted is text"),
    "real target": (lambda t: t.assign(target=0.5), "column 'target' holds double; wanted is a whole number"),
    "missing": (lambda t: t.assign(labels=t["labels"].where(t.index > 3)), "column 'labels' lacks values"),
    "nan": (lambda t: t.assign(f2=t["f2"].where(t.index > 3)), "train0: features are not finite"),
    "speaker": (lambda t: t.assign(speaker=["tb", *t["speaker"][1:]]), "train0: its rows differ in speaker or labels"),
    "apart": (lambda t: t.iloc[[*range(1, len(t)), 0]], "train0: its name is there twice"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_that_cannot_be_is_one_line(tmp_path: Path, kind: str) -> None:
    splits = write_parquet(tmp_path, targets=True)
    change, message = TABLES[kind]
    change(table_of(splits["train"])).to_parquet(tmp_path / "train.parquet", index=False)
    with pytest.raises(InputError) as error:
        open_corpus("arrays", str(tmp_path)).fingerprint("train")
    assert message in str(error.value) and "\n" not in str(error.value)
