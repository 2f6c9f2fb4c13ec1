"""A GPU in use: asked for nothing too early, refused where its integers differ or where there is none."""

import dataclasses
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fake_task import FakeTask
from networks import LENGTHS, features_of, offsets_of, on_torch
from torch.utils._python_dispatch import TorchDispatchMode

from dse.evaluator.measure import NetworkMeasurer
from dse.evaluator.proof import require_same
from dse.evaluator.task import NetworkTask
from dse.exploration.plan import make_plan
from dse.exploration.settings import SearchSettings
from dse.search import parser, settings_of
from models.checkpoint import load
from models.gpu import products as gpu_products
from models.workload import Configuration


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
    corpus, checkpoint, quantizer = here.corpus, load(task.checkpoint_path), here.engine.quantizer
    one = NetworkMeasurer(checkpoint, quantizer, corpus, few)
    other = NetworkMeasurer(checkpoint, quantizer, corpus, few, device="cpu:0")
    assert type(other.engine).__name__ == "GpuRecurrentEngine"
    other.batch_frames = 700  # several batches: even the last bit of a fraction does not depend on where they end
    configuration = Configuration.uniform(here.workload, 4, 8, 1)
    measured, expected = other.measure(configuration), one.measure(configuration)
    assert dataclasses.replace(measured, seconds=0) == dataclasses.replace(expected, seconds=0)


@pytest.mark.parametrize("argv", [["search"], ["report", "study", "s"]])
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
