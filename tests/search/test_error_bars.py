"""Error bars: against SciPy's own bootstrap, a plain loop and simulated speech; what is tied, and what is smallest."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap
from searches import search
from simulated_speech import corpus, coverage

from dse.design.evaluation import Evaluation
from dse.design.utterance_errors import UtteranceErrors
from dse.reports.table import summary, table, ties
from dse.study.bootstrap import ErrorBars
from dse.study.result import load_study
from dse.study.ties import near_best, tied_with_baseline
from models.workload import Configuration, Setting


def evaluation(errors, phones, bits=8):
    none = (0,) * len(errors)
    configuration = Configuration((("m", Setting(bits, 8)),))
    return Evaluation((), configuration, "ok", errors=UtteranceErrors(errors, none, none, phones))


def test_utterances_give_scipys_interval():
    """Without its step outwards for few units, which at 400 is small."""
    rng = np.random.default_rng(3)
    phones = rng.integers(20, 60, 400)
    wrong = rng.binomial(phones, 0.15)
    mine = ErrorBars([evaluation(wrong.tolist(), phones.tolist())]).of(evaluation(wrong.tolist(), phones.tolist()))
    theirs = bootstrap(
        (wrong, phones),
        lambda w, p, axis: 100 * w.sum(axis) / p.sum(axis),
        paired=True,
        method="percentile",
        n_resamples=4000,
        rng=rng,
    ).confidence_interval
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_speakers_are_drawn_whole():
    """The same errors with every utterance twice, under the same speakers, have the same bars."""
    rng = np.random.default_rng(0)
    phones = rng.integers(20, 60, 30).tolist()
    wrong = rng.binomial(phones, 0.2).tolist()
    speakers = [f"s{u // 2}" for u in range(30)]
    one = evaluation(wrong, phones)
    both = evaluation(wrong * 2, phones * 2)
    assert ErrorBars([one], speakers).of(one) == ErrorBars([both], speakers * 2).of(both)
    assert ErrorBars([one], speakers).unit == "speaker" and ErrorBars([one], speakers).units == 15


@pytest.mark.parametrize("speakers", [None, ["a"] * 15 + ["b"] * 15, ["a"] * 7])
def test_few_or_unknown_speakers_leave_utterances(speakers):
    one = evaluation([1] * 30, [10] * 30)
    bars = ErrorBars([one], speakers)
    assert (bars.unit, bars.units) == ("utterance", 30)
    assert (bars.of(one).low, bars.of(one).high) == pytest.approx((10, 10))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(10, 40)), min_size=2, max_size=40))
def test_differences_are_paired_and_turn_their_sign(counts):
    first, second, phones = (list(column) for column in zip(*counts, strict=True))
    one, other = evaluation(first, phones, 8), evaluation(second, phones, 4)
    bars = ErrorBars([one, other])
    there, back = bars.difference(one, other), bars.difference(other, one)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert bars.difference(one, one).low == bars.difference(one, one).high == 0
    mean = one.errors.percent - other.errors.percent
    assert there.low - 1e-9 <= mean <= there.high + 1e-9 or len(counts) < 10
    assert bars.tied(one, other) == bars.tied(other, one)


@pytest.mark.parametrize(("speakers", "each"), [(20, 20), (12, 16)])
def test_intervals_hold_the_truth_as_often_as_they_say(speakers, each):
    """300 simulated corpora; `check_error_bars.py` draws more of them."""
    for share in coverage(speakers, each, 300):
        assert 0.915 <= share <= 0.985
    assert coverage(speakers, each, 100, whole=False)[0] < 0.9  # utterances alone make the bars too short


def test_a_corpus_of_the_simulation_is_about_as_hard_as_the_embedded_one():
    (first, second), names = corpus(20, 20, np.random.default_rng(0))
    assert 10 < first.errors.percent < 20 and len(names) == 400 and second.errors.percent != first.errors.percent


def test_a_search_keeps_the_speakers_and_names_what_is_tied(tmp_path):
    study = search(tmp_path)
    again = load_study(study.name, f"sqlite:///{tmp_path}/dse.db")
    assert study.speakers == again.speakers == tuple("aaaabbbb")
    point, near = tied_with_baseline(study), near_best(study)
    sizes = [each.metrics["size_mib"] for each in study.front]
    assert near.metrics["size_mib"] >= min(sizes)
    assert point is None or study.error_bars.difference(point, study.baseline).low <= 0
    assert f"less than 1 point worse than its least error: point {study.front.number(near)}," in summary(study)
    assert "bootstrap over 8 utterances" in table(study)


TOLD = re.compile(
    r"  smallest of the front (.*): point (\d+), ([\d.]+) MiB, ([\d.]+) %, (?:(.*) points over )?(.*?)( itself)?"
)


@pytest.mark.parametrize(
    "objectives",
    ["error,size,ops", "error,size", "error", "ops,error", "max4,size", "size,ops", "size", "compression,max4,error"],
)
def test_what_is_told_of_a_front_is_true_of_what_it_names(tmp_path, objectives):
    """The interval is that of the difference to what the line names; the least error is told where it was sought."""
    study = search(tmp_path).under(*objectives.split(","))
    bars, lines = study.error_bars, ties(study)
    told = [TOLD.fullmatch(line).groups() for line in lines]
    assert sum("least error" in what for what, *_ in told) == ("error" in objectives.split(","))
    for what, number, size, error, interval, name, itself in told:
        point = study.front[int(number) - 1]
        reference = study.baseline if name == "16 bit" else study.front[int(name.removeprefix("point ")) - 1]
        over = bars.difference(point, reference)
        assert (size, error) == (f"{point.metrics['size_mib']:.3f}", f"{point.metrics['error_percent']:.2f}")
        assert interval == (None if itself else over.signed) and bool(itself) == (
            point.configuration == reference.configuration
        )
        held = (lambda e: e.high <= 1) if "least error" in what else (lambda e: e.low <= 0)
        if what == "better than 16 bit":
            assert over.high < 0
        elif "least error" not in what:
            assert what == "tied with 16 bit" and over.low <= 0 <= over.high
        holding = [each for each in study.front if held(bars.difference(each, reference))]
        assert point in holding and point.metrics["size_mib"] == min(each.metrics["size_mib"] for each in holding)
        if "least error" in what:
            every = [e.metrics["error_percent"] for e in study.evaluations if e.status == "ok"]
            assert reference.metrics["error_percent"] == min(every)


def test_what_is_better_than_the_baseline_is_not_called_tied(tmp_path):
    """As points of a retrained network can be."""
    study = search(tmp_path)
    worst = max((e for e in study.evaluations if e.measured), key=lambda e: e.metrics["error_percent"])
    (line, *_) = ties(replace(study, baseline=worst))
    assert line.startswith("  smallest of the front better than 16 bit: ") and re.search(
        r"-[\d.]+ to -[\d.]+ points", line
    )


def test_a_study_without_errors_of_utterances_has_no_bars(tmp_path):
    study = search(tmp_path, evaluations=12)
    bare = replace(
        study,
        baseline=replace(study.baseline, errors=None),
        evaluations=tuple(replace(each, errors=None) for each in study.evaluations),
    )
    assert tied_with_baseline(bare) is None and near_best(bare) is None
    assert "interval" not in table(bare) and "smallest" not in summary(bare)
