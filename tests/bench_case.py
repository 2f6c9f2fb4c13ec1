"""What the benchmarks run: a network, its engine and utterances; and how they time it."""

import argparse
import multiprocessing
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import torch

from dse.evaluator.batches import batches, frames_at_once
from dse.evaluator.measure import NetworkMeasurer
from dse.evaluator.task import NetworkTask
from models.calibrate import calibrate
from models.engines.network_quantizer import NetworkQuantizer
from models.quantization.scheme import Scheme
from models.registry import MODELS, build_engine, build_network, preset
from models.workload import Configuration

SECONDS = 3
FRAMES_PER_SECOND = 100
CALIBRATION_UTTERANCES = 4
BITS, DELTA = 8, 2  # what every quantized contender runs


class Case:
    """A network, its engine and the utterances: `evaluate(configuration)` is one candidate, decoded where it can be."""

    def __init__(self, model: str, size: str, utterances: int, hidden: int | None = None) -> None:
        torch.set_num_threads(1)
        self.measurer: NetworkMeasurer | None = None
        if size == "edge" and hidden is None:
            self.measurer = NetworkTask(model, size, cache_mib=0).open()  # each run whole
            self.measurer.split = self.measurer.split.take(range(min(utterances, len(self.measurer.split))))
            self.engine, split = self.measurer.engine, self.measurer.split
            self.spec, self.weights = self.engine.spec, self.engine.weights
            self.features, self.offsets, self.calibration = split.features, split.offsets, self.engine.calibration
        else:
            torch.manual_seed(0)
            self.spec = preset(model, size)
            if hidden is not None:
                self.spec = replace(self.spec, hidden=hidden)
            self.offsets = np.arange(utterances + 1) * SECONDS * FRAMES_PER_SECOND
            rng = np.random.default_rng(0)
            self.features = rng.normal(size=(self.offsets[-1], self.spec.features)).astype(np.float32)
            self.weights, few = build_network(self.spec).arrays(), self.offsets[: CALIBRATION_UTTERANCES + 1]
            self.calibration = calibrate(self.spec, self.weights, self.features[: few[-1]], few)
            self.engine = build_engine(NetworkQuantizer(self.spec, self.weights, self.calibration, Scheme()))
        self.workload = self.spec.workload()
        self.macs = self.workload.macs_per_frame * len(self.features)

    def infer(self, configuration: Configuration) -> None:
        for batch in batches(np.diff(self.offsets), frames_at_once(self.workload)):
            bounds = self.offsets[batch.start : batch.stop + 1]
            self.engine.outputs(self.features[bounds[0] : bounds[-1]], bounds - bounds[0], configuration)

    def evaluate(self, configuration: Configuration) -> None:
        if self.measurer is not None:
            self.measurer.measure(configuration)
        else:
            self.infer(configuration)

    @property
    def configuration(self) -> Configuration:
        return Configuration.uniform(self.workload, BITS, delta=DELTA)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work: object, *arguments: object) -> tuple[float, float, object]:
    """Processor seconds, seconds and result."""
    wall, start = time.perf_counter(), time.process_time()
    result = work(*arguments)
    return time.process_time() - start, time.perf_counter() - wall, result


def alone(work: object, *arguments: object, environment: dict[str, str] | None = None) -> object:
    """In a process of its own, with `environment` besides."""
    context = multiprocessing.get_context("spawn")
    with patch.dict(os.environ, environment or {}), ProcessPoolExecutor(1, context) as pool:
        return pool.submit(work, *arguments).result()


def at_least_one(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def model_name(text: str) -> str:
    if text not in MODELS:
        raise argparse.ArgumentTypeError(f"there is no '{text}'; there are {', '.join(MODELS)}")
    return text
