"""Products, quotients and packing of the torch engine, each against plain integers."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import DEVICES, offsets_of

from models.engines.integer_network import IntegerMatVec
from models.gpu import batch as gpu_batch
from models.gpu import matvecs as gpu_matvecs
from models.gpu import products as gpu_products
from models.quantization.quantizer import WEIGHT_CODE_MAX, QuantizedMatrix, code_range

BITS = [2, 4, 8, 16]


def matvec_of(codes, weight_bits, act_bits, zero=0, shift=0.0, divisor=1.0):
    """A matvec of these codes [rows, cols] on grids without fraction bits."""
    ones, nothing = np.ones(len(codes), np.int8), np.zeros(len(codes), np.int8)
    matrix = QuantizedMatrix(codes.astype(np.int16), np.float32(1), ones, weight_bits)
    settings = act_bits, zero, np.float32(shift), 0, 0, np.float32(divisor)
    return IntegerMatVec("x", matrix, *settings, ones.astype(np.float32), nothing, nothing.astype(np.int16))


@pytest.mark.parametrize("device", DEVICES)
def test_codes_are_divided_and_not_multiplied_by_a_reciprocal(device):
    """Every grid code over steps with ties: where the quotient is rounded first, half to even decides otherwise."""
    every = np.arange(-(2**15), 2**15).astype(np.int16)[:, None]
    codes = torch.from_numpy(every.astype(np.float32)).to(device)
    for divisor in (*range(2, 200), *np.random.default_rng(0).uniform(1, 5000, 50).astype(np.float32)):
        matvec = matvec_of(np.ones((1, 1)), 8, 8, divisor=divisor)
        products = gpu_matvecs.Products(gpu_matvecs.Device(device), (matvec,))
        quotient = every.astype(np.float32) / np.float32(divisor)
        assert (products._quantize(codes)[0].cpu().numpy() == np.rint(np.clip(quotient, -128, 127))).all()


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 70),
    cols=st.integers(1, 40),
    rows=st.integers(1, 40),
    bits=st.tuples(st.sampled_from(BITS), st.sampled_from(BITS)),
    extreme=st.booleans(),
    seed=st.integers(0, 99),
)
def test_products_are_exact(device, n, cols, rows, bits, extreme, seed):
    rng, (weight_bits, act_bits) = np.random.default_rng(seed), bits
    reach = WEIGHT_CODE_MAX if weight_bits == 16 else 2 ** (weight_bits - 1) - 1
    weights = rng.choice([-reach, reach], (rows, cols)) if extreme else rng.integers(-reach, reach + 1, (rows, cols))
    low, high = code_range(act_bits)
    codes = np.full((n, cols), low) if extreme else rng.integers(low, high + 1, (n, cols))
    start = rng.integers(-(10**5), 10**5, rows).astype(np.int32)
    group = gpu_products.Merged((matvec_of(weights, weight_bits, act_bits),), np.arange(rows))
    on_device = gpu_products.Matrix(group, torch.device(device))
    scratch = on_device.scratch(n)
    for part in (codes, codes[: n // 2 + 1], codes[:1]):  # with what was there before below
        values, expected = torch.from_numpy(part.astype(np.float32)).to(device), part.astype(np.int64) @ weights.T
        for first in (None, start):
            given = None if first is None else torch.from_numpy(first).to(device)
            sums = on_device.product(values, scratch, given).float().cpu().numpy()
            assert (sums == (expected + (0 if first is None else first)).astype(np.float32)).all()


@pytest.mark.parametrize("device", DEVICES)
def test_first_values_of_sums_are_exact(device):
    """Half of this row's sum has more digits than a float32."""
    matvec = matvec_of(np.full((1, 1102), WEIGHT_CODE_MAX), 16, 2, zero=2, shift=0.5)
    products = gpu_matvecs.Products(gpu_matvecs.Device(device), (matvec,))
    assert matvec.start[0] > 2**24 and matvec.start[0] % 2 == 1
    assert products.starts[0].tolist() == [int(matvec.start[0]) + 2 * 1102 * WEIGHT_CODE_MAX]


def test_packing_puts_every_frame_in_its_place():
    lengths = np.array([3, 1, 4, 0, 2])
    offsets = offsets_of(lengths)
    (batch,) = gpu_batch.batches(offsets, torch.device("cpu"))
    assert batch.sizes == [4, 3, 2, 1]
    utterance = np.repeat(np.arange(len(lengths)), lengths)
    step = np.arange(len(utterance)) - offsets[utterance]
    assert sorted(batch.frames) == list(range(10))
    assert step[batch.frames].tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 3]
    for place, frame in enumerate(batch.frames):
        u = utterance[frame]
        assert batch.frames[batch.reverse[place]] == offsets[u] + offsets[u + 1] - 1 - frame
        if place >= batch.sizes[0]:
            assert batch.frames[batch.before[place - batch.sizes[0]]] == frame - 1


@given(st.lists(st.integers(0, 12), min_size=1, max_size=12, unique=True))
def test_blocks_are_the_runs_of_places(places):
    """Together they give every column its place; two that meet would be one."""
    found = gpu_matvecs.blocks(np.array(places))
    told = {first + k: place + k for first, place, count in found for k in range(count)}
    assert told == dict(enumerate(places))
    assert all(first[1] + first[2] != second[1] for first, second in pairwise(found))
