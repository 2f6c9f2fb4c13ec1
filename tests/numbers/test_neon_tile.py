"""The tile of products as ARM processors get it: which instructions it is compiled to, and that its sums are exact.

Any processor can tell: LLVM compiles for others too, and runs the same code here with the instruction written out.
"""

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest
from llvmlite import binding, ir
from test_matmul import random_matrix, unsigned

from models.kernels import int8_tile, matmul
from models.kernels.int8_tile import INT8, INT32, INT64, LANES, QUAD, SUMS, TILE_COLUMNS
from models.kernels.lanes import TARGET

LINUX, DARWIN = "aarch64-unknown-linux-gnu", "arm64-apple-darwin"
ROWS = 2  # of a tile with as many registers as NEON has
# Instructions of a tile's quad, by which of them the processor has
COUNTS = {
    "": {"mul": ROWS * TILE_COLUMNS // 2, "sadalp": ROWS * TILE_COLUMNS // 2},
    "usdot": {"usdot": ROWS * TILE_COLUMNS // 4},
    "udot": {"udot": ROWS * (TILE_COLUMNS // 4 + 1)},
}


@pytest.fixture(scope="module", autouse=True)
def _targets():
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()


@pytest.mark.parametrize(
    ("triple", "processor", "features", "name"),
    [
        ("x86_64-unknown-linux-gnu", "sapphirerapids", "", ""),
        (LINUX, "cortex-a72", "", ""),
        (LINUX, "neoverse-n1", "", "udot"),
        (LINUX, "neoverse-v1", "", "usdot"),
        (LINUX, "neoverse-v1", "-i8mm", "udot"),
        (LINUX, "generic", "+dotprod", "udot"),
        (DARWIN, "apple-m1", "", "udot"),
        (DARWIN, "apple-m1", "+i8mm", "usdot"),
    ],
)  # fmt: skip
def test_a_processors_name_and_features_tell_its_dot_product(triple, processor, features, name):
    if binding.llvm_version_info < (20,) and name:
        name = "udot"  # all that LLVM then makes of such a sum
    assert int8_tile.neon_dot(triple, processor, features) == name


@pytest.fixture(params=COUNTS)
def tile(request, monkeypatch):
    """(dot product, module of a function tile(codes, stride, weights, quads, starts, sums) of arrays by address)."""
    offset = 128 if request.param == "udot" else 0
    for module, name, value in (
        (int8_tile, "VNNI_BITS", 0),
        (int8_tile, "NEON", True),
        (int8_tile, "NEON_DOT", request.param),
        (int8_tile, "TILE_ROWS", ROWS),
        (int8_tile, "WEIGHT_OFFSET", offset),
        (matmul, "WEIGHT_OFFSET", offset),
        (int8_tile, "pointer", pointer),
    ):
        monkeypatch.setattr(module, name, value)
    module, address, zero = ir.Module(), INT8.as_pointer(), INT64(0)
    kind = ir.FunctionType(ir.VoidType(), [address, INT64, address, INT64, address, address])
    function = ir.Function(module, kind, "tile")
    builder = ir.IRBuilder(function.append_basic_block())
    codes, stride, weights, quads, starts, sums = function.args
    arguments = codes, zero, stride, weights, zero, quads, starts, zero
    rows = int8_tile._sums(None, builder, SimpleNamespace(args=arguments), arguments)
    for place, result in enumerate(vector for row in rows for vector in row):
        builder.store(result, pointer(None, builder, None, sums, INT64(4 * LANES * place), SUMS), align=4)
    builder.ret_void()
    return request.param, module


def pointer(context, builder, kind, array, index, to):
    return builder.bitcast(builder.gep(array, [index]), to.as_pointer())


def test_a_tile_is_compiled_to_few_instructions(tile):
    name, module = tile
    machine = binding.Target.from_triple(LINUX).create_target_machine(cpu="neoverse-n1", features="+i8mm")
    words = machine.emit_assembly(binding.parse_assembly(str(module))).split()
    found = {each: words.count(each) for each in ("mul", "smull", "sadalp", "udot", "usdot") if each in words}
    assert found == COUNTS[name]


@pytest.mark.parametrize("cols", [1, 4, 39, 300])
@pytest.mark.parametrize("extreme", [False, True])
def test_sums_are_exact(tile, cols, extreme):
    name, module = tile
    for function in module.functions:
        if function.is_declaration:
            write_out(function, signed=name != "udot")
    rng = np.random.default_rng(cols)
    matrix = random_matrix(rng, TILE_COLUMNS, cols, 8)
    matrix.codes[:3] = [[127], [-128], [0]]
    codes = unsigned(np.full((ROWS, cols), 127) if extreme else rng.integers(-128, 128, (ROWS, cols)))
    weights, starts = matmul.pack(matrix).weights, rng.integers(-(2**30), 2**30, TILE_COLUMNS, np.int32)
    sums, quads = np.empty((ROWS, TILE_COLUMNS), np.int32), -(-cols // QUAD)
    arguments = codes.ctypes.data, codes.shape[1], weights.ctypes.data, quads, starts.ctypes.data, sums.ctypes.data
    parsed = binding.parse_assembly(str(module).replace("llvm.aarch64", "written.out"))
    with binding.create_mcjit_compiler(parsed, binding.Target.from_triple(TARGET[0]).create_target_machine()) as engine:
        engine.finalize_object()
        ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 6)(engine.get_function_address("tile"))(*arguments)
    assert (sums == starts + codes[:ROWS, :cols].astype(np.int64) @ matrix.codes.T).all()


def write_out(function, signed):
    """Give the declaration of an instruction of ARM a body: what its manual says that it computes."""
    builder = ir.IRBuilder(function.append_basic_block())
    total, numbers = ir.Constant(function.ftype.return_type, [INT32(0)] * 4), function.args[-1]
    wide = ir.VectorType(INT32, numbers.type.count)
    numbers = (builder.sext if signed else builder.zext)(numbers, wide)
    if len(function.args) == 3:  # of bytes, added to sums; else of words, in pairs
        total, codes, _ = function.args
        numbers = builder.mul(builder.zext(codes, wide), numbers)
    size = wide.count // 4
    for k in range(size):
        places = ir.Constant(total.type, [INT32(size * lane + k) for lane in range(4)])
        total = builder.add(total, builder.shuffle_vector(numbers, numbers, places))
    builder.ret(total)
