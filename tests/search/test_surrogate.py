"""The surrogate searcher against what it approximates: sums of effects, and hypervolume worked out anew."""

import numpy as np
import pytest
from fake_task import WORKLOAD
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.indicators.hv import HV

from dse.design.genes import search_space
from dse.searchers import Outcome
from dse.searchers.surrogate import REFERENCE, Surrogate, _greedy

SPACE = search_space(WORKLOAD)


def told(values_of, violation_of=lambda genome: 0.0, genomes=60, population=20):
    searcher = Surrogate(SPACE, 2, 1, population)
    asked = searcher.ask(genomes)
    searcher.tell([Outcome(g, values_of(g), violation_of(g)) for g in asked])
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
    chosen = _greedy(front, points, np.ones(len(points)), n)
    for i in chosen:
        gains = [volume(np.vstack([front, point])) - volume(front) for point in points]
        assert gains[i] == pytest.approx(max(gains), abs=3e-6)
        front = np.vstack([front, points[i]])
    if len(chosen) < n:
        assert max(volume(np.vstack([front, point])) - volume(front) for point in points) < 3e-6


def test_effects_of_single_genes_are_learned():
    searcher, asked = told(sums, genomes=200)
    unseen = np.array(Surrogate(SPACE, 2, 99, 50).ask(50))
    real = np.array([sums(tuple(genome)) for genome in unseen.tolist()])
    scale = real.std(axis=0)
    predicted = searcher._predict(np.array(asked), np.array([sums(g) for g in asked]) / scale, unseen)
    assert np.abs(predicted - real / scale).max() < 0.1


def test_offspring_of_a_sum_lie_beyond_the_front():
    searcher, asked = told(sums)
    before = np.array([sums(g) for g in asked])
    after = np.array([sums(g) for g in searcher.ask(10)])
    dominated = [(before <= point).all(axis=1).any() for point in after]
    assert sum(dominated) <= 2


def test_goes_where_limits_are_kept():
    least = min(sum(g) for g in Surrogate(SPACE, 2, 1, 60).ask(60))

    def broken(genome):
        return max(0.0, sum(genome) - least + 1.0)

    searcher, asked = told(sums, broken)
    assert all(broken(g) for g in asked), "the first steps are towards the limit"
    kept = 0
    for _ in range(8):
        genomes = searcher.ask(10)
        kept += sum(not broken(g) for g in genomes)
        searcher.tell([Outcome(g, sums(g), broken(g)) for g in genomes])
    assert kept >= 10
