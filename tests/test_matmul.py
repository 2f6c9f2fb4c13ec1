"""Integer products of every operand width against Python-exact int64 arithmetic."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import matmul
from models.quantizer import WEIGHT_CODE_MAX, QuantizedMatrix


def random_matrix(rng: np.random.Generator, rows: int, cols: int, bits: int) -> QuantizedMatrix:
    reach = WEIGHT_CODE_MAX if bits == 16 else 2 ** (bits - 1) - 1
    codes = rng.integers(-reach, reach + 1, (rows, cols)).astype(np.int16)
    return QuantizedMatrix(codes, np.ones(rows, np.float32), bits)


@pytest.mark.parametrize("exact_int8", [True, False])
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 40),
    rows=st.integers(1, 70),
    cols=st.integers(1, 300),
    bits=st.tuples(st.sampled_from([2, 4, 8, 16]), st.sampled_from([2, 4, 8, 16])),
    extreme=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_product_is_exact_then_rounded_once(exact_int8, seed, n, rows, cols, bits, extreme):
    rng = np.random.default_rng(seed)
    matrix = random_matrix(rng, rows, cols, bits[0])
    reach = 2 ** (bits[1] - 1)
    dtype = np.int16 if bits[1] == 16 else np.int8
    codes = np.full((n, cols), -reach) if extreme else rng.integers(-reach, reach, (n, cols))
    codes = codes.astype(dtype)
    exact = codes.astype(np.int64) @ matrix.codes.T.astype(np.int64)
    with pytest.MonkeyPatch.context() as patch:
        if not exact_int8:
            patch.setattr(matmul, "has_exact_int8", lambda: False)
        result = matmul.product(codes, matmul.prepare([matrix]))
    if max(bits) <= 8:
        assert result.dtype == np.int32
        assert (result == exact).all()
    else:
        assert result.dtype == np.float32
        assert (result == exact.astype(np.float32)).all()


def test_integer_path_equals_float_simulation_of_the_same_integers():
    rng = np.random.default_rng(0)
    matrix = random_matrix(rng, 64, 200, 8)
    codes = rng.integers(-128, 128, (50, 200)).astype(np.int8)
    simulated = torch.from_numpy(codes).float() @ torch.from_numpy(matrix.codes).float().t()
    assert (matmul.product(codes, matmul.prepare([matrix])) == simulated.numpy()).all()  # below 2^24: float32 is exact


def test_matrices_stack_by_rows():
    rng = np.random.default_rng(1)
    first, second = random_matrix(rng, 3, 20, 4), random_matrix(rng, 5, 20, 4)
    codes = rng.integers(-8, 8, (6, 20)).astype(np.int8)
    both = matmul.product(codes, matmul.prepare([first, second]))
    assert (both[:, :3] == matmul.product(codes, matmul.prepare([first]))).all()
    assert (both[:, 3:] == matmul.product(codes, matmul.prepare([second]))).all()
