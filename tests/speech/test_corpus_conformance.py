"""Every registered corpus, a small one of it, keeps what every corpus must keep."""

from pathlib import Path

from arrays_tree import LABELS, contents, write_npz, write_parquet
from conformance.corpora import CorpusConformance
from kaldi_tree import write_kaldi
from timit_tree import FOUR, riff, tone, write_ldc, write_nltk

from dse.corpora import CORPORA
from dse.corpora.timit.corpus import TimitCorpus


class TestSynthetic(CorpusConformance):
    name = "synthetic"
    per_speaker = 1


class TestTimit(CorpusConformance):
    name = "timit"

    def write(self, folder: Path) -> None:
        write_ldc(folder, FOUR)

    def change(self, folder: Path) -> None:
        speaker = TimitCorpus(str(folder)).speakers("train")[0]
        for path in folder.rglob(f"{speaker}/SX20.WAV"):
            path.write_bytes(riff(tone(99)))

    def speech(self, folder: Path) -> Path:
        speaker = TimitCorpus(str(folder)).speakers("train")[0]
        return next(folder.rglob(f"{speaker}/SX20.WAV"))


class TestTimitFromNltk(TestTimit):
    def write(self, folder: Path) -> None:
        write_nltk(folder, FOUR)

    def change(self, folder: Path) -> None:
        speaker = TimitCorpus(str(folder)).speakers("train")[0].lower()
        for path in folder.rglob(f"*-{speaker}/sx20.wav"):
            path.write_bytes(riff(tone(99)))

    def speech(self, folder: Path) -> Path:
        speaker = TimitCorpus(str(folder)).speakers("train")[0].lower()
        return next(folder.rglob(f"*-{speaker}/sx20.wav"))


class TestKaldi(CorpusConformance):
    name = "kaldi"
    subtracts_means = False

    def write(self, folder: Path) -> None:
        write_kaldi(folder)

    def change(self, folder: Path) -> None:
        text = folder / "train" / "text"
        utterances = text.read_text().splitlines()
        text.write_text("\n".join([f"{utterances[0]} sil", *utterances[1:]]) + "\n")

    def speech(self, folder: Path) -> Path:
        return folder / "train" / "feats.ark"


class TestKaldiWithMeans(TestKaldi):
    subtracts_means = True

    def write(self, folder: Path) -> None:
        write_kaldi(folder, means=True)


class TestArrays(CorpusConformance):
    name = "arrays"
    subtracts_means = False
    suffix = ".npz"

    def write(self, folder: Path) -> None:
        write_npz(folder, targets=True)

    def change(self, folder: Path) -> None:
        splits = contents(targets=True)
        splits["train"]["labels"][0] = "a b"
        self.save(folder, splits)

    def save(self, folder: Path, splits: dict) -> None:
        write_npz(folder, splits)

    def speech(self, folder: Path) -> Path:
        return folder / f"train{self.suffix}"


class TestArraysInParquet(TestArrays):
    suffix = ".parquet"

    def write(self, folder: Path) -> None:
        write_parquet(folder, targets=True)

    def save(self, folder: Path, splits: dict) -> None:
        write_parquet(folder, splits)


class TestArraysOfFrames(TestArrays):
    """Without labels of utterances, and without speakers."""

    tells_speakers = False

    def write(self, folder: Path) -> None:
        write_npz(folder, sequences=False, targets=True, speakers=False)

    def change(self, folder: Path) -> None:
        splits = contents(sequences=False, targets=True, speakers=False)
        splits["train"]["targets"][0] += 1
        splits["train"]["targets"] %= len(LABELS)
        self.save(folder, splits)


def test_every_corpus_has_a_small_one() -> None:
    small = (value for value in globals().values() if isinstance(value, type) and issubclass(value, CorpusConformance))
    assert {kind.name for kind in small if kind is not CorpusConformance} == set(CORPORA)
