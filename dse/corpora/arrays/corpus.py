"""Features and references of your own, so that any network that labels frames or sequences can be searched.

    DIR/labels.txt                         a label a line, in the order of the network's outputs: phones, characters or
                                           words, without CTC's blank; none has a space in it, '|' may stand for one
    DIR/train, validation and test, each .npz or .parquet; a search reads train (to calibrate) and validation,
                                           the final report test, which may come later

A .npz, which `numpy.savez` writes, holds arrays by name, all utterances one after another:

    utterances, speakers                   texts [utterances]; speakers may be absent
    lengths                                frames of each utterance [utterances]
    features                               float32 [frames, dimensions], as the network reads them
    labels                                 texts [utterances]: the labels with spaces between, "h e l l o | y o u"
    targets                                numbers [frames]: the label of each frame, counted from 0 in labels.txt

Either labels or targets may be absent. Targets are needed to train here, and where frames are scored, not sequences.
Five lines write a split, here of lists with an entry an utterance:

    import numpy
    numpy.savez(
        "DIR/train.npz", utterances=names, speakers=speakers, lengths=[len(x) for x in features],
        features=numpy.concatenate(features).astype("float32"), labels=[" ".join(text) for text in texts],
    )

In Parquet (`pip install pyarrow`) a row is a frame: columns utterance, speaker, labels and target, the first three the
same on all rows of an utterance, which follow each other; every other column is a feature.

Speakers and utterances must differ between splits. Without speakers each utterance counts as one of its own. Features
are taken as they come; a network that is trained here standardises them by train's mean and deviation. The network's
checkpoint names its decoder, as `dse.import_torch --decoder` told it, and thereby what an error is; the notebook
`notebooks/05_your_own_network.ipynb` goes all the way:

    ctc                                    labels after CTC's best path: substitutions, deletions and insertions, as a
                                           share of reference labels; outputs are the labels and a blank, first or last
    frames                                 frames whose highest output is not their target
    viterbi                                phones, where labels.txt has those of TIMIT's sets and there are 144 outputs
"""

from __future__ import annotations

from collections import Counter
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from dse.corpora.arrays.content import Arrays, Checker, Index, digest
from dse.corpora.arrays.files import LABELS, NEEDED, check_together, files_of, read_arrays, read_index, read_labels
from dse.corpora.base import SAMPLE_RATE_HZ, Utterance, check_split
from dse.corpora.content import Content, Problem, examined
from dse.corpora.split import Split
from models.workload import InputError, MissingError


class ArraysCorpus:
    """Corpus of users' own features and references. It has no audio, so `utterances` raises InputError.

    See `dse.corpora.base.Corpus`, `LabelCorpus` and `PartialCorpus`, and `dse.corpora.split.FeatureCorpus`. Damaged
    utterances raise InputError, or are left out and counted with `skip_bad`. Raises MissingError where a file is
    missing, InputError for damaged labels, a speaker or utterance in two splits, and features of different width.
    """

    name = "arrays"
    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, path: str | None = None, skip_bad: bool = False, reread: bool = False) -> None:
        if path is None or not Path(path).is_dir():
            where = "no folder given (--corpus-path)" if path is None else f"no folder '{path}'"
            raise MissingError(f"the arrays corpus: {where}; it needs one with {NEEDED}")
        self.skip_bad, self.reread = skip_bad, reread
        self._root = Path(path)
        self._files = files_of(self._root)
        self.splits = tuple(self._files)
        self.labels = read_labels(self._root / LABELS)
        self._checker = Checker(self.labels, LABELS)
        self._indices: dict[str, Index] = {}
        for split, file in self._files.items():
            try:
                self._indices[split] = read_index(file)
            except (OSError, InputError):
                continue  # told as damage where the split is read
        check_together(self._indices)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Nothing of the test split, which may come after a search."""
        used = {split: index for split, index in self._indices.items() if split != "test"}
        counts = " and ".join(f"{len(index.names)} {split}" for split, index in used.items())
        told = all(index.speakers is not None for index in used.values())
        return (
            f"{counts or 'no'} utterances, {len(self.labels)} labels",
            "splits by file" if told else "splits by file; without speakers nobody can check that they share none",
        )

    def speakers(self, split: str) -> tuple[str, ...]:
        check_split(split)
        if split not in self._files:
            return ()
        index = self._indices.get(split) or read_index(self._files[split])
        return tuple(sorted({*index.spoken_by}))

    def utterances(self, split: str, per_speaker: int | None = None) -> list[Utterance]:
        raise InputError("the arrays corpus holds features, not audio")

    def split_arrays(self, split: str, per_speaker: int | None = None) -> Split:
        """Split with features as stored, labels as reference phones and frames' labels as targets, where they are.

        Where there are targets alone they are the references too. Raises InputError for damage and for a `per_speaker`
        below 1.
        """
        if per_speaker is not None and per_speaker < 1:
            raise InputError(f"per_speaker must be at least 1, not {per_speaker}")
        self.fingerprint(split)
        arrays = read_arrays(self._files[split])
        chosen = self._chosen(arrays, per_speaker)
        frames = np.concatenate([np.arange(0), *(np.r_[arrays.frames(u)] for u in chosen)])
        targets = None if arrays.targets is None else arrays.targets[frames].astype(np.int32)
        lengths = arrays.lengths[chosen]
        if arrays.labels is not None:
            each = [self._checker.references(arrays.labels[u]) for u in chosen]
            references, counts = np.concatenate(each), np.array([len(labels) for labels in each], np.int64)
        else:
            assert targets is not None  # one of the two is there
            references, counts = targets.astype(np.int16), lengths
        return Split(
            split,
            arrays.features[frames],
            lengths,
            None,
            None,
            references,
            counts,
            tuple(arrays.index.names[u] for u in chosen),
            tuple(arrays.index.spoken_by[u] for u in chosen),
            digest(self.labels, arrays, chosen),
            targets,
        )

    def _chosen(self, arrays: Arrays, per_speaker: int | None) -> list[int]:
        """Sound utterances, speaker by speaker, in the order of their names."""
        names, spoken_by, damaged = arrays.index.names, arrays.index.spoken_by, self._checker.damaged(arrays)
        taken: Counter[str] = Counter()
        chosen = []
        for u in sorted(range(len(names)), key=lambda u: (spoken_by[u], names[u])):
            if u not in damaged and (per_speaker is None or taken[spoken_by[u]] < per_speaker):
                taken[spoken_by[u]] += 1
                chosen.append(u)
        return chosen

    def fingerprint(self, split: str) -> str:
        """SHA-256 of labels.txt and the sound utterances. Raises InputError for damage, MissingError for no split."""
        content = self._content(split)
        if content.problems and not content.utterances:
            raise InputError(f"arrays {split}: {content.problems[0].what}")
        content.raise_problems(f"arrays {split}", self.skip_bad)
        return content.fingerprint

    def problems(self, split: str | None) -> tuple[Problem, ...]:
        """Damaged utterances of the split, or its file; every utterance is in a split, so None gives none."""
        return self._content(split).problems if split in self._files else ()

    def repaired(self, split: str | None) -> tuple[str, ...]:
        """Names of repaired utterances: none, nothing is repaired."""
        return ()

    @cache  # noqa: B019  a corpus lives as long as its process
    def _content(self, split: str) -> Content:
        check_split(split)
        if split not in self._files:
            raise MissingError(f"arrays: no '{self._root / split}.npz' (or .parquet)")

        def problem_of(name: str) -> Problem | None:
            return next((problem for problem in self._examine(split).problems if problem.name == name), None)

        files = [self._root / LABELS, self._files[split]]
        return examined(f"arrays {split}", files, lambda: self._examine(split), problem_of, self.reread)

    def _examine(self, split: str) -> Content:
        """Damage of the file as a whole is a problem of that name, and then no utterance is counted."""
        file = self._files[split]
        try:
            arrays = read_arrays(file)
            if not len(arrays.lengths):
                raise InputError(f"{file.name} holds no utterance")
        except (OSError, InputError) as error:
            return Content("", 0, (Problem.of(file.name, str(error), error),))
        damaged = self._checker.damaged(arrays)
        problems = tuple(Problem(arrays.index.names[u], what) for u, what in damaged.items())
        sound = (u for u in range(len(arrays.lengths)) if u not in damaged)
        return Content(digest(self.labels, arrays, sound), len(arrays.lengths), problems)
