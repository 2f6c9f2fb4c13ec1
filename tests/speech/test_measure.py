"""The shipped checkpoints on the embedded corpus: what the cards say, and how error answers to bits."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.evaluator.batches import batches
from dse.evaluator.measure import NetworkMeasurer
from dse.evaluator.task import NetworkTask
from models.checkpoint import SHIPPED, read_card
from models.quantization.scheme import Scheme
from models.workload import Configuration, computed_fraction

SHIPPED_NETWORKS = sorted(path.stem for path in SHIPPED.glob("*.safetensors"))  # model-preset


@pytest.fixture(scope="module", params=SHIPPED_NETWORKS)
def measurer(request) -> NetworkMeasurer:
    return NetworkTask(*request.param.split("-")).open()


def test_error_answers_to_bits(measurer, request):
    workload = measurer.workload
    spec, card = read_card(SHIPPED / f"{request.node.callspec.params['measurer']}.safetensors")
    measured = {bits: measurer.measure(Configuration.uniform(workload, bits)) for bits in (16, 8, 2)}
    error = {bits: m.error_percent for bits, m in measured.items()}
    in_float = card["float_error_percent"]["validation"]
    assert replace(spec.workload(), stored=Scheme().stored) == workload
    assert 8 < in_float < 22
    assert abs(error[16] - in_float) < 0.3
    assert abs(error[8] - error[16]) < 0.5
    assert error[2] > error[8] + 5
    eliminated = [1 - computed_fraction(workload, measured[bits].computed) for bits in (16, 8, 2)]
    assert eliminated == sorted(eliminated)
    m = measured[8]
    e = m.errors
    wrong = sum(e.substitutions) + sum(e.deletions) + sum(e.insertions)
    assert m.error_percent == pytest.approx(100 * wrong / sum(e.reference_phones))


def test_measuring_twice_gives_the_same(measurer):
    configuration = Configuration.uniform(measurer.workload, 4, 8, 2)
    one, two = measurer.measure(configuration), measurer.measure(configuration)
    assert (one.error_percent, one.computed) == (two.error_percent, two.computed)


def test_batches_of_any_size_give_the_same(measurer, monkeypatch):
    configuration = Configuration.uniform(measurer.workload, 8, delta=2)
    whole = measurer.measure(configuration)
    monkeypatch.setattr(measurer, "batch_frames", 5000)
    parts = measurer.measure(configuration)
    assert parts.errors == whole.errors
    assert parts.computed == whole.computed


@given(st.lists(st.integers(1, 50), min_size=1), st.integers(1, 100))
def test_batches_cover_all_utterances_and_keep_their_size(lengths, frames):
    ranges = batches(np.array(lengths), frames)
    assert [u for part in ranges for u in range(part.start, part.stop)] == list(range(len(lengths)))
    for part in ranges:
        assert sum(lengths[part]) <= frames or part.stop - part.start == 1
    for part, following in itertools.pairwise(ranges):
        assert sum(lengths[part]) + lengths[following.start] > frames


def test_every_shipped_checkpoint_is_small_and_says_where_it_comes_from():
    assert {"sru-edge", "gru-stream"} < set(SHIPPED_NETWORKS)
    for name in SHIPPED_NETWORKS:
        model, preset = name.split("-")
        path = SHIPPED / f"{name}.safetensors"
        assert path.stat().st_size < 4e6
        _, card = read_card(path)
        given = "" if preset == "edge" else f" --preset {preset}"
        assert card["command"].startswith(f"python -m dse.train --model {model}{given}")
        fingerprint = NetworkTask(model, preset).fingerprint
        assert card["corpus"]["validation"] == fingerprint["validation"]
    assert sum(path.stat().st_size for path in SHIPPED.glob("*-stream.safetensors")) < 4e6


def test_wrong_names_and_files_are_told(tmp_path):
    with pytest.raises(ValueError, match="unknown model 'sur'"):
        _ = NetworkTask("sur").workload
    with pytest.raises(FileNotFoundError, match=r"no checkpoint is shipped for sru paper; train one"):
        _ = NetworkTask("sru", "paper").workload
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        _ = NetworkTask("sru", "edge", str(tmp_path / "no")).workload
    with pytest.raises(ValueError, match="holds a sru, not a lstm"):
        _ = NetworkTask("lstm", "edge", str(SHIPPED / "sru-edge.safetensors")).workload
