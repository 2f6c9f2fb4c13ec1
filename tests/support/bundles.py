"""A small bundle of any model, as `dse.export` writes it, without a study."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from networks import SPECS, engine_of, features_of, offsets_of, trained

from dse.exporters.decoding import Decoding
from dse.exporters.golden import Golden, Speech
from dse.exporters.write import network_record, write_parts
from dse.phones.decode import Decoder
from dse.phones.senones import TARGETS, SenoneMap
from models.workload import Configuration

LENGTHS = [9, 4, 15]


def decoding_of(outputs: int) -> Decoding:
    """A decoder that is as good as any; of other outputs than the phone states, they are senones."""
    rng = np.random.default_rng(1)
    bigram, prior = (np.log(rng.dirichlet(np.ones(n), size)) for n, size in ((TARGETS // 3, 49), (TARGETS, 1)))
    decoder = Decoder(bigram.astype(np.float32), prior[0].astype(np.float32))
    if outputs == TARGETS:
        return Decoding(decoder)
    return Decoding(decoder, SenoneMap(np.zeros(outputs, np.int16), rng.random((TARGETS, outputs)) < 0.5))


def write_small(folder: Path, name: str = "lstm", bits=(4, 8, 1), outputs: int = TARGETS) -> None:
    """A bundle of one of SPECS; `bits` are weight bits, activation bits and threshold of every matvec."""
    spec = replace(SPECS[name], outputs=outputs)
    engine = engine_of(spec, *trained(spec))
    configuration = Configuration.uniform(spec.workload(), *bits)
    network, decoding = engine.quantizer.network(configuration), decoding_of(outputs)
    lengths = np.array(LENGTHS, np.int64)
    references = tuple((1, 2, 3) for _ in LENGTHS)
    speech = Speech(("a", "b", "c"), features_of(spec, LENGTHS), lengths, references)
    sites, counter = engine.trace(network, speech.features, offsets_of(LENGTHS))
    phones = tuple(decoding.phones(sites["logits"], network.logit_bits, lengths))
    sent = {matvec: counter.sent[matvec] for matvec in spec.workload().names}
    golden = Golden(speech, np.ascontiguousarray(sites["logits"]), sent, phones)
    record = network_record(spec, configuration, network, decoding.decoder)
    write_parts(folder, record, network, decoding, golden, "a small bundle\n")
