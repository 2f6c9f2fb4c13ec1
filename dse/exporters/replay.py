"""Verification of a bundle: its parts that run against the evaluator, the evaluator against the golden outputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np

from dse.design.objective import eliminated_percent
from dse.evaluator.batches import batches, frames_at_once
from dse.exporters import REPLAYED, Replayed, replayer_named
from dse.exporters.bundle import Bundle
from dse.exporters.golden import Speech
from dse.phones.decoders import LabelDecoder
from dse.phones.errors import PhoneErrors
from models.engines.network_quantizer import NetworkQuantizer
from models.quantization.calibration import Calibration
from models.quantization.scheme import Scheme
from models.registry import build_engine
from models.workload import InputError

EVALUATOR = "evaluator"
PHONES = "phones"


@dataclass(frozen=True)
class Difference:
    """The first place where a part differs: a code of a site, an utterance's phones, or a matvec's count."""

    utterance: str
    site: str
    frame: int | None
    unit: int | None
    expected: object
    found: object

    def __str__(self) -> str:
        place = [f"utterance {self.utterance}"] if self.utterance else []
        place += [f"frame {self.frame}"] if self.frame is not None else []
        place.append(self.site if self.unit is None else f"{self.site} unit {self.unit}")
        return f"{', '.join(place)}: {self.found} in place of {self.expected}"


@dataclass(frozen=True)
class Check:
    """What one part gave over all utterances, and where it first differs; or why it cannot be run, and no numbers."""

    part: str
    utterances: int
    frames: int
    error_percent: float
    eliminated_percent: float
    seconds: float
    difference: Difference | None = None
    not_run: str = ""

    @property
    def equal(self) -> bool:
        return self.difference is None and not self.not_run


def parts_of(bundle: Bundle) -> tuple[str, ...]:
    """Names of the bundle's parts that run."""
    return tuple(name for name in REPLAYED if (bundle.folder / name).is_dir())


def verify(bundle: Bundle, parts: Sequence[str], speech: Speech | None = None) -> Iterator[Check]:
    """Run the speech, or the golden utterances, through the evaluator and then each part; yield a check for each.

    A part that cannot be run here, without its compiler for one, says so in its check and keeps no other from running.
    Raises InputError on speech of other features than the network reads.
    """
    golden = speech is None
    if speech is None:  # in one piece, as its counts are
        speech = bundle.golden.speech
        pieces = [speech]
    else:
        pieces = [speech.part(piece) for piece in batches(speech.lengths, frames_at_once(bundle.spec.workload()))]
    if speech.features.shape[1] != bundle.spec.features:
        raise InputError(f"the bundle's network reads {bundle.spec.features} features, not {speech.features.shape[1]}")
    seconds, expected = _timed(_evaluator(bundle), pieces)
    difference = _from_golden(bundle, expected[0]) if golden else None
    yield _check(bundle, EVALUATOR, speech, expected, seconds, difference)
    for part in parts:
        try:
            seconds, found = _timed(_runner(part, bundle), pieces)
        except InputError as error:
            yield Check(part, len(speech.lengths), int(speech.lengths.sum()), nan, nan, nan, not_run=str(error))
            continue
        compared = zip(pieces, expected, found, strict=True)
        difference = next(filter(None, (_difference(*each) for each in compared)), None)
        yield _check(bundle, part, speech, found, seconds, difference)


def _timed(run: Callable[[Speech], Replayed], pieces: Sequence[Speech]) -> tuple[float, list[Replayed]]:
    """Seconds of running all pieces, and what they gave."""
    start = time.perf_counter()
    found = [run(piece) for piece in pieces]
    return time.perf_counter() - start, found


def _runner(part: str, bundle: Bundle) -> Callable[[Speech], Replayed]:
    exporter = replayer_named(part)

    def run(speech: Speech) -> Replayed:
        found = exporter.replay(bundle.folder / part, speech.features, speech.offsets)
        return found if found.phones is not None else _decoded(bundle, found, speech)

    return run


def _evaluator(bundle: Bundle) -> Callable[[Speech], Replayed]:
    engine = build_engine(NetworkQuantizer(bundle.spec, {}, Calibration({}), Scheme()))

    def run(speech: Speech) -> Replayed:
        sites, counter = engine.trace(bundle.network, speech.features, speech.offsets)
        return _decoded(bundle, Replayed(sites, counter.sent), speech)

    return run


def _decoded(bundle: Bundle, found: Replayed, speech: Speech) -> Replayed:
    phones = bundle.decoding.phones(found.logits, bundle.network.logit_bits, speech.lengths)
    return replace(found, phones=tuple(phones))


def _from_golden(bundle: Bundle, found: Replayed) -> Difference | None:
    golden = bundle.golden
    expected = Replayed({"logits": golden.logits}, golden.sent, golden.phones)
    return _difference(golden.speech, expected, replace(found, sites={"logits": found.logits}))


def _difference(speech: Speech, expected: Replayed, found: Replayed) -> Difference | None:
    """The first place, by utterance, then by site in the order in which they are computed, then by frame."""
    bounds = speech.offsets
    first: list[tuple[int, int, int, Difference]] = []
    for order, (site, codes) in enumerate(expected.sites.items()):
        mine = found.sites.get(site)
        if mine is None or mine.shape != codes.shape:
            return Difference("", site, None, None, codes.shape, None if mine is None else mine.shape)
        frames = np.flatnonzero((mine != codes).any(axis=1))
        if len(frames):
            frame = int(frames[0])
            unit = int(np.flatnonzero(mine[frame] != codes[frame])[0])
            utterance = int(np.searchsorted(bounds, frame, side="right")) - 1
            within = frame - int(bounds[utterance])
            values = int(codes[frame, unit]), int(mine[frame, unit])
            first.append((utterance, order, within, Difference(speech.names[utterance], site, within, unit, *values)))
    if first:
        return min(first, key=lambda each: each[:3])[3]
    for name, phones, mine_phones in zip(speech.names, expected.phones or (), found.phones or (), strict=True):
        if phones != mine_phones:
            return Difference(name, PHONES, None, None, phones, mine_phones)
    for matvec, sent in expected.sent.items():
        if found.sent.get(matvec) != sent:
            return Difference("", f"elements sent by {matvec}", None, None, sent, found.sent.get(matvec))
    return None


def _check(
    bundle: Bundle, part: str, speech: Speech, found: Sequence[Replayed], seconds: float, difference: Difference | None
) -> Check:
    phones = [row for replayed in found for row in replayed.phones or ()]
    sent = {name: sum(replayed.sent.get(name, 0) for replayed in found) for name in bundle.spec.workload().names}
    frames = int(speech.lengths.sum())
    return Check(
        part,
        len(speech.lengths),
        frames,
        score_of(phones, speech.references, bundle.decoding.decoder).percent,
        eliminated_percent(bundle.spec.workload(), computed_of(bundle, sent, frames)),
        seconds,
        difference,
    )


def score_of(
    phones: Sequence[Sequence[int]], references: Sequence[Sequence[int]], decoder: LabelDecoder
) -> PhoneErrors:
    """Errors of decoded labels against references, as the decoder counts them."""
    flat = [np.array([phone for row in rows for phone in row], np.int16) for rows in (phones, references)]
    counts = [np.array([len(row) for row in rows], np.int64) for rows in (phones, references)]
    return decoder.errors(flat[0], counts[0], flat[1], counts[1])


def computed_of(bundle: Bundle, sent: Mapping[str, int], frames: int) -> dict[str, float]:
    """Computed fraction of each matvec, from its count of sent elements over so many frames."""
    return {m.name: sent[m.name] / (frames * m.cols * m.passes) for m in bundle.spec.workload()}
