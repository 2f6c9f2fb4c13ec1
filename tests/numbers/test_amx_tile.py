"""Products by tile registers: exact, of any size; only where the system allows it, else as ever, with the same code."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from models.kernels.amx_tile import (
    LINE,
    at_line,
    blocks,
    configure,
    multiply_blocks,
    multiply_blocks_to_codes,
    release,
    tiles_allowed,
)
from models.kernels.int8_tile import QUAD
from models.kernels.matmul import BYTE_OFFSET, pack, padded
from models.quantization.quantizer import QuantizedMatrix

has_tiles = pytest.mark.skipif(not tiles_allowed(), reason="no tile registers here, or the system does not give them")


@njit
def multiplied(codes, width, n, weights, quads, starts, columns, scale, bias, sums, out, to):
    """Sums and codes of all products. Tile registers are configured within one compiled function."""
    configure(blocks(n), quads)
    multiply_blocks(codes, 0, width, n, weights, 0, quads, starts, 0, columns, sums, 0)
    release()
    configure(blocks(n), quads)
    scratch = np.empty(1024, np.int32)
    multiply_blocks_to_codes(
        codes, 0, width, n, weights, 0, quads, starts, 0, columns, scale, bias, 0, out, to, scratch
    )  # fmt: skip
    release()


@has_tiles
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 70),
    rows=st.integers(1, 100),
    cols=st.integers(1, 300),
    extreme=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_products_are_exact(seed, n, rows, cols, extreme):
    rng = np.random.default_rng(seed)
    weights = np.full((rows, cols), -127) if extreme else rng.integers(-127, 128, (rows, cols))
    packed = pack(QuantizedMatrix(weights.astype(np.int16), np.float32(1), np.ones(rows, np.int8), 8))
    codes = np.full((n, cols), -128) if extreme else rng.integers(-128, 128, (n, cols))
    columns, width = len(packed.scale), padded(cols)
    read = rng.integers(0, 256, (n, width)).astype(np.uint8)  # filled up with anything
    read[:, :cols] = codes + BYTE_OFFSET
    scale, bias = rng.normal(size=columns).astype(np.float32), rng.integers(-(2**15), 2**15, columns).astype(np.int16)
    sums = np.full((n + 1, columns), 7, np.int32)
    out = np.full((n + 1, columns), 7, np.int16)
    multiplied(
        read.ravel(), width, n, packed.weights[0], -(-cols // QUAD), -BYTE_OFFSET * packed.row_sums[0], columns,
        scale, bias, sums.ravel(), out, np.arange(n)[::-1].copy(),
    )  # fmt: skip
    exact = np.zeros((n, columns), np.int64)
    exact[:, :rows] = codes @ weights.T
    assert (sums[:n] == exact).all() and (sums[n] == 7).all()
    rounded = np.rint(np.clip(exact.astype(np.float32) * scale, -(2**15), 2**15 - 1))
    expected = np.clip(rounded + bias, -(2**15), 2**15 - 1)
    assert (out[:n][::-1] == expected).all() and (out[n] == 7).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_arrays_begin_at_a_line(dtype):
    for first in range(5):
        array = at_line(np.zeros(100 + LINE, dtype)[first:])
        assert array.ctypes.data % LINE == 0 and len(array) == 100 - first


SCRIPT = """
import ctypes, hashlib, sys
import numpy as np

class Stack(ctypes.Structure):
    _fields_ = [("memory", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

if sys.argv[1] == "refused":  # Linux gives no tile registers to those whose signals' stack has no room for them
    memory = ctypes.create_string_buffer(4096)
    stack = Stack(ctypes.addressof(memory), 0, 4096)
    assert ctypes.CDLL(None).sigaltstack(ctypes.byref(stack), None) == 0
from test_matvecs import opened, padded_rows
from models.kernels.amx_tile import tiles_allowed

digest = hashlib.sha256()
for seed, (rows, cols) in enumerate(((5, 7), (70, 130), (33, 64))):
    _, readers = opened(seed, rows, cols, [(8, 8, 2), (4, 8, 2), (16, 16, 0), (16, 8, 0), (8, 16, 3)])
    assert readers.matvecs.tiles == tiles_allowed()
    x = padded_rows(np.random.default_rng(seed).integers(-3000, 3000, (90, cols)).astype(np.int16))
    out = readers.run(x, np.array([0, 13]), np.array([13, 77]), np.empty((90, readers.width), np.int16))
    digest.update(out.tobytes())
print(tiles_allowed(), digest.hexdigest())
"""


@has_tiles
def test_without_permission_the_same_code_computes_the_same(tmp_path):
    """Code that a process with tile registers kept would end one without, at the first tile."""
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:3])),
    }

    def run(how: str) -> list[str]:
        done = subprocess.run([sys.executable, "-c", SCRIPT, how], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    given, refused = run("given"), run("refused")
    assert (given[0], refused[0]) == ("True", "False")
    assert given[1] == refused[1]
    kept = sorted(tmp_path.rglob("*.nbc"))
    assert run("refused") == refused and sorted(tmp_path.rglob("*.nbc")) == kept
