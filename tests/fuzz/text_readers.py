"""Settings, chips and checkpoints, and networks of torch and pytorch-kaldi."""

from __future__ import annotations

import contextlib
import io
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from campaign import Reader
from fake_task import WORKLOAD, FakeTask
from mutations import mutated

from dse.console import from_settings_file
from dse.exploration.plan import Plan, make_plan
from dse.search import parser, settings_of
from models.checkpoint import Checkpoint, load, shipped_path
from models.workload import Configuration, InputError
from platforms.base import Platform
from platforms.custom import load_chip

NAME = "damaged"
SETTINGS = b"""objectives = ["error", "size"]
evaluations = 300
population = 40
seed = 1
weight_bits = [2, 4, 8]
activation_bits = [4, 8]
delta = [0, 2, 4]
limit = "error=+3"
platform = "silago"
skip = ["first"]
workers = 2
"""
MOST_POPULATION = 10**6


def of_file(make: Callable[[], bytes], read: Callable[[Path], Any], wrong: Callable[[Any, Any], str | None]) -> Reader:
    """Reader of one file whose bytes are mutated."""

    def write(folder: Path) -> bytes:
        folder.joinpath(NAME).write_bytes(content := make())
        return content

    def damage(folder: Path, content: bytes, rng: random.Random) -> None:
        folder.joinpath(NAME).write_bytes(mutated(content, rng))

    return Reader(write, damage, lambda folder: read(folder / NAME), wrong)


def read_settings(path: Path) -> Plan:
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            options = parser().parse_args(from_settings_file(["--settings", str(path)], parser()))
    except SystemExit:
        raise InputError(told.getvalue().removesuffix("\n")) from None
    return make_plan(settings_of(options, FakeTask))


def wrong_settings(plan: Plan, _: Plan) -> str | None:
    given = plan.settings
    if not (plan.evaluations >= 1 and given.seed >= 0 and 4 <= given.population <= MOST_POPULATION):
        return f"a number out of range: {plan.evaluations}, {given.seed}, {given.population}"
    if not all(math.isfinite(limit.bound) for limit in plan.limits):
        return "a limit that is not finite"
    return None if plan.space.genes else "no gene"


def wrong_chip(chip: Platform, _: Platform) -> str | None:
    for bits in chip.supported_bits:
        configuration = Configuration.uniform(WORKLOAD, *bits)
        price = chip.estimate(WORKLOAD, configuration, dict.fromkeys((m.name for m in WORKLOAD.matvecs), 1.0))
        for name, value in vars(price).items():
            if isinstance(value, float) and not 0 <= value < math.inf:
                return f"{name} {value}"
    return None


def wrong_checkpoint(found: Checkpoint, sound: Checkpoint) -> str | None:
    for part in ("weights", "decoder"):
        ours, theirs = getattr(found, part), getattr(sound, part)
        if ours.keys() != theirs.keys():
            return f"{part}: other names"
        if not all(np.array_equal(ours[name], theirs[name]) for name in theirs):
            return f"{part}: other values"
    return None if found.spec == sound.spec else "other sizes"


def pytorch_kaldi() -> bytes:
    import torch
    from pytorch_kaldi import gated, state_of

    torch.manual_seed(0)
    file = io.BytesIO()
    with torch.no_grad():
        torch.save({"model_par": state_of(gated("ligru"))}, file)
    return file.getvalue()


def read_pytorch_kaldi(path: Path) -> Any:
    from pytorch_kaldi import output_layer, state_of

    from dse.import_kaldi import read_parameters
    from models.kaldi_layout import to_spec_and_weights
    from models.named_tensors import Tensors

    output = {name: tensor.float().numpy() for name, tensor in state_of(output_layer()).items()}
    return to_spec_and_weights(
        "ligru", Tensors("a", "a", read_parameters(path)), Tensors("o", "o", output), candidate_scale=1.0
    )


def torch_file(ending: str) -> Callable[[], bytes]:
    def make() -> bytes:
        import safetensors.torch
        import torch
        from torch_networks import net

        torch.manual_seed(0)
        state = net("gru").state_dict()
        file = io.BytesIO()
        torch.save({"model": state}, file)
        return safetensors.torch.save(state) if ending == "safetensors" else file.getvalue()

    return make


def read_torch(path: Path) -> Any:
    from dse.import_torch import import_torch

    checkpoint, _ = import_torch(path, {})
    return checkpoint.spec, checkpoint.weights


def wrong_network(found: Any, sound: Any) -> str | None:
    if not all(np.isfinite(array).all() for array in found[1].values()):
        return "weights that are not finite"
    return None if found[0] == sound[0] else "other sizes"


def chip() -> bytes:
    import platforms

    return Path(platforms.__file__).with_name("example_chip.toml").read_bytes()


TEXTS = {
    "settings": of_file(lambda: SETTINGS, read_settings, wrong_settings),
    "chip": of_file(chip, load_chip, wrong_chip),
    "checkpoint": of_file(lambda: shipped_path("ligru", "edge").read_bytes(), load, wrong_checkpoint),
    "torch network": of_file(torch_file("pt"), read_torch, wrong_network),
    "torch network in safetensors": of_file(torch_file("safetensors"), read_torch, wrong_network),
    "pytorch-kaldi network": of_file(pytorch_kaldi, read_pytorch_kaldi, wrong_network),
}
