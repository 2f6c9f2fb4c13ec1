"""The Kaldi corpus on folders written by kaldiio, and senones collapsed to phone states."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaldi_tree import COLUMNS, SENONES, phone_map, write_kaldi
from kaldiio import WriteHelper, load_scp
from scipy.special import log_softmax, logsumexp

from dse.corpora import corpus_record, open_corpus
from dse.corpora.base import SPLITS
from dse.corpora.kaldi import KaldiCorpus
from dse.corpora.load import load_split
from dse.phones.decode import estimate_decoder
from dse.phones.senones import SenoneMap, phone_61, read_senone_map
from dse.phones.sets import FOLD_61_TO_39, FOLD_61_TO_48, PHONES_39, PHONES_48, PHONES_61, frame_targets


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


# Senones


def test_every_name_of_a_phone_set_folds_to_itself() -> None:
    for name in PHONES_48:
        assert PHONES_48[FOLD_61_TO_48[phone_61(name)]] == name
    for name in PHONES_39:
        assert PHONES_39[FOLD_61_TO_39[phone_61(name)]] == name
    assert [phone_61(name) for name in PHONES_61] == list(range(61))


def test_collapsed_posteriors_are_sums_over_senones(tmp_path: Path) -> None:
    (tmp_path / "map").write_text(phone_map())
    senones = read_senone_map(tmp_path / "map")
    logits = np.random.default_rng(0).normal(0, 4, (50, SENONES)).astype(np.float32)
    posteriors = log_softmax(logits.astype(np.float64), axis=1)
    collapsed = senones.collapse(logits)
    assert collapsed.shape == (50, 144) and collapsed.dtype == np.float32
    for target in range(144):
        own = [target, 144 + target] if target < 10 else [target]
        assert np.allclose(collapsed[:, target], logsumexp(posteriors[:, own], axis=1), atol=1e-4)
    assert np.allclose(senones.collapse(posteriors), collapsed, atol=1e-4)
    with pytest.raises(ValueError, match=r"must be \[frames, 154\], not \[50, 144\]"):
        senones.collapse(logits[:, :144])


@given(st.permutations(range(144)))
def test_with_one_senone_a_state_collapsing_is_log_softmax(order: list[int]) -> None:
    lines = [f"{senone} {PHONES_48[target // 3]} {target % 3}" for target, senone in enumerate(order)]
    senones = senone_map(lines)
    logits = np.random.default_rng(1).normal(0, 3, (4, 144)).astype(np.float32)
    assert np.allclose(senones.collapse(logits), log_softmax(logits, axis=1)[:, order], atol=1e-4)


def senone_map(lines: list[str]) -> SenoneMap:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map"
        path.write_text("\n".join(lines))
        return read_senone_map(path)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (1, [[0], [0], [0]]),
        (2, [[0], [0], [1]]),
        (3, [[0], [1], [2]]),
        (5, [[0, 1], [2, 3], [4]]),
    ],
)
def test_other_numbers_of_states_become_three(states: int, expected: list[list[int]]) -> None:
    senones = senone_map([f"{state} iy {state}" for state in range(states)])
    first = 3 * PHONES_48.index("iy")
    assert [np.flatnonzero(senones.members[first + third]).tolist() for third in range(3)] == expected
    assert senones.members.sum() == sum(map(len, expected))


def test_states_of_a_phone_without_states_are_thirds_of_its_frames() -> None:
    senones = senone_map(["0 sil", "1 iy 0", "2 iy 1", "3 iy 2"])
    frames = np.array([0] * 6 + [1, 2, 2, 3] + [0] * 3, np.int32)
    assert senones.frame_states(frames).tolist() == [0, 0, 1, 1, 2, 2, 0, 1, 1, 2, 0, 1, 2]


def test_a_senone_network_that_knows_the_alignment_decodes_without_error(tmp_path: Path) -> None:
    write_kaldi(tmp_path / "data")
    corpus = KaldiCorpus(str(tmp_path / "data"))
    train, test = load_split(corpus, "train"), load_split(corpus, "test")
    decoder = estimate_decoder(train.segment_phones, train.segment_counts, frame_targets(train.phones, train.states))
    logits = np.zeros((len(test.features), SENONES), np.float32)
    logits[np.arange(len(logits)), test.targets] = 60
    scores = corpus.senones.collapse(logits)
    errors = decoder.error(scores, test.lengths, test.segment_phones, test.segment_counts)
    assert errors.percent == 0
    wrong = decoder.error(corpus.senones.collapse(-logits), test.lengths, test.segment_phones, test.segment_counts)
    assert wrong.percent > 50
