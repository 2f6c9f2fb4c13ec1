"""Inference of one candidate: checkpoint, split and configuration in, label errors and computed fractions out."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from dse.corpora.base import Corpus
from dse.corpora.load import load_split
from dse.corpora.split import Split
from dse.design.utterance_errors import UtteranceErrors
from dse.evaluator.batches import batches, frames_at_once, mean
from dse.evaluator.calibrate import quantizer_of
from dse.evaluator.fit import decoder_in, fitted
from dse.evaluator.measurement import Measurement
from dse.evaluator.proof import require_same
from dse.phones.senones import decoder_scores, senones_of
from models.checkpoint import Checkpoint, load
from models.devices import CPU, require_gpu
from models.engines.network_quantizer import NetworkQuantizer
from models.quantization.scheme import Scheme
from models.registry import build_engine
from models.workload import Configuration


class NetworkMeasurer:
    """Measurer of one network on one split; `measure` is a pure function of the configuration."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        quantizer: NetworkQuantizer,
        corpus: Corpus,
        split: Split,
        device: str = CPU,
        cache_mib: int = 0,
    ) -> None:
        """Build the engine and decoder, on a split that is `fitted` to them.

        Raises InputError where `device` does not give the CPU's integers.
        """
        self.workload = replace(checkpoint.spec.workload(), stored=quantizer.scheme.stored)
        self.batch_frames = frames_at_once(self.workload)
        self.decoder = decoder_in(checkpoint)
        self.engine = build_engine(quantizer, device)
        if device != CPU:
            from models.gpu.batch import FRAMES_PER_BATCH

            # a GPU is fast with many utterances a step, bounded by its memory
            self.batch_frames = max(self.batch_frames, FRAMES_PER_BATCH)
            require_same(self.engine, build_engine(quantizer), split, self.workload, device)
        else:
            self.engine.prefixes.limit_bytes = cache_mib * 2**20
        self.corpus, self.split = corpus, split

    def measure(self, configuration: Configuration) -> Measurement:
        """Run the network at a configuration, decode and score its outputs.

        Raises InputError where only some matvecs are float or the outputs are not finite, KeyError where the
        configuration lacks a matvec of the network.
        """
        start, split = time.perf_counter(), self.split
        decoded, computed = [], []
        for batch in batches(split.lengths, self.batch_frames):
            bounds = split.offsets[batch.start : batch.stop + 1]
            features = split.features[bounds[0] : bounds[-1]]
            name = batch.start, len(split)
            logits, bits, fractions = self.engine.outputs(features, bounds - bounds[0], configuration, name)
            scores, bits = decoder_scores(senones_of(self.corpus), logits, bits)
            decoded.append(self.decoder.decode(scores, split.lengths[batch], bits))
            computed.append((len(features), fractions))
        labels, counts = (np.concatenate(arrays) for arrays in zip(*decoded, strict=True))
        found = self.decoder.errors(labels, counts, split.segment_phones, split.segment_counts)
        errors = UtteranceErrors(
            *(
                tuple(kind.tolist())
                for kind in (found.substitutions, found.deletions, found.insertions, found.reference_phones)
            )
        )
        return Measurement(errors, mean(computed, self.workload), time.perf_counter() - start)


def open_measurer(
    path: Path, corpus: Corpus, split: str, scheme: Scheme, device: str = CPU, cache_mib: int = 0
) -> NetworkMeasurer:
    """Load the checkpoint at `path`, calibrate it on training data and load `split` of the corpus.

    Raises InputError, in one line, for anything missing or damaged.
    """
    require_gpu(device)
    checkpoint = load(path)
    decoder = decoder_in(checkpoint, path)
    data = fitted(f"checkpoint {path}", checkpoint.spec, corpus, load_split(corpus, split), decoder)
    quantizer = quantizer_of(checkpoint, corpus, scheme)
    return NetworkMeasurer(checkpoint, quantizer, corpus, data, device, cache_mib)
