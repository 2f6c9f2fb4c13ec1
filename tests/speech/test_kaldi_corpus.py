"""The Kaldi corpus on folders written by kaldiio; damage is named or skipped."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kaldi_tree import COLUMNS, SENONES, write_kaldi
from kaldiio import WriteHelper, load_scp

from dse.corpora import corpus_record, open_corpus
from dse.corpora.base import SPLITS
from dse.corpora.kaldi import KaldiCorpus
from dse.corpora.load import load_split
from dse.phones.sets import FOLD_61_TO_48, PHONES_48, frame_targets


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("means", [False, True])
def test_a_split_holds_what_kaldiio_wrote(tmp_path: Path, means: bool) -> None:
    contents = write_kaldi(tmp_path / "data", means=means)
    corpus = open_corpus("kaldi", str(tmp_path / "data"))
    for name in SPLITS:
        for split in (load_split(corpus, name), load_split(corpus, name)):  # computed, then from the cache
            assert split.names == tuple(sorted(contents[name]))
            assert split.features.shape[1] == COLUMNS and split.features.dtype == np.float32
            assert split.targets is not None and split.targets.dtype == np.int32
            for index, utterance in enumerate(split.names):
                features, senones, phones = contents[name][utterance]
                frames = slice(split.offsets[index], split.offsets[index + 1])
                assert split.speakers[index] == utterance[:2]
                assert np.array_equal(split.targets[frames], senones)
                assert [PHONES_48[FOLD_61_TO_48[i]] for i in split.references[index]] == phones
                if not means:
                    assert np.array_equal(split.features[frames], features)
            assert np.array_equal(frame_targets(split.phones, split.states), split.targets)
            for speaker in set(split.speakers):
                own = split.features[np.repeat(np.array(split.speakers) == speaker, split.lengths)]
                assert np.allclose(own.mean(axis=0), 0, atol=1e-4) == means
        taken = split.take([1])
        assert taken.targets is not None and np.array_equal(taken.targets, contents[name][taken.names[0]][1])
    assert [len(load_split(corpus, name, 1)) for name in SPLITS] == [2, 1, 2]
    assert corpus_record(corpus)["skipped"] == dict.fromkeys(SPLITS, 0)


def test_compressed_features_text_alignments_and_other_names_of_folders(tmp_path: Path) -> None:
    contents = write_kaldi(tmp_path / "data", compression=2)
    (tmp_path / "data" / "validation").rename(tmp_path / "data" / "dev")
    for name in ("train", "dev", "test"):
        folder = tmp_path / "data" / name
        (folder / "feats.scp").write_text(
            (folder / "feats.scp").read_text().replace(f"{tmp_path}/data/validation/", "")
        )
        (folder / "ali.scp").unlink()
        written = contents["validation" if name == "dev" else name]
        (folder / "ali.txt").write_text("".join(f"{n} {' '.join(map(str, s))}\n" for n, (_, s, _) in written.items()))
    corpus = KaldiCorpus(str(tmp_path / "data"))
    for name in SPLITS:
        split = load_split(corpus, name)
        features = np.concatenate([contents[name][utterance][0] for utterance in split.names])
        assert np.abs(split.features - features).max() < 0.1
        assert np.array_equal(split.targets, np.concatenate([contents[name][u][1] for u in split.names]))


def edit(file: str, change: Callable[[str], str]) -> Callable[[Path], object]:
    return lambda folder: (folder / file).write_text(change((folder / file).read_text()))


def rewrite(file: str, make: Callable[[int], np.ndarray]) -> Callable[[Path], object]:
    """Let tb_1 be `make(frames)`."""

    def change(folder: Path) -> None:
        frames = len(load_scp(str(folder / "ali.scp"))["tb_1"])
        with WriteHelper(f"ark,scp:{folder}/other.ark,{folder}/other.scp") as write:
            write("tb_1", make(frames))
        entry = (folder / "other.scp").read_text()
        edit(file, lambda text: re.sub(r"^tb_1 .*\n", entry, text, flags=re.MULTILINE))(folder)

    return change


def cut(folder: Path) -> None:
    path = folder / "feats.ark"
    path.write_bytes(path.read_bytes()[:-100])


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "not aligned": (edit("ali.scp", lambda t: re.sub("tb_1 .*", "", t)), "tb_1: not in alignment"),
    "no text": (edit("text", lambda t: re.sub("tb_1 .*", "", t)), "tb_1: not in text"),
    "empty text": (edit("text", lambda t: re.sub("tb_1 .*", "tb_1", t)), "tb_1: no phone in text"),
    "no speaker": (edit("utt2spk", lambda t: re.sub("tb_1 .*", "", t)), "tb_1: not in utt2spk"),
    "phone": (edit("text", lambda t: re.sub("tb_1 .*", "tb_1 sil ee sil", t)), "tb_1: unknown phone 'ee'"),
    "short alignment": (rewrite("ali.scp", lambda t: np.zeros(2, np.int32)), "frames of features but 2 of alignment"),
    "other width": (rewrite("feats.scp", lambda t: np.zeros((t, 23), np.float32)), "tb_1: 23 features a frame"),
    "not finite": (
        rewrite("feats.scp", lambda t: np.full((t, COLUMNS), np.nan, np.float32)),
        "tb_1: features are not finite",
    ),
    "cut": (cut, "tb_1: damaged array in .*feats.ark"),
    "no file": (lambda folder: (folder / "feats.ark").rename(folder / "gone"), "No such file"),
    "pickle": (lambda folder: (folder / "feats.ark").write_bytes(b"PKL" * 9999), "no binary Kaldi array"),
    "vector": (rewrite("feats.scp", lambda t: np.zeros(t, np.float32)), "array of 1 dimensions"),
    "senone": (rewrite("ali.scp", lambda t: np.full(t, SENONES, np.int32)), f"tb_1: pdf-id {SENONES} is not in"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_or_skipped(tmp_path: Path, kind: str) -> None:
    write_kaldi(tmp_path / "data")
    damage, message = DAMAGE[kind]
    damage(tmp_path / "data" / "train")
    with pytest.raises(ValueError, match=r"kaldi train: \d of 4 utterances are damaged") as error:
        load_split(open_corpus("kaldi", str(tmp_path / "data")), "train")
    assert re.search(message, str(error.value)) and "\n" not in str(error.value)
    corpus = KaldiCorpus(str(tmp_path / "data"), skip_bad=True)
    if (damaged := len(corpus.problems("train"))) < 4:
        assert damaged == 1 and len(load_split(corpus, "train")) == 3


TABLES: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "command": (
        edit("train/feats.scp", lambda t: "tc_0 touch ran |\n" + t),
        ValueError,
        "'tc_0 touch ran |' is not 'key file.ark:offset'",
    ),
    "twice": (edit("train/text", lambda t: t + "ta_0 sil\n"), ValueError, "line 5: 'ta_0' is there twice"),
    "shared speaker": (
        edit("test/utt2spk", lambda t: t.replace(" sa", " ta")),
        ValueError,
        "speaker ta is in train and in test",
    ),
    "no text": (lambda root: (root / "test" / "text").unlink(), FileNotFoundError, "no text in"),
    "no alignment": (lambda root: (root / "test" / "ali.scp").unlink(), FileNotFoundError, "no ali.scp in"),
    "no folder": (lambda root: (root / "test").rename(root / "eval"), FileNotFoundError, "no folder"),
    "no map": (lambda root: (root / "phone_map.txt").unlink(), FileNotFoundError, "show-transitions"),
    "map phone": (edit("phone_map.txt", lambda t: "0 SIL 0\n" + t), ValueError, "line 1: unknown phone 'SIL'"),
    "map line": (edit("phone_map.txt", lambda t: "0 aa 0 1\n" + t), ValueError, "line 1 is not"),
    "map q": (edit("phone_map.txt", lambda t: "999 q 0\n" + t), ValueError, "not among the 48"),
    "map twice": (edit("phone_map.txt", lambda t: t + "0 iy 0\n"), ValueError, "senone 0 belongs to both"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_damaged_tables_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_kaldi(tmp_path / "data")
    damage, error, message = TABLES[kind]
    damage(tmp_path / "data")
    with pytest.raises(error, match=re.escape(message)):
        open_corpus("kaldi", str(tmp_path / "data"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("path", [None, "/nowhere"])
def test_a_missing_folder_says_what_is_needed(path: str | None) -> None:
    with pytest.raises(FileNotFoundError, match=r"phone_map.txt .* feats.scp, ali.scp or ali.txt, utt2spk and text"):
        open_corpus("kaldi", path)


def test_audio_is_not_to_be_had(tmp_path: Path) -> None:
    write_kaldi(tmp_path / "data")
    with pytest.raises(ValueError, match="features, not audio"):
        open_corpus("kaldi", str(tmp_path / "data")).utterances("train")
