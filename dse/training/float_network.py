"""Targets, first decoder and error of a float network on a corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dse.corpora.base import Corpus, LabelCorpus
from dse.corpora.split import Split
from dse.phones.senones import SenoneCorpus, decoder_scores, senones_of
from models.workload import InputError

if TYPE_CHECKING:
    from dse.phones.decoders import LabelDecoder


def frame_targets_of(corpus: Corpus, data: Split) -> tuple[np.ndarray, int]:
    """Targets of all frames, int [N], and the number of different targets: senones or labels where the corpus has them.

    Raises InputError where a corpus with labels of its own has none of frames.
    """
    from dse.phones.decode import TARGETS
    from dse.phones.sets import frame_targets

    if data.targets is not None and isinstance(corpus, SenoneCorpus):
        return data.targets, len(corpus.senones)
    if isinstance(corpus, LabelCorpus):
        if data.targets is None:
            raise InputError(
                f"corpus {corpus.name} has no targets, a label for each frame of {data.name}; training needs them, "
                "there is none by CTC"
            )
        return data.targets, len(corpus.labels)
    assert data.phones is not None and data.states is not None  # of every other corpus
    return frame_targets(data.phones, data.states), TARGETS


def first_decoder(data: Split, corpus: Corpus | None = None) -> LabelDecoder:
    """Decoder with bigram and priors of a training split, not tuned yet; of frames where the corpus has labels."""
    from dse.phones.decode import estimate_decoder
    from dse.phones.greedy import FrameDecoder
    from dse.phones.sets import frame_targets

    if isinstance(corpus, LabelCorpus):
        return FrameDecoder(corpus.labels)
    assert data.phones is not None and data.states is not None
    return estimate_decoder(data.segment_phones, data.segment_counts, frame_targets(data.phones, data.states))


def run_float(network: Any, corpus: Corpus, split: Split) -> np.ndarray:
    """Run the float network on a split: scores float32 [N, outputs], of phone states where there are senones."""
    import torch

    network.eval()
    with torch.no_grad():
        device = next(network.parameters()).device
        features, offsets = torch.tensor(split.features, device=device), torch.tensor(split.offsets, device=device)
        logits: np.ndarray = network(features, offsets).cpu().numpy()
    return decoder_scores(senones_of(corpus), logits)[0]


def float_error(network: Any, decoder: LabelDecoder, corpus: Corpus, split: Split) -> float:
    """Error rate in percent of the float network on a split that is fitted to the decoder."""
    labels, counts = decoder.decode(run_float(network, corpus, split), split.lengths)
    return decoder.errors(labels, counts, split.segment_phones, split.segment_counts).percent


def references(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arrays of a split for `dse.phones.decode.tune`: frames [U], reference phones [P], phones per utterance [U]."""
    return split.lengths, split.segment_phones, split.segment_counts
