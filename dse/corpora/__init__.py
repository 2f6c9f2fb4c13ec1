"""Speech corpora behind one interface: splits with disjoint speakers, samples and time-aligned phones.

To add a corpus:
1. `dse/corpora/x.py`, or a package of its own as `timit/`: a class with the members of `dse.corpora.base.Corpus`. One
   read from files also has those of `FileCorpus` and takes `(path, skip_bad, reread)`; one that holds features instead
   of audio has `split_arrays` as well, see `dse.corpora.split.FeatureCorpus`, one with other labels than phones those
   of `LabelCorpus`.
2. A line in CORPORA; in GENERATED too if it is made and not read: it then takes `(path)` and refuses any.
3. A class in `tests/speech/test_corpus_conformance.py` that writes a small one. It holds the corpus to what every
   corpus must keep; the suite fails without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dse.corpora.base import SPLITS, Corpus, FileCorpus, splits_of
from models.workload import InputError

CORPORA: dict[str, str] = {
    "synthetic": "dse.corpora.synthetic.corpus:SyntheticCorpus",
    "timit": "dse.corpora.timit.corpus:TimitCorpus",
    "kaldi": "dse.corpora.kaldi:KaldiCorpus",
    "arrays": "dse.corpora.arrays.corpus:ArraysCorpus",
}
GENERATED = ("synthetic",)


def open_corpus(name: str, path: str | None = None, skip_bad: bool = False, reread: bool = False) -> Corpus:
    """Open the corpus of that name; `path` is the folder of one that is not generated.

    `skip_bad` leaves out damaged utterances, which otherwise raise InputError when a split is read; a generated corpus
    has none. `reread` reads what is in the files even where a verdict on them is cached.
    Raises InputError for an unknown name; MissingError where the corpus is not at `path`.
    """
    if name not in CORPORA:
        raise InputError(f"no corpus '{name}'; there are {', '.join(CORPORA)}")
    module, attribute = CORPORA[name].split(":")
    make = getattr(import_module(module), attribute)
    corpus: Corpus = make(path) if name in GENERATED else make(path, skip_bad, reread)
    return corpus


def corpus_record(corpus: Corpus) -> dict[str, Any]:
    """Record of a corpus for results, JSON-ready: name, notes, numbers of skipped and repaired utterances per split."""
    if not isinstance(corpus, FileCorpus):
        return {"name": corpus.name}
    return {
        "name": corpus.name,
        "notes": list(corpus.notes),
        "skipped": {split: len(corpus.problems(split)) for split in SPLITS},
        "repaired": {split: len(corpus.repaired(split)) for split in SPLITS},
    }


def training_record(corpus: Corpus) -> dict[str, Any]:
    """Record of a corpus for the card of what is trained on it: `corpus_record`, fingerprints, training speakers."""
    fingerprints = {split: corpus.fingerprint(split) for split in splits_of(corpus)}
    return corpus_record(corpus) | fingerprints | {"speakers": {"train": list(corpus.speakers("train"))}}


def introduction(corpus: Corpus) -> tuple[str, ...]:
    """Lines that say what a corpus holds and how it is split, for people; none of a corpus that is generated."""
    if not isinstance(corpus, FileCorpus):
        return ()
    return (f"corpus: {corpus.name}", *(f"  {note}" for note in corpus.notes))
