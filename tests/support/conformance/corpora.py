"""What every corpus must keep: disjoint speakers, a fingerprint of the content, arrays that fit one another."""

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest

from conformance.watching import opened_in, refused
from dse.corpora import CORPORA, GENERATED, content, corpus_record, open_corpus
from dse.corpora.base import SAMPLE_RATE_HZ, SPLITS, Corpus, FileCorpus, LabelCorpus
from dse.corpora.load import load_split
from dse.corpora.split import FeatureCorpus, Split
from dse.phones.sets import PHONES_61
from models.workload import InputError, MissingError


class CorpusConformance:
    """A corpus by its registered name, with two utterances a speaker or more.

    One read from files writes a small corpus into an empty folder, without damage, and changes an utterance of its
    training split there. `per_speaker` bounds what is read of one that is large. `subtracts_means` is False where
    features are left as they come, `tells_speakers` where each utterance counts as a speaker of its own.
    """

    name: str
    per_speaker: int | None = None
    subtracts_means = True
    tells_speakers = True

    def write(self, folder: Path) -> None:
        """Nothing to do for one that is generated."""

    def change(self, folder: Path) -> None:
        raise NotImplementedError

    def speech(self, folder: Path) -> Path:
        """A file of training speech, one utterance of which is damaged when it is cut short."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def small(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = tmp_path / "corpus"
        self.folder.mkdir()
        self.write(self.folder)
        if not self.generated:  # what is generated may take long; it is kept with the user's
            monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.chdir(tmp_path)

    @property
    def generated(self) -> bool:
        return self.name in GENERATED

    def open(self) -> Corpus:
        return open_corpus(self.name, None if self.generated else str(self.folder))

    def read(self, corpus: Corpus, split: str, per_speaker: int | None) -> list[tuple[str, str]]:
        """(speaker, name) of what is read, in order."""
        if isinstance(corpus, FeatureCorpus):
            arrays = corpus.split_arrays(split, per_speaker)
            return list(zip(arrays.speakers, arrays.names, strict=True))
        return [(utterance.speaker, utterance.name) for utterance in corpus.utterances(split, per_speaker)]

    def test_it_goes_by_its_name(self) -> None:
        assert self.name in CORPORA
        assert self.open().name == self.name
        assert self.open().sample_rate_hz == SAMPLE_RATE_HZ

    def test_splits_share_no_speaker(self) -> None:
        speakers = [self.open().speakers(split) for split in SPLITS]
        assert all(speakers)
        together = list(itertools.chain(*speakers))
        assert len(set(together)) == len(together)
        assert speakers == [self.open().speakers(split) for split in SPLITS]

    def test_fingerprints_tell_content_and_splits_apart(self) -> None:
        fingerprints = [self.open().fingerprint(split) for split in SPLITS]
        assert len(set(fingerprints)) == len(SPLITS)
        assert fingerprints == [self.open().fingerprint(split) for split in SPLITS]
        if not self.generated:
            self.change(self.folder)
            train, *others = (self.open().fingerprint(split) for split in SPLITS)
            assert train != fingerprints[0] and others == fingerprints[1:]

    def test_a_fingerprint_asked_again_reads_no_speech(self) -> None:
        with opened_in(self.folder) as opened:
            first = self.open().fingerprint("train")
        assert opened or self.generated
        again = self.open()
        with opened_in(self.folder) as opened:
            assert again.fingerprint("train") == first
        assert opened == []

    @pytest.mark.parametrize("shows", ["all", "names alone"])
    def test_no_verdict_outlives_what_it_was_on(self, monkeypatch: pytest.MonkeyPatch, shows: str) -> None:
        """Also where size and time are kept, and on a file system that shows nothing of a change."""
        if self.generated:
            return
        if shows == "names alone":
            monkeypatch.setattr(content, "_looks", lambda path: (str(path),))
        path = self.speech(self.folder)
        sound, when = path.read_bytes(), path.stat().st_mtime_ns

        def write(data: bytes) -> None:
            path.write_bytes(data)
            os.utime(path, ns=(when, when))

        write(sound[:-500])
        damage = self.problems("train")
        assert len(damage) == 1 and self.problems("train") == damage
        write(sound)
        assert self.problems("train") == ()
        write(sound[:-500])
        assert self.problems("train", reread=True) == damage
        assert self.problems("train") == damage
        write(sound)
        path.rename(path.with_suffix(".gone"))
        path.symlink_to("nowhere")
        assert self.problems("train")
        path.unlink()
        path.with_suffix(".gone").rename(path)
        assert self.problems("train") == ()

    def test_what_the_system_could_not_read_is_read_again(self) -> None:
        if self.generated:
            return
        with refused(self.speech(self.folder)):
            problems = self.problems("train")
            assert problems and all("Permission denied" in problem.what for problem in problems)
        assert self.problems("train") == ()

    def problems(self, split: str, reread: bool = False) -> tuple[content.Problem, ...]:
        corpus = open_corpus(self.name, str(self.folder), skip_bad=True, reread=reread)
        assert isinstance(corpus, FileCorpus)
        return corpus.problems(split)

    def test_utterances_come_speaker_by_speaker(self) -> None:
        corpus = self.open()
        found = self.read(corpus, "test", 2)
        assert [speaker for speaker, _ in itertools.groupby(found, key=lambda one: one[0])] == list(
            corpus.speakers("test")
        )
        assert len({name for _, name in found}) == len(found)
        assert found == self.read(self.open(), "test", 2)

    def test_per_speaker_gives_the_first_of_each(self) -> None:
        corpus = self.open()
        one, two = (self.read(corpus, "test", count) for count in (1, 2))
        assert len(one) == len(corpus.speakers("test"))
        if self.tells_speakers:
            assert len(two) == 2 * len(one) and one == two[::2]
        else:
            assert two == one
        with pytest.raises(InputError, match="per_speaker"):
            self.read(corpus, "test", 0)

    def test_segments_cover_the_samples(self) -> None:
        corpus = self.open()
        if isinstance(corpus, FeatureCorpus):
            with pytest.raises(InputError, match="features, not audio"):
                corpus.utterances("test")
            return
        for utterance in corpus.utterances("test", self.per_speaker):
            assert utterance.samples.dtype == np.int16 and utterance.samples.ndim == 1
            edges = [(segment.start_sample, segment.end_sample) for segment in utterance.segments]
            assert edges[0][0] == 0 and edges[-1][1] == len(utterance.samples)
            assert all(one[1] == other[0] for one, other in itertools.pairwise(edges))
            assert all(start < end for start, end in edges)
            assert {segment.phone for segment in utterance.segments} <= set(PHONES_61)

    @pytest.mark.parametrize("name", ["validation", "test"])
    def test_arrays_fit_one_another(self, name: str) -> None:
        split = load_split(self.open(), name, self.per_speaker)
        frames = int(split.lengths.sum())
        assert split.name == name and frames > 0
        assert len(split) == len(split.names) == len(split.speakers) == len(split.segment_counts) > 0
        assert set(split.speakers) == set(self.open().speakers(name))
        assert split.features.shape[0] == frames and split.features.dtype == np.float32
        assert np.isfinite(split.features).all()
        assert split.lengths.min() > 0
        corpus = self.open()
        labels = corpus.labels if isinstance(corpus, LabelCorpus) else PHONES_61
        if not isinstance(corpus, LabelCorpus):
            assert split.phones is not None and split.states is not None
            assert len(split.phones) == len(split.states) == frames
            assert set(np.unique(split.states)) <= {0, 1, 2}
            assert split.phones.min() >= 0 and split.phones.max() < len(PHONES_61)
        assert len(split.segment_phones) == split.segment_counts.sum() and split.segment_counts.min() > 0
        assert split.segment_phones.min() >= 0 and split.segment_phones.max() < len(labels)
        assert split.targets is None or len(split.targets) == frames

    def test_speaker_means_are_subtracted_where_it_says_so(self) -> None:
        split = load_split(self.open(), "test", self.per_speaker)
        of_frames = np.repeat(np.array(split.speakers), split.lengths)
        for speaker in set(split.speakers):
            means = split.features[of_frames == speaker].mean(axis=0, dtype=np.float64)
            assert (np.abs(means).max() < 1e-3) == self.subtracts_means

    def test_a_split_loaded_again_is_the_same(self) -> None:
        one, other = (load_split(self.open(), "validation", self.per_speaker) for _ in range(2))
        for field in Split.__dataclass_fields__:
            assert np.array_equal(getattr(one, field), getattr(other, field)), field

    def test_an_unknown_split_is_one_line(self) -> None:
        corpus = self.open()
        uses = [corpus.speakers, corpus.fingerprint, lambda split: load_split(corpus, split)]
        for use in [*uses, lambda split: self.read(corpus, split, 1)]:
            with pytest.raises(InputError, match=r"no split 'dev'; there are train, validation, test") as error:
                use("dev")
            assert "\n" not in str(error.value)

    @pytest.mark.parametrize("path", [None, "absent", "file", "empty"])
    def test_a_wrong_path_is_one_line(self, path: str | None) -> None:
        """Of one that is generated: any path at all."""
        Path("file").write_text("")
        Path("empty").mkdir()
        if path is None and self.generated:
            assert open_corpus(self.name, path).name == self.name
            return
        with pytest.raises(InputError if self.generated else MissingError) as error:
            open_corpus(self.name, path)
        assert "\n" not in str(error.value) and (path or self.name) in str(error.value)

    def test_a_result_says_what_it_was(self) -> None:
        corpus = self.open()
        record = corpus_record(corpus)
        assert json.loads(json.dumps(record)) == record and record["name"] == self.name
        assert isinstance(corpus, FileCorpus) != self.generated
        if isinstance(corpus, FileCorpus):
            assert corpus.notes and all(note and "\n" not in note for note in corpus.notes)
            assert record["skipped"] == record["repaired"] == dict.fromkeys(SPLITS, 0)
            assert corpus.problems(None) == () and corpus.repaired(None) == ()
