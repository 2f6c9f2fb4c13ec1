"""Speech errors drawn from a population whose phone error rates are known."""

import numpy as np

from dse.design.evaluation import Evaluation
from dse.design.utterance_errors import UtteranceErrors
from dse.study.bootstrap import ErrorBars
from models.workload import Configuration, Setting

LOG_ODDS, SPEAKER, OWN, UTTERANCE, WORSE = -1.95, 0.45, 0.15, 0.35, 0.06  # about 14 and 15 % PER
PHONES = (25, 50)  # of an utterance


def corpus(speakers: int, each: int, rng: np.random.Generator) -> tuple[list[Evaluation], list[str]]:
    """Errors of two networks on drawn speech, and each utterance's speaker."""
    common = rng.normal(0, SPEAKER, speakers).repeat(each) + rng.normal(0, UTTERANCE, speakers * each)
    phones = rng.integers(*PHONES, speakers * each)
    evaluations = []
    for worse in (0.0, WORSE):
        odds = LOG_ODDS + worse + common + (worse > 0) * rng.normal(0, OWN, speakers).repeat(each)
        wrong = rng.binomial(phones, 1 / (1 + np.exp(-odds)))
        none = (0,) * len(wrong)
        errors = UtteranceErrors(wrong.tolist(), none, none, phones.tolist())
        configuration = Configuration((("m", Setting(8 if worse else 16, 8)),))
        evaluations.append(Evaluation((), configuration, "ok", errors=errors))
    return evaluations, [str(name) for name in np.arange(speakers).repeat(each)]


def truth(rng: np.random.Generator) -> tuple[float, float]:
    """The population's PER of the first network and its difference to the second, from a very large corpus."""
    (first, second), _ = corpus(400_000, 1, rng)
    return first.errors.percent, second.errors.percent - first.errors.percent


def coverage(speakers: int, each: int, corpora: int, seed: int = 0, whole: bool = True) -> tuple[float, float]:
    """Share of corpora whose interval holds the truth: of the PER, of the difference; speakers drawn `whole` or not."""
    rng = np.random.default_rng(seed)
    percent, difference = truth(rng)
    held = np.zeros(2)
    for _ in range(corpora):
        (first, second), names = corpus(speakers, each, rng)
        bars = ErrorBars((first, second), names if whole else None)
        held += (percent in bars.of(first), difference in bars.difference(second, first))
    return tuple((held / corpora).tolist())
