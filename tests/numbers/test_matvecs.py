"""Matvecs that read one vector against plain Python: quantizer, delta gate and its invariants, exact sums, grids."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.engines.compiled import Packer
from models.engines.integer_network import IntegerMatVec
from models.kernels.matmul import padded
from models.kernels.matvecs import make_scratch, run_step
from models.quantization.quantizer import code_range
from models.quantization.rounding import quantize_matrix
from models.quantization.scheme import PAPERS

BITS = 6  # fraction bits of what is read


def opened(seed, rows, cols, chosen):
    """The matvecs m0, m1, ... of random matrices with the settings `chosen`, which read one vector; and opened."""
    rng = np.random.default_rng(seed)
    steps = {bits: float(np.float32(rng.uniform(0.02, 3))) for bits in (2, 3, 4, 8)} | {16: 2.0**-BITS}
    zeros = {bits: rng.integers(-code_range(bits)[1], -code_range(bits)[0] + 1) for bits in (2, 3, 4, 8)} | {16: 0}
    shifts = {bits: np.float32(rng.integers(-2, 3) / 4) for bits in (2, 3, 4, 8)} | {16: np.float32(0)}
    matvecs = []
    for k, (weight_bits, act_bits, delta) in enumerate(chosen):
        matrix = quantize_matrix(rng.normal(size=(rows, cols)).astype(np.float32), weight_bits, PAPERS)
        if weight_bits < 16:
            matrix = replace(matrix, multiples=rng.choice([-127, -3, 1, 90], rows).astype(np.int8))
        result_bits = rng.integers(0, 9, rows).astype(np.int8)
        scale = matrix.scale * np.float32(steps[act_bits]) * (2.0**result_bits).astype(np.float32)
        divisor = np.float32(steps[act_bits] * 2.0**BITS)
        bias = rng.integers(-2000, 2000, rows).astype(np.int16)
        zero, shift = int(zeros[act_bits]), shifts[act_bits]
        settings_ = act_bits, zero, shift, delta, BITS, divisor
        matvecs.append(IntegerMatVec(f"m{k}", matrix, *settings_, scale, result_bits, bias))
    return matvecs, Packer().open(matvecs)


def plain(matvec, x):
    """One matvec over one utterance x int16 [T, cols]: results [T, rows], and how much was sent."""
    held, sent, results = np.zeros(x.shape[1], np.int64), 0, []
    for row in x:
        codes = row.astype(np.int64)
        if matvec.act_bits < 16:
            quotient = row.astype(np.float32) / matvec.divisor - matvec.shift
            low, high = code_range(matvec.act_bits)
            codes = np.rint(np.clip(quotient, low + matvec.zero, high + matvec.zero)).astype(np.int64)
        moved = np.abs(codes - held) > matvec.delta
        held, sent = np.where(moved, codes, held), sent + int(moved.sum())
        assert np.abs(held - codes).max() <= matvec.delta
        wide = matvec.matrix.codes.T.astype(np.int64)
        sums = (held @ wide + np.rint(float(matvec.shift) * wide.sum(axis=0)).astype(np.int64)).astype(np.float32)
        results.append(np.rint(np.clip(sums * matvec.scale, -(2**15), 2**15 - 1)))
    return np.clip(np.array(results) + matvec.bias, -(2**15), 2**15 - 1), sent


settings_of = st.lists(
    st.tuples(
        st.sampled_from([2, 3, 4, 8, 16]), st.sampled_from([2, 3, 4, 8, 16]), st.sampled_from([0, 1, 2, 50, 3000])
    ),
    min_size=1,
    max_size=4,
)


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 40),
    cols=st.integers(1, 70),
    lengths=st.lists(st.sampled_from([0, 1, 2, 5, 70, 130]), min_size=1, max_size=4),
    chosen=settings_of,
    loud=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_sequences_equal_the_plain_ones(seed, rows, cols, lengths, chosen, loud):
    matvecs, readers = opened(seed, rows, cols, chosen)
    rng = np.random.default_rng(seed + 1)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    # slow enough for gates to hold some of it
    x = rng.normal(size=(offsets[-1], cols)).cumsum(axis=0) * (2000 if loud else 30)
    x = np.clip(np.rint(x), -(2**15), 2**15 - 1).astype(np.int16)
    order = rng.permutation(len(lengths))
    ends = np.diff(offsets)[order].cumsum()
    to = ends - np.diff(offsets)[order]
    out = np.full((offsets[-1], readers.width), 7, np.int16)
    readers.run(padded_rows(x), offsets[order], np.diff(offsets)[order], out, to)
    for m, matvec in enumerate(matvecs):
        total = 0
        column = m * padded(rows)
        for place, u in zip(to, order, strict=True):
            if not lengths[u]:
                continue
            utterance = x[offsets[u] : offsets[u + 1]]
            expected, sent = plain(matvec, utterance)
            assert (out[place : place + lengths[u], column : column + rows] == expected).all()
            assert not out[place : place + lengths[u], column + rows : column + padded(rows)].any()
            total += sent
        gate = readers.matvecs.products[m, 0]
        assert readers.sent[gate] == total


@given(seed=st.integers(0, 2**32 - 1), cols=st.integers(1, 40), rows=st.integers(1, 40), chosen=settings_of)
@settings(max_examples=40, deadline=None)
def test_steps_equal_sequences(seed, cols, rows, chosen):
    """Vectors of several utterances side by side, step by step; the shorter ones end first."""
    _, readers = opened(seed, rows, cols, chosen)
    _, stepwise = opened(seed, rows, cols, chosen)
    lengths = np.array([9, 9, 4, 1])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    x = np.random.default_rng(seed).integers(-3000, 3000, (offsets[-1], cols)).astype(np.int16)
    x = padded_rows(x)
    out = readers.run(x, offsets[:-1], lengths, np.empty((len(x), readers.width), np.int16))
    matvecs = stepwise.matvecs
    scratch = make_scratch(matvecs, len(lengths))
    held = np.zeros(len(matvecs.gates) * scratch.rows * matvecs.width, np.int16)
    for t in range(9):
        count = int((lengths > t).sum())
        frames = offsets[:count] + t
        run_step(
            matvecs, scratch, np.pad(x[frames], ((0, scratch.rows - count), (0, 0))).ravel(), held, count, stepwise.sent
        )
        assert (scratch.results[:count] == out[frames]).all()
    assert (stepwise.sent == readers.sent).all()


@pytest.mark.parametrize("divisor", [1e-45, 1e-36, 1e-20, 1e-3, 1e20, 1e36, np.inf])
def test_steps_of_activations_of_any_size(divisor):
    """Each for itself, also where two matvecs read one vector at equal bits."""
    matvecs, _ = opened(5, 8, 40, [(8, 8, 2), (4, 8, 2), (8, 4, 0)])
    matvecs[1:] = [replace(m, divisor=np.float32(divisor), scale=np.ones(8, np.float32)) for m in matvecs[1:]]
    x = np.random.default_rng(0).integers(-(2**15), 2**15, (70, 40)).astype(np.int16)
    x[::3], x[::5] = 0, 1
    readers = Packer().open(matvecs)
    out = readers.run(padded_rows(x), np.array([0]), np.array([70]), np.empty((70, readers.width), np.int16))
    for m, matvec in enumerate(matvecs):
        with np.errstate(over="ignore"):
            expected, sent = plain(matvec, x)
        assert (out[:, m * padded(8) :][:, :8] == expected).all() and readers.sent[m] == sent


@pytest.mark.parametrize("times", [2.0**4, 2.0**18, 2.0**60])
def test_results_far_beyond_the_grid_saturate(times):
    """Beyond int32 too, where instructions of some processors would take them for the least of all."""
    matvecs = [replace(m, scale=m.scale * np.float32(times)) for m in opened(3, 40, 70, [(8, 8, 0), (16, 8, 0)])[0]]
    x = np.random.default_rng(0).integers(-(2**15), 2**15, (70, 70)).astype(np.int16)
    readers = Packer().open(matvecs)
    out = readers.run(padded_rows(x), np.array([0]), np.array([70]), np.empty((70, readers.width), np.int16))
    for m, matvec in enumerate(matvecs):
        expected = plain(matvec, x)[0]
        assert (out[:, m * padded(40) :][:, :40] == expected).all() and (expected == 2**15 - 1).any()


def padded_rows(codes):
    return np.pad(codes, ((0, 0), (0, padded(codes.shape[1]) - codes.shape[1])))


def sent_of(x, delta):
    _, readers = opened(0, 1, x.shape[1], [(8, 16, delta)])
    readers.run(padded_rows(x), np.array([0]), np.array([len(x)]), np.empty((len(x), readers.width), np.int16))
    return int(readers.sent[0])


def test_threshold_zero_counts_only_changes():
    assert sent_of(np.array([[0, 5], [3, 5], [3, 5], [3, -5]], np.int16), 0) == 3


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_larger_threshold_on_a_rising_ramp_never_sends_more(seed):
    ramp = np.cumsum(np.random.default_rng(seed).integers(0, 5, (30, 4)), axis=0).astype(np.int16)
    sent = [sent_of(ramp, threshold) for threshold in range(20)]
    assert all(after <= before for before, after in itertools.pairwise(sent))
