"""Speech of the corpus that a bundle's network was chosen on."""

from __future__ import annotations

from dse.corpora import open_corpus
from dse.corpora.load import load_split
from dse.evaluator.fit import fitted
from dse.exporters.bundle import Bundle
from dse.exporters.golden import Speech
from models.workload import InputError


def speech_of(bundle: Bundle, split: str, corpus_path: str | None = None) -> Speech:
    """All utterances of a split. Raises InputError where the corpus is not there, or its features are others.

    And on the test split of a bundle that was exported without its error there: no study would know that it is spent.
    """
    if split == "test" and bundle.record.get("test") is None:
        raise InputError(
            f"bundle {bundle.folder} was exported without its error on the test split, and to verify it there would "
            "spend that split unrecorded: dse.export --test records it; --split validation spends nothing"
        )
    corpus = open_corpus(str(bundle.record.get("corpus")), corpus_path)
    data = load_split(corpus, split)
    return Speech.of(fitted(f"bundle {bundle.folder}", bundle.spec, corpus, data, bundle.decoding.decoder))
