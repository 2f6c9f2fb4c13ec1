"""Targets, first decoder and phone error of a float network on a corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dse.corpora.base import Corpus
from dse.corpora.split import Split
from dse.phones.senones import SenoneCorpus, phone_state_scores

if TYPE_CHECKING:
    from dse.phones.decode import Decoder


def frame_targets_of(corpus: Corpus, data: Split) -> tuple[np.ndarray, int]:
    """Targets of all frames, int [N], and the number of different targets: senones where the corpus has them."""
    from dse.phones.decode import TARGETS
    from dse.phones.sets import frame_targets

    if data.targets is not None and isinstance(corpus, SenoneCorpus):
        return data.targets, len(corpus.senones)
    return frame_targets(data.phones, data.states), TARGETS


def first_decoder(data: Split) -> Decoder:
    """Decoder with bigram and priors of a training split, not tuned yet."""
    from dse.phones.decode import estimate_decoder
    from dse.phones.sets import frame_targets

    return estimate_decoder(data.segment_phones, data.segment_counts, frame_targets(data.phones, data.states))


def run_float(network: Any, corpus: Corpus, split: Split) -> np.ndarray:
    """Run the float network on a split: phone-state scores float32 [N, 144]."""
    import torch

    network.eval()
    with torch.no_grad():
        device = next(network.parameters()).device
        features, offsets = torch.tensor(split.features, device=device), torch.tensor(split.offsets, device=device)
        logits: np.ndarray = network(features, offsets).cpu().numpy()
    return phone_state_scores(corpus, logits)


def float_error(network: Any, decoder: Decoder, corpus: Corpus, split: Split) -> float:
    """Phone error rate in percent of the float network on a split."""
    return decoder.error(run_float(network, corpus, split), *references(split)).percent


def references(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arrays of a split for `Decoder.error`: frames [U], reference phones [P], phones per utterance [U]."""
    return split.lengths, split.segment_phones, split.segment_counts
