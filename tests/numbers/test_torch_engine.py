"""The torch engine against the compiled one: the same logits bit for bit, the same computed fractions."""

import dataclasses
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fake_task import FakeTask
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import LENGTHS, features_of, offsets_of, on_torch
from torch.utils._python_dispatch import TorchDispatchMode

from dse.evaluator.measure import NetworkMeasurer
from dse.evaluator.proof import require_same
from dse.evaluator.task import NetworkTask
from dse.exploration.plan import make_plan
from dse.exploration.settings import SearchSettings
from dse.search import _settings as settings_of
from dse.search import parser
from models.checkpoint import load
from models.engines.integer_network import IntegerMatVec
from models.gpu import batch as gpu_batch
from models.gpu import matvecs as gpu_matvecs
from models.gpu import products as gpu_products
from models.quantization.quantizer import WEIGHT_CODE_MAX, code_range, quantize_matrix
from models.registry import build_engine
from models.workload import Configuration, Setting

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
BITS = [2, 4, 8, 16]


def assert_same(engines, lengths, configuration, seed=0):
    spec, compiled, on_device = engines
    arguments = features_of(spec, lengths, seed), offsets_of(lengths), configuration
    expected, computed = compiled.run(*arguments)
    result, on_device_computed = on_device.run(*arguments)
    assert result.dtype == np.float32 and result.tobytes() == expected.tobytes()
    assert on_device_computed == computed


@pytest.mark.parametrize("delta", [0, 3])
@pytest.mark.parametrize("act_bits", BITS)
@pytest.mark.parametrize("weight_bits", BITS)
def test_every_pair_of_widths_gives_the_compiled_integers(engines, weight_bits, act_bits, delta):
    assert_same(engines, LENGTHS, Configuration.uniform(engines[0].workload(), weight_bits, act_bits, delta))


SETTINGS = st.builds(
    Setting, st.sampled_from(BITS), st.sampled_from(BITS), st.sampled_from([0, 0, 1, 5, 200]), st.booleans()
)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_mixed_settings_and_uneven_utterances_give_the_compiled_integers(engines, data):
    names = engines[0].workload().names
    some = data.draw(st.lists(SETTINGS, min_size=1, max_size=3))  # few, so that matvecs share settings now and then
    chosen = [(name, data.draw(st.sampled_from(some))) for name in names]
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    assert_same(engines, lengths, Configuration(tuple(chosen)), seed=data.draw(st.integers(0, 9)))


def test_batches_and_parts_change_nothing(engines, monkeypatch):
    monkeypatch.setattr(gpu_batch, "FRAMES_PER_BATCH", 10)
    monkeypatch.setattr(gpu_matvecs, "PRODUCT_FRAMES", 3)
    assert_same(engines, LENGTHS, Configuration.uniform(engines[0].workload(), 4, 8, 1))


def test_without_an_exact_int8_kernel_the_integers_are_the_same(engines, monkeypatch):
    monkeypatch.setattr(gpu_products, "has_exact_int8", lambda device: False)
    for bits in (4, 16):
        assert_same(engines, LENGTHS, Configuration.uniform(engines[0].workload(), bits))


def test_many_rows_and_saturated_inputs(engines):
    """More rows than the least that a product takes, values far beyond what calibration saw."""
    spec, compiled, on_device = engines
    lengths = [*range(1, 20), *[5] * 30]
    features = features_of(spec, lengths) * 50
    for bits in (8, 16):
        configuration = Configuration.uniform(spec.workload(), bits, delta=2)
        expected, computed = compiled.run(features, offsets_of(lengths), configuration)
        result, on_device_computed = on_device.run(features, offsets_of(lengths), configuration)
        assert result.tobytes() == expected.tobytes() and on_device_computed == computed


@pytest.mark.parametrize("seed", range(6))
def test_grids_and_gates_that_saturate_give_the_compiled_integers(engines, seed):
    """Grids far too fine or too coarse for their site, each in its own way; products far beyond the gates' reach."""
    spec, compiled, on_device = engines
    rng = np.random.default_rng(seed)
    peaks = {site: peak * 2.0 ** rng.integers(-7, 4) for site, peak in compiled.calibration.peaks.items()}
    calibration = dataclasses.replace(compiled.calibration, peaks=peaks)
    loud = ("recurrent", "v.", "bias")
    weights = {k: v * np.float32(60) if k.startswith(loud) else v for k, v in compiled.weights.items()}
    device = on_device.on_device.device.type
    pair = build_engine(spec, weights, calibration), on_torch(spec, weights, calibration, device)
    for bits in (4, 16):
        assert_same((spec, *pair), LENGTHS, Configuration.uniform(spec.workload(), bits, delta=1))


@pytest.mark.parametrize("device", DEVICES)
def test_codes_are_divided_and_not_multiplied_by_a_reciprocal(device):
    """Every grid code over steps with ties: where the quotient is rounded first, half to even decides otherwise."""
    every = np.arange(-(2**15), 2**15).astype(np.int16)[:, None]
    matrix, one = quantize_matrix(np.ones((1, 1), np.float32), 8), np.ones(1, np.float32)
    codes = torch.from_numpy(every.astype(np.float32)).to(device)
    for divisor in (*range(2, 200), *np.random.default_rng(0).uniform(1, 5000, 50).astype(np.float32)):
        grid = np.zeros(1, np.int8)
        matvec = IntegerMatVec("output", matrix, 8, 0, 0, np.float32(divisor), one, grid, grid.astype(np.int16))
        products = gpu_matvecs.Products(gpu_matvecs.Device(device), (matvec,))
        quotient = every.astype(np.float32) / np.float32(divisor)
        assert (products._quantize(codes)[0].cpu().numpy() == np.rint(np.clip(quotient, -128, 127))).all()


def test_float_goes_to_the_float_network(engines):
    spec, compiled, on_device = engines
    arguments = features_of(spec, LENGTHS), offsets_of(LENGTHS), Configuration.uniform(spec.workload(), 32)
    assert (compiled.run(*arguments)[0] == on_device.run(*arguments)[0]).all()


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
    ones, places = np.ones(rows, np.float32), np.arange(rows)
    codes16 = weights.astype(np.int16)
    merged = gpu_products.Merged(("x",), codes16, weight_bits, act_bits, 0, np.float32(1), ones, places)
    on_device = gpu_products.Matrix(merged, torch.device(device))
    scratch = on_device.scratch(n)
    for part in (codes, codes[: n // 2 + 1], codes[:1]):  # with what was there before below
        sums = on_device.product(torch.from_numpy(part.astype(np.float32)).to(device), scratch).float().cpu().numpy()
        assert (sums == (part.astype(np.int64) @ weights.T.astype(np.int64)).astype(np.float32)).all()


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


@pytest.mark.parametrize("bits", [(8, 8, 0), (8, 16, 2), (16, 4, 1)])
def test_a_device_is_asked_for_nothing_before_the_logits(engines, bits, monkeypatch):
    """Tensors without data stand for a GPU: what would wait for it, or mix in the host's tensors, cannot run."""
    spec, compiled, _ = engines
    monkeypatch.setattr(gpu_products, "has_exact_int8", lambda device: True)
    engine = on_torch(spec, compiled.weights, compiled.calibration, "meta")
    with Gpu() as seen, pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        engine.run(features_of(spec, LENGTHS), offsets_of(LENGTHS), Configuration.uniform(spec.workload(), *bits))
    assert seen.last in {"aten.to", "aten._to_copy"} and seen.shape == (sum(LENGTHS), spec.outputs)
    assert not seen.names & FUSED


FUSED = {f"aten.{name}" for name in ("addcmul", "addcmul_", "addcdiv", "lerp", "baddbmm", "addmm", "addmv")}


class Gpu(TorchDispatchMode):
    """Notes the operations that run, and holds int8 products and divisions to what a GPU asks for."""

    def __init__(self):
        super().__init__()
        self.names, self.last, self.shape = set(), "", ()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.last = str(function).rpartition(".")[0]
        self.names.add(self.last)
        if self.last == "aten._int_mm":
            left, right = args
            assert left.shape[0] > 16 and left.shape[1] % 8 == 0 and right.shape[1] % 8 == 0
            assert left.is_contiguous() and right.t().is_contiguous()
        if self.last.startswith("aten.div"):
            assert isinstance(args[1], torch.Tensor) and args[1].device.type == "meta"
        self.shape = tuple(args[0].shape) if args and isinstance(args[0], torch.Tensor) else ()
        return function(*args, **kwargs or {})


def test_a_device_with_other_integers_is_refused(engines):
    spec, compiled, on_device = engines
    lengths = np.array(LENGTHS)
    split = SimpleNamespace(features=features_of(spec, LENGTHS), offsets=offsets_of(LENGTHS), lengths=lengths)
    split.take = lambda indices: split
    require_same(on_device, compiled, split, spec.workload(), "gpu")
    off = SimpleNamespace(run=lambda *arguments: (np.nextafter(compiled.run(*arguments)[0], np.float32(9)), {}))
    with pytest.raises(ValueError, match="device gpu does not give this processor's integers at 8-bit weights"):
        require_same(off, compiled, split, spec.workload(), "gpu")


def test_a_measurer_on_a_device_measures_the_same():
    """`cpu:0` is a torch device of its own name: torch operations on the CPU, by the whole way of a GPU's."""
    task = NetworkTask("lstm")
    here = task.open()
    few = here.split.take(range(8))
    corpus, checkpoint, calibration = here.corpus, load(task.checkpoint_path), here.engine.calibration
    one = NetworkMeasurer(checkpoint, calibration, corpus, few)
    other = NetworkMeasurer(checkpoint, calibration, corpus, few, device="cpu:0")
    assert type(other.engine).__name__ == "GpuRecurrentEngine"
    other.batch_frames = 700  # several batches: even the last bit of a fraction does not depend on where they end
    configuration = Configuration.uniform(here.workload, 4, 8, 1)
    measured, expected = other.measure(configuration), one.measure(configuration)
    assert dataclasses.replace(measured, seconds=0) == dataclasses.replace(expected, seconds=0)


@pytest.mark.parametrize("argv", [["search"], ["front", "--study", "s", "--test"]])
def test_a_gpu_that_is_not_there_is_one_line(cli, argv, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    status, out, err = cli(*argv, "--device", "cuda")
    assert (status, out, err) == (2, "", "error: device cuda: this torch sees no GPU; use --device cpu\n")
    status, _, err = cli(*argv, "--device", "tpu")
    assert (status, err) == (2, "error: device 'tpu' is none of cpu, cuda\n")
    with pytest.raises(ValueError, match="this torch sees no GPU"):
        NetworkTask("lstm", device="cuda").open()


def test_a_device_changes_no_study_and_wants_one_process(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    here, there = (make_plan(SearchSettings(FakeTask(device=device))) for device in ("cpu", "cuda"))
    assert here.study == there.study and there.task.device == "cuda"
    for argv, workers in ((["--device", "cuda"], 1), (["--device", "cuda", "--workers", "3"], 3), ([], os.cpu_count())):
        assert settings_of(parser().parse_args(argv), FakeTask).processes == workers
