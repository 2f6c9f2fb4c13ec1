"""Integer products against Python-exact int64 arithmetic, on this processor and as others would compile them."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.kernels.int8_tile import QUAD, TILE_ROWS
from models.kernels.matmul import BYTE_OFFSET, multiply, multiply_to_codes, pack, padded
from models.quantization.quantizer import WEIGHT_CODE_MAX, QuantizedMatrix


def random_matrix(rng: np.random.Generator, rows: int, cols: int, bits: int) -> QuantizedMatrix:
    reach = WEIGHT_CODE_MAX if bits == 16 else 2 ** (bits - 1) - 1
    codes = rng.integers(-reach, reach + 1, (rows, cols)).astype(np.int16)
    return QuantizedMatrix(codes, np.float32(1), np.ones(rows, np.int8), bits)


def unsigned(codes: np.ndarray) -> np.ndarray:
    """Codes as products read them, in whole tiles."""
    n, cols = codes.shape
    room = -(-n // TILE_ROWS) * TILE_ROWS
    filled = np.random.default_rng(0).integers(0, 256, (room, padded(cols))).astype(np.uint8)  # filled up with anything
    filled[:n, :cols] = codes + 128
    return filled


def multiplied(codes: np.ndarray, matrix: QuantizedMatrix) -> np.ndarray:
    """Sums [parts, n, rows] of signed codes [n, cols], by `multiply`."""
    packed, read = pack(matrix), unsigned(codes)
    n, cols = codes.shape
    (room, width), columns = read.shape, len(packed.scale)
    sums = np.empty((len(packed.weights), room, columns), np.int32)
    for weights, starts, out in zip(packed.weights, -BYTE_OFFSET * packed.row_sums, sums, strict=True):
        flat = out.ravel()
        multiply(read.ravel(), 0, width, n, weights, 0, -(-cols // QUAD), starts, 0, columns, flat, 0)
        out[:] = flat.reshape(out.shape)
    return sums[:, :n, : len(matrix.codes)]


def as_codes(codes: np.ndarray, matrix: QuantizedMatrix, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Codes [n, rows] of the products of signed codes [n, cols], by `multiply_to_codes`, rows in reverse."""
    packed, read = pack(matrix), unsigned(codes)
    n, cols = codes.shape
    columns, rows = len(packed.scale), len(matrix.codes)
    to = np.maximum(n - 1 - np.arange(len(read)), 0)
    out = np.full((n + 1, columns), 7, np.int16)
    multiply_to_codes(
        read.ravel(), 0, read.shape[1], n, packed.weights[0], 0, -(-cols // QUAD), -BYTE_OFFSET * packed.row_sums[0], 0,
        columns, np.pad(scale, (0, columns - rows)), np.pad(bias, (0, columns - rows)), 0, out, to,
    )  # fmt: skip
    assert (out[n] == 7).all()  # rows that fill a tile up write nowhere else
    return out[:n][::-1, :rows]


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 40),
    rows=st.integers(1, 70),
    cols=st.integers(1, 300),
    bits=st.sampled_from([2, 3, 4, 5, 6, 7, 8, 16]),
    extreme=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_products_are_exact(seed, n, rows, cols, bits, extreme):
    rng = np.random.default_rng(seed)
    matrix = random_matrix(rng, rows, cols, bits)
    codes = np.full((n, cols), -128) if extreme else rng.integers(-128, 128, (n, cols))
    parts = multiplied(codes, matrix).astype(np.int64)
    exact = codes.astype(np.int64) @ matrix.codes.T.astype(np.int64)
    assert (sum(part * 256**k for k, part in enumerate(parts[::-1])) == exact).all()
    if bits <= 8:
        scale, bias = rng.normal(size=rows).astype(np.float32), rng.integers(-(2**15), 2**15, rows).astype(np.int16)
        assert (as_codes(codes, matrix, scale, bias) == expected_codes(exact, scale, bias)).all()


def expected_codes(exact: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    rounded = np.rint(np.clip(exact.astype(np.float32) * scale, -(2**15), 2**15 - 1))
    return np.clip(rounded + bias, -(2**15), 2**15 - 1)


# By machine, what the tile is made of there: vpmaddwd or pmaddwd, or vpdpbusd of 256 bits; sadalp, udot, usdot
PROCESSORS = {
    "x86_64": {
        "nehalem": "",
        "haswell": "+avx2,+fma",
        "skylake-avx512": "+avx512f,+avx512bw",
        "alderlake": "+avx2,+avxvnni",
        "icelake-server": "+avx512f,+avx512bw,+avx512vbmi,+avx512vnni",
    },
    "aarch64": {"cortex-a72": "", "neoverse-n1": "", "neoverse-n2": "-sve,-sve2"},
}.get(platform.machine(), {})
# What Linux calls the instructions of some of them
NEEDED = {"avxvnni": "avx_vnni", "avx512": "avx512bw", "avx512vbmi": "avx512vbmi", "avx512vnni": "avx512_vnni"}
NEEDED |= {"neoverse-n1": "asimddp", "neoverse-n2": "i8mm"}
SCRIPT = """
import numpy as np
from test_codes import check_all
from test_matmul import as_codes, expected_codes, multiplied, random_matrix
from test_rounding import HASHES, codes_hash
from models.quantization.scheme import Scheme
assert all(codes_hash(bits, Scheme(scales=scales)) == found for (scales, bits), found in HASHES.items())
rng = np.random.default_rng(0)
for n, rows, cols in ((3, 5, 7), (17, 70, 130)):
    matrix = random_matrix(rng, rows, cols, 8)
    for codes in (rng.integers(-128, 128, (n, cols)), np.full((n, cols), -128)):
        exact = codes @ matrix.codes.T.astype(np.int64)
        assert (multiplied(codes, matrix)[0] == exact).all()
        scale, bias = rng.normal(size=rows).astype(np.float32), rng.integers(-100, 100, rows).astype(np.int16)
        assert (as_codes(codes, matrix, scale, bias) == expected_codes(exact, scale, bias)).all()
check_all()
print("exact")
"""


@pytest.mark.parametrize("processor", PROCESSORS)
def test_other_processors_compute_the_same(processor, tmp_path):
    if not all(_has(flag) for name, flag in NEEDED.items() if name in processor + PROCESSORS[processor]):
        pytest.skip("this processor has no such instruction")
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": processor,
        "NUMBA_CPU_FEATURES": PROCESSORS[processor],
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:3])),
    }
    run = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
    assert run.stdout == "exact\n", run.stderr


def _has(flag: str) -> bool:
    return flag in Path("/proc/cpuinfo").read_text().split()
