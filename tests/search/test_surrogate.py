"""The surrogate searcher against what it approximates: sums of effects, and hypervolume worked out anew."""

import numpy as np
import pytest
from fake_task import WORKLOAD
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.indicators.hv import HV

from dse.design.genes import search_space
from dse.design.rules import parse_rules
from dse.searchers import Outcome, Problem
from dse.searchers.effects import Effects
from dse.searchers.gains import most_gain
from dse.searchers.regression import PAIRS, PENALTIES, Regression
from dse.searchers.surrogate import FIRST, REFERENCE, Surrogate, anchors
from models.networks.lstm import Lstm

SPACE = search_space(WORKLOAD)
LSTM = search_space(Lstm(layers=2, hidden=4).workload())


def genomes(space, count, seed=0):
    counts = [len(gene.choices) for gene in space.genes]
    drawn = np.random.default_rng(seed).integers(counts, size=(count, len(counts)))
    return np.array([space.canonical(tuple(genome)) for genome in drawn.tolist()])


def told(values_of, violation_of=lambda genome: 0.0, generations=6):
    searcher, asked = Surrogate(Problem(SPACE, 2), 1, 20), []
    for _ in range(generations):
        new = searcher.ask(10)
        searcher.tell([Outcome(g, values_of(g), violation_of(g)) for g in new])
        asked += new
    return searcher, asked


def sums(genome):
    """Two objectives against each other, both sums of what single genes do."""
    return float(np.dot(genome, np.arange(1, len(genome) + 1))), float(-sum(genome))


@pytest.mark.parametrize("objectives", [1, 2, 4])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 8))
def test_greedy_choice_is_the_one_of_hypervolumes_worked_out_anew(objectives, seed, n):
    rng = np.random.default_rng(seed)
    front, points = rng.random((5, objectives)), rng.random((20, objectives)) * 1.2
    volume = HV(ref_point=np.full(objectives, REFERENCE))
    chosen = most_gain(front, points, np.ones(len(points)), n, REFERENCE)
    for i in chosen:
        gains = [volume(np.vstack([front, point])) - volume(front) for point in points]
        assert gains[i] == pytest.approx(max(gains), abs=3e-6)
        front = np.vstack([front, points[i]])
    if len(chosen) < n:
        assert max(volume(np.vstack([front, point])) - volume(front) for point in points) < 3e-6


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), space=st.sampled_from([SPACE, LSTM]))
def test_alike_is_what_has_the_same_effect(seed, space):
    effects, some = Effects(space), genomes(space, 6, seed)
    codes = effects.codes(some)
    alike = effects.vectors(codes) @ effects.vectors(codes).T / effects.slots
    np.testing.assert_allclose(np.diag(alike), 1.0, atol=1e-6)
    assert np.all((alike > 0) & (alike < 1 + 1e-6))
    done = [[setting.effect for _, setting in space.decode(tuple(g))] for g in some.tolist()]
    for one in range(6):
        for other in range(6):
            assert (done[one] == done[other]) == np.array_equal(codes[one], codes[other])


def test_predictions_are_those_of_ridge_with_a_free_mean():
    rng, effects = np.random.default_rng(0), Effects(SPACE)
    vectors = effects.vectors(effects.codes(genomes(SPACE, 20)))
    values = rng.random(20)
    model = Regression(vectors, values[:, None], effects.slots)
    (column,) = model._columns
    spread, axes = model._eigen[column.pairs]
    alike = vectors @ vectors.T / effects.slots
    kernel = alike + PAIRS * effects.slots * alike**2 if column.pairs else alike
    centre = np.eye(20) - 1 / 20
    np.testing.assert_allclose(axes * spread @ axes.T, centre @ kernel @ centre, atol=1e-9)
    if column.bend is None:  # the mean as a weight without a penalty
        bordered = np.block([[kernel + column.penalty * np.eye(20), np.ones((20, 1))], [np.ones((1, 20)), 0]])
        weights = np.linalg.solve(bordered, np.append(values, 0))
        np.testing.assert_allclose(model.predict(vectors)[:, 0], kernel @ weights[:20] + weights[20], atol=1e-6)
    assert column.penalty / spread.mean() in [pytest.approx(share) for share in PENALTIES]


def test_sums_and_products_are_learned_and_what_is_known_is_sure():
    effects, known, unseen = Effects(SPACE), genomes(SPACE, 200), genomes(SPACE, 50, seed=9)
    vectors, asked = (effects.vectors(effects.codes(some)) for some in (known, unseen))

    def real(some):
        plain = np.array([[sum(s.operand_bits[0] for _, s in SPACE.decode(tuple(g))) for g in some.tolist()]]).T / 64
        return np.hstack([plain, np.exp(2 * plain) / 8])

    model = Regression(vectors, real(known), effects.slots)
    assert np.abs(model.predict(asked) - real(unseen)).max() < 0.1
    lowered = model.predict(asked) - model.predict(asked, optimism=1.0)
    assert (lowered >= -1e-9).all()
    assert (model.predict(vectors) - model.predict(vectors, optimism=1.0)).mean() < lowered.mean()


@pytest.mark.parametrize("optimism", [0.0, 0.3])
def test_predictions_do_not_depend_on_how_many_are_made_at_once(monkeypatch, optimism):
    effects, known, asked = Effects(SPACE), genomes(SPACE, 40), genomes(SPACE, 30, seed=9)
    vectors, asked = (effects.vectors(effects.codes(some)) for some in (known, asked))
    model = Regression(vectors, np.random.default_rng(0).random((40, 2)), effects.slots)
    at_once = model.predict(asked, optimism)
    monkeypatch.setattr("dse.searchers.regression.AT_ONCE", 7)
    np.testing.assert_allclose(model.predict(asked, optimism), at_once, atol=1e-9)
    assert model.predict(asked[:0], optimism).shape == (0, 2)


def test_predictions_of_one_known_point_are_its_values():
    effects = Effects(SPACE)
    vectors = effects.vectors(effects.codes(genomes(SPACE, 1)))
    assert Regression(vectors, np.array([[0.25, 1.0]]), effects.slots).predict(vectors, 1.0) == pytest.approx(
        np.array([[0.25, 1.0]]), abs=1e-3
    )


def test_the_first_genomes_span_the_front():
    bits = [{s.operand_bits for _, s in SPACE.decode(genome)} for genome in anchors(SPACE)]
    assert {(2, 4)} in bits and {(8, 8)} in bits and {(4, 4)} in bits
    frozen = search_space(WORKLOAD, rules=parse_rules((), ("bits=4x8",)))
    assert all(s.operand_bits == (4, 8) for genome in anchors(frozen) for _, s in frozen.decode(genome))


def test_offspring_of_a_sum_lie_beyond_the_front():
    searcher, asked = told(sums)
    assert len(asked) >= FIRST
    before = np.array([sums(g) for g in asked])
    after = np.array([sums(g) for g in searcher.ask(10)])
    dominated = [(before <= point).all(axis=1).any() for point in after]
    assert sum(dominated) <= 2


def test_every_new_neighbour_of_the_front_is_looked_at_once():
    searcher, asked = told(sums)
    values = np.array([sums(g) for g in asked])
    front = [g for g, v in zip(asked, values, strict=True) if not ((values <= v).all(1) & (values < v).any(1)).any()]
    changes = {
        SPACE.canonical((*g[:k], choice, *g[k + 1 :]))
        for g in front
        for k, gene in enumerate(SPACE.genes)
        for choice in range(len(gene.choices))
    }
    pool = [SPACE.canonical(tuple(g)) for g in searcher._neighbours(np.array(front)).tolist()]
    assert len(pool) == len(set(pool)) and set(pool) == changes - set(asked)


def test_what_is_known_not_to_keep_a_limit_is_not_asked_for():
    def known(genome):
        return Outcome(genome, (float("nan"), sums(genome)[1]), float(genome[0] == 1))

    searcher = Surrogate(Problem(SPACE, 2, known=known), 1, 20)
    for _ in range(6):
        new = searcher.ask(10)
        if len(searcher._seen) > FIRST:
            assert not any(genome[0] == 1 for genome in new)
        searcher.tell([Outcome(g, sums(g)) for g in new])


def test_goes_where_limits_are_kept():
    least = min(sum(g) for g in genomes(SPACE, 60).tolist())

    def broken(genome):
        return max(0.0, sum(genome) - least + 1.0)

    searcher = Surrogate(Problem(SPACE, 2, start=[(3,) * len(SPACE.genes)]), 1, 20)
    kept = 0
    for _ in range(9):
        new = searcher.ask(10)
        kept += sum(not broken(g) for g in new)
        searcher.tell([Outcome(g, sums(g), broken(g)) for g in new])
    assert kept >= 10
