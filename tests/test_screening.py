from types import SimpleNamespace

import fake_measurer
import numpy as np
import pytest
from fake_measurer import counting
from hypothesis import given
from hypothesis import strategies as st

from dse.limits import parse_limit
from dse.measure import Task, open_measurer
from dse.objective import eliminated_percent, minimised, objectives_named
from dse.part import stages
from dse.result import load_result
from dse.screen import MARGIN_FRACTION, Screen
from dse.search import SearchSettings, make_plan, run_search
from models.workload import Configuration

OBJECTIVES = objectives_named(("error", "size", "ops"))


def settings(tmp_path, **changes):
    given = {
        "searcher": "nsga2",
        "evaluations": 80,
        "population": 12,
        "workers": 1,
        "storage": f"sqlite:///{tmp_path}/dse.db",
    }
    return SearchSettings(**{**given, "objectives": ("error", "size", "ops"), "screening": True, **changes})


def search(tmp_path, **changes):
    return run_search(settings(tmp_path, **changes), fake_measurer)


def records(result):
    return sorted((e.genome, e.status, e.reasons, e.metrics, e.violation) for e in result.evaluations)


@pytest.fixture(scope="module")
def screened(tmp_path_factory):
    return search(tmp_path_factory.mktemp("screened"))


def dominates(one, other):
    return all(a <= b for a, b in zip(one, other, strict=True))


def test_what_is_screened_had_no_chance(screened):
    out = [e for e in screened.evaluations if e.status == "screened"]
    assert len(out) > 10
    bound = screened.limits[0].bound
    fronts = [minimised(OBJECTIVES, e.metrics) for e in screened.front]
    measurer = fake_measurer.Measurer()
    for evaluation in out:
        whole = measurer.measure(evaluation.configuration).error_percent
        values = minimised(OBJECTIVES, {**evaluation.metrics, "error_percent": whole})
        assert whole > bound or any(dominates(point, values) for point in fronts)
        assert not evaluation.measured
        assert evaluation.reasons[0].startswith("screened: error at least ")
    assert not {e.genome for e in out} & {e.genome for e in screened.front}


def test_screened_spend_no_whole_inference_and_are_stored(screened, tmp_path):
    measure, calls = counting()
    again = run_search(settings(tmp_path), measure)
    assert records(again) == records(screened)
    assert calls.count == sum(e.measured for e in again.evaluations)
    stored = load_result(settings(tmp_path).storage, again.study)
    assert records(stored) == records(again)


def test_two_workers_and_a_resumed_search_screen_alike(screened, tmp_path):
    assert records(search(tmp_path / "two", workers=2)) == records(screened)
    with pytest.raises(KeyboardInterrupt):
        run_search(settings(tmp_path), counting(stop_at=20)[0])
    assert records(search(tmp_path)) == records(screened)
    short = tmp_path / "short"
    search(short, evaluations=41)
    assert records(search(short)) == records(screened)


def test_the_least_error_holds_for_quarters_drawn_at_random():
    rng = np.random.default_rng(3)
    phones = 28
    baseline = rng.binomial(phones, 0.13, size=400)
    candidate = rng.binomial(phones, 0.05, size=400) + baseline
    percent = [100 * errors.sum() / (400 * phones) for errors in (baseline, candidate)]
    screen = Screen(Configuration(()), percent[0], OBJECTIVES, ())
    estimates, least = [], []
    for _ in range(2000):
        quarter = rng.choice(400, 100, replace=False)
        samples = [
            SimpleNamespace(fraction=0.25, utterance_errors=e[quarter], reference_phones=2800)
            for e in (candidate, baseline)
        ]
        estimate, bound = screen.error_percent(*samples)
        estimates.append(estimate)
        least.append(bound)
    spread = np.std(estimates)
    assert np.mean(estimates) == pytest.approx(percent[1], abs=4 * spread / 2000**0.5)
    assert np.mean(np.subtract(estimates, least)) == pytest.approx(2 * spread, rel=0.1)
    assert 0.01 < np.mean(np.array(least) > percent[1]) < 0.04  # 2.3 % of a normal lie beyond two


def test_a_chance_is_a_chance_in_any_objective():
    screen = Screen(Configuration(()), 12.0, OBJECTIVES, ((15.0, 2.0, -40.0),))
    exact = {"size_mib": 2.0, "compression": 4.0}

    def reasons(least_error, eliminated, size=2.0, limits=(), fraction=0.25):
        estimated = {"error_percent": least_error + 2, "eliminated_percent": eliminated}
        parsed = [parse_limit(limit) for limit in limits]
        return screen.reasons(exact | {"size_mib": size}, estimated, least_error, fraction, parsed)

    assert reasons(15.1, 39.0)
    assert not reasons(14.9, 39.0)
    assert not reasons(15.1, 39.7)  # within the margin of an estimate
    assert reasons(15.1, 39.7, fraction=0.5)
    assert not reasons(15.1, 39.2, fraction=1 / 16)
    assert not reasons(15.1, 39.0, size=1.99)
    assert not reasons(23.0, 50.0)
    (reason,) = reasons(23.0, 50.0, limits=("error=22.5",))
    assert reason == "screened: error at least 23 % by 25 % of the split; error 23 % > 22.5 % limit by 0.5 points"
    assert not reasons(23.0, 50.0, limits=("ops=50.2", "error=24"))
    assert not reasons(-np.inf, 0.0, size=3.0)


@given(st.integers(0, 2000))
def test_stages_grow_and_leave_out_nothing(utterances):
    pieces = stages(utterances)
    assert sorted(np.concatenate(pieces).tolist()) == list(range(utterances))
    sizes = np.cumsum([len(piece) for piece in pieces[:-1]])
    assert all(size >= 20 for size in sizes)
    if utterances >= 352:
        assert np.allclose(sizes, np.array([1 / 16, 1 / 4, 1 / 2]) * utterances, atol=3)
    if utterances < 36:
        assert len(pieces) == 1


@pytest.mark.parametrize(("speakers", "each"), [(20, 20), (50, 8), (24, 8)])
def test_samples_are_fair_to_speakers_and_to_their_kinds_of_sentence(speakers, each):
    ran = np.concatenate(stages(speakers * each)[:-2])  # a quarter
    for position, kinds in ((ran // each, speakers), (ran % each, each)):
        counts = np.bincount(position, minlength=kinds)
        assert counts.min() >= len(ran) / kinds / 2 - 0.5
        assert counts.max() <= len(ran) / kinds * 1.7


def test_samples_grow_to_the_whole():
    measurer = open_measurer(Task("sru", "edge", None, "synthetic", None))
    configuration = Configuration.uniform(measurer.workload, 4, 8, 2)
    whole = measurer.measure(configuration)
    sample = None
    for fraction in (1 / 16, 1 / 4, 1 / 2):
        sample = measurer.sample(configuration, sample)
        assert sample.fraction == pytest.approx(fraction, abs=2 / 400)
        joined = measurer.measure(configuration, sample)
        assert joined.quarter_errors_percent == whole.quarter_errors_percent
        assert (joined.substitutions, joined.deletions) == (whole.substitutions, whole.deletions)
        assert joined.computed == whole.computed
        margin = MARGIN_FRACTION * ((1 / fraction - 1) / 3) ** 0.5
        eliminated = [eliminated_percent(measurer.workload, m.computed) for m in (sample, whole)]
        assert eliminated[0] == pytest.approx(eliminated[1], rel=2 * margin)
    assert measurer.stages == 3


def test_screening_is_part_of_a_study_and_for_whole_errors(tmp_path, cli):
    on, off = (make_plan(settings(tmp_path, screening=screening), fake_measurer) for screening in (True, False))
    assert on.study != off.study
    assert "screening" not in off.identity
    status, _, err = cli("search", "--screening", "on", "--error", "max4")
    assert (status, err.count("\n")) == (2, 1)
    assert "screening estimates the error of the whole split" in err
    assert cli("search", "--screening", "perhaps")[0] == 2
