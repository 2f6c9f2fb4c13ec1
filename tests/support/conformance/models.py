"""What every model must keep: sizes that tell the network's arrays, engines that give one and the same integers."""

import json
import math
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from itertools import cycle, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from networks import DEFAULT, LENGTHS, engine_of, features_of, offsets_of, on_torch, trained
from numpy_network import Stream, run

from models.engines.engine import Engine
from models.quantization.scheme import PAPERS, Scheme
from models.registry import Spec, build_network, preset, presets, spec_from_json
from models.workload import Configuration, InputError, Setting, Workload

UNIFORM = [(16, 16, 0), (8, 8, 0), (8, 8, 2), (4, 8, 0), (2, 4, 1), (16, 4, 0), (8, 16, 300), (3, 5, 2)]
MIXED = [Setting(8, 8, 2), Setting(4, 16, 40), Setting(2, 2, 0, skip=True), Setting(16, 4), Setting(5, 8, 1)]
KINDS = [*(f"W{weight_bits}A{act_bits}d{delta}" for weight_bits, act_bits, delta in UNIFORM), "mixed", "skipping"]
SCHEMES = [PAPERS, Scheme(scales="matrix"), Scheme(zero_points=False), Scheme("nearest", "row", "weights")]
FAR = 10**6  # a threshold that no code passes


def configurations(workload: Workload) -> dict[str, Configuration]:
    """By kind: every matvec alike; settings that differ from one to the next; all skipped, still with a delta gate."""
    uniform = [Configuration.uniform(workload, *bits_and_delta) for bits_and_delta in UNIFORM]
    mixed = Configuration(tuple(zip(workload.names, cycle(MIXED), strict=False)))
    skipping = Configuration(tuple((name, Setting(2, 4, 3, skip=True)) for name in workload.names))
    return dict(zip(KINDS, [*uniform, mixed, skipping], strict=True))


@dataclass(frozen=True, eq=False)
class Deployed:
    """A small network off its first weights, with features, float logits and both engines."""

    network: Any
    features: np.ndarray
    offsets: np.ndarray
    logits: np.ndarray
    compiled: Engine
    on_torch: Engine


@cache
def deployed(spec: Spec, scheme: Scheme = DEFAULT) -> Deployed:
    weights, calibration = trained(spec)
    network = build_network(spec).eval()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    features, offsets = features_of(spec, LENGTHS), offsets_of(LENGTHS)
    with torch.no_grad():
        logits = network(torch.from_numpy(features), torch.from_numpy(offsets)).numpy()
    engines = (make(spec, weights, calibration, scheme=scheme) for make in (engine_of, on_torch))
    return Deployed(network, features, offsets, logits, *engines)


class ModelConformance:
    """A model at small sizes, at which plain NumPy runs it too; `numpy_network` must know its layers."""

    def spec(self) -> Spec:
        raise NotImplementedError

    def run(self, configuration: Configuration) -> tuple[np.ndarray, dict[str, float]]:
        on = deployed(self.spec())
        return on.compiled.run(on.features, on.offsets, configuration)

    def test_shapes_are_those_of_the_networks_arrays(self) -> None:
        spec, arrays = self.spec(), build_network(self.spec()).arrays()
        assert {name: array.shape for name, array in arrays.items()} == spec.shapes()
        assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
        assert arrays["input_mean"].shape == arrays["input_std"].shape == (spec.features,)

    def test_the_workload_counts_the_matrices(self) -> None:
        workload, sites = self.spec().workload(), deployed(self.spec()).compiled.quantizer.float_matvecs
        assert workload.model == self.spec().name
        assert len(set(workload.names)) == len(workload.names)
        assert tuple(sites) == workload.names
        assert [site.matrix.shape for site in sites.values()] == [(m.rows, m.cols) for m in workload]
        assert workload.weights == sum(site.matrix.size for site in sites.values())
        assert workload["output"].rows == self.spec().outputs == workload.matvecs[-1].rows
        # Batch normalisation is folded into matrices and biases; features are standardised before the network.
        sizes = {name: math.prod(shape) for name, shape in self.spec().shapes().items()}
        left_out = sum(size for name, size in sizes.items() if name.startswith(("norm_", "input_mean", "input_std")))
        assert workload.vector_weights == sum(sizes.values()) - left_out - workload.weights
        assert workload.elementwise_ops_per_frame > 0

    def test_sizes_come_back_from_json(self) -> None:
        spec = self.spec()
        sizes = json.loads(json.dumps(spec.to_json()))
        assert spec_from_json(spec.name, sizes) == spec
        assert hash(spec_from_json(spec.name, sizes)) == hash(spec)
        for wrong in ({"colour": 3}, {"layers": 0}, {"features": -1}, {"outputs": 0}):
            with pytest.raises(InputError, match=f"{spec.name}: .*{next(iter(wrong))}"):
                spec_from_json(spec.name, sizes | wrong)

    def test_directions_are_told_from_others_and_old_files_are_both_ways(self) -> None:
        spec: Any = self.spec()
        sizes = spec.to_json()
        for wrong in ("sideways", "", 2, None, ["forward"], {}):
            with pytest.raises(InputError, match=f"{spec.name}: directions .* is none of .*separate, forward"):
                spec_from_json(spec.name, sizes | {"directions": wrong})
        sizes.pop("directions", None)
        old: Any = spec_from_json(spec.name, sizes)  # of a file of before
        assert old.width == 2 * spec.hidden and replace(old, directions=spec.directions) == spec

    def test_forward_outputs_do_not_depend_on_later_frames(self) -> None:
        on, spec = deployed(self.spec()), self.spec()
        configuration = configurations(spec.workload())["mixed"]
        part = slice(on.offsets[3], on.offsets[4] - 4)
        logits, _ = on.compiled.run(on.features[part], np.array([0, part.stop - part.start]), configuration)
        assert np.array_equal(self.run(configuration)[0][part], logits) == (spec.directions == "forward")

    def test_presets_are_there(self) -> None:
        spec = self.spec()
        found = presets(spec.name)
        assert {"edge", "paper"} <= set(found)
        for name, sizes in found.items():
            assert type(sizes) is type(spec) and sizes.name == spec.name
            assert preset(spec.name, name) == sizes
        with pytest.raises(InputError, match="unknown preset 'none'"):
            preset(spec.name, "none")

    def test_sizes_load_no_framework(self) -> None:
        code = (
            "import sys\nfrom models.registry import presets\n"
            f"for spec in presets({self.spec().name!r}).values(): spec.workload(), spec.shapes(), spec.to_json()\n"
            "sys.exit('torch' in sys.modules or 'numba' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_without_quantization_it_is_the_float_network(self) -> None:
        logits, computed = self.run(Configuration.uniform(self.spec().workload(), 32))
        assert np.abs(logits - deployed(self.spec()).logits).max() < 1e-5
        assert computed == dict.fromkeys(self.spec().workload().names, 1.0)

    def test_16_bit_is_near_float_and_errors_grow_as_bits_shrink(self) -> None:
        workload, floats = self.spec().workload(), deployed(self.spec()).logits
        errors = [
            np.abs(self.run(Configuration.uniform(workload, bits))[0] - floats).mean() / np.abs(floats).mean()
            for bits in (16, 8, 4, 2)
        ]
        assert errors[0] < 0.01
        assert errors == sorted(errors)

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_compiled_engine_equals_plain_numpy(self, kind: str) -> None:
        on, workload = deployed(self.spec()), self.spec().workload()
        configuration = configurations(workload)[kind]
        logits, computed = self.run(configuration)
        expected, sent = run(on.compiled.quantizer.network(configuration), on.features, on.offsets)
        assert logits.dtype == np.float32 and logits.shape == (len(on.features), self.spec().outputs)
        assert logits.tobytes() == expected.tobytes()
        assert computed == {m.name: sent[m.name] / (len(on.features) * m.cols * m.passes) for m in workload}

    @pytest.mark.parametrize("kind", KINDS)
    def test_torch_gives_the_compiled_integers(self, kind: str) -> None:
        on, configuration = deployed(self.spec()), configurations(self.spec().workload())[kind]
        logits, computed = self.run(configuration)
        result, on_torch_computed = on.on_torch.run(on.features, on.offsets, configuration)
        assert result.dtype == np.float32 and result.tobytes() == logits.tobytes()
        assert on_torch_computed == computed

    @pytest.mark.parametrize("scheme", SCHEMES, ids=str)
    def test_every_scheme_gives_one_and_the_same_integers(self, scheme: Scheme) -> None:
        on, workload = deployed(self.spec(), scheme), self.spec().workload()
        for kind in ("W4A8d0", "W2A4d1", "mixed"):
            configuration = configurations(workload)[kind]
            logits, computed = on.compiled.run(on.features, on.offsets, configuration)
            network = on.compiled.quantizer.network(configuration)
            expected, sent = run(network, on.features, on.offsets)
            assert logits.tobytes() == expected.tobytes()
            assert computed == {m.name: sent[m.name] / (len(on.features) * m.cols * m.passes) for m in workload}
            result, fractions = on.on_torch.run(on.features, on.offsets, configuration)
            assert result.tobytes() == logits.tobytes() and fractions == computed
            one_scale = all((matvec.matrix.multiples == 1).all() for matvec in network.matvecs)
            assert one_scale == (scheme.scales == "matrix")
            symmetric = not any(matvec.zero or matvec.shift for matvec in network.matvecs)
            assert symmetric == (not scheme.zero_points)

    def test_calibration_sums_up_what_every_matvec_reads(self) -> None:
        """By the codes that plain NumPy shows each of them, at 16 bit."""
        read: dict[str, list[np.ndarray]] = {}

        class Reading(Stream):
            def __call__(self, x: np.ndarray) -> np.ndarray:
                read.setdefault(self.matvec.name, []).append(np.asarray(x, np.int64))
                return super().__call__(x)

        on, workload = deployed(self.spec()), self.spec().workload()
        network = on.compiled.quantizer.network(Configuration.uniform(workload, 16))
        run(network, on.features, on.offsets, Reading)
        vectors = on.compiled.calibration.vectors
        assert set(vectors) == set(workload.names)
        for name, vector in vectors.items():
            x = np.array(read[name])
            assert (vector.moments == x.T @ x).all()
            assert (vector.counts == np.bincount(x.ravel() + 2**15, minlength=2**16)).all()

    @pytest.mark.parametrize("kind", KINDS)
    def test_computed_fractions_are_shares(self, kind: str) -> None:
        workload = self.spec().workload()
        computed = self.run(configurations(workload)[kind])[1]
        assert tuple(computed) == workload.names
        assert all(0.0 <= fraction <= 1.0 for fraction in computed.values())

    def test_a_threshold_at_the_output_sends_less_the_larger_it_is(self) -> None:
        """Elsewhere it changes what later matvecs are given, so that only the ends are certain."""
        base = Configuration.uniform(self.spec().workload(), 8)
        sent = [self.run(base.with_setting("output", delta=delta))[1]["output"] for delta in (0, 1, 4, 16, FAR)]
        assert all(one >= other for one, other in pairwise(sent))
        far = self.run(Configuration.uniform(self.spec().workload(), 8, delta=FAR))[1]
        assert far == dict.fromkeys(self.spec().workload().names, 0.0)

    def test_a_skipped_matvec_runs_at_the_baseline(self) -> None:
        base = Configuration.uniform(self.spec().workload(), 16)
        expected = self.run(base)
        for name in self.spec().workload().names:
            found = self.run(base.with_setting(name, weight_bits=2, act_bits=2, skip=True))
            assert found[0].tobytes() == expected[0].tobytes() and found[1] == expected[1]

    @pytest.mark.parametrize("kind", ["W8A8d2", "mixed"])
    def test_order_and_batches_of_utterances_change_nothing(self, kind: str) -> None:
        on, workload = deployed(self.spec()), self.spec().workload()
        configuration = configurations(workload)[kind]
        logits, computed = self.run(configuration)
        utterances = [slice(start, end) for start, end in pairwise(on.offsets)]
        for engine in (on.compiled, on.on_torch):
            counts = dict.fromkeys(workload.names, 0)
            for part in utterances:
                own, fractions = engine.run(on.features[part], np.array([0, part.stop - part.start]), configuration)
                assert own.tobytes() == logits[part].tobytes()
                for m in workload:
                    counts[m.name] += round(fractions[m.name] * len(own) * m.cols * m.passes)
            assert computed == {m.name: counts[m.name] / (len(on.features) * m.cols * m.passes) for m in workload}
            order = np.random.default_rng(0).permutation(len(utterances))
            frames = np.concatenate([np.arange(on.features.shape[0])[utterances[u]] for u in order])
            mixed, fractions = engine.run(on.features[frames], offsets_of(np.diff(on.offsets)[order]), configuration)
            assert mixed.tobytes() == logits[frames].tobytes() and fractions == computed

    def test_more_layers_are_more_of_the_same(self) -> None:
        """Sizes are free: a spec with a layer more is a network and a workload of its own."""
        spec: Any = self.spec()
        deeper = replace(spec, layers=spec.layers + 1)
        assert set(spec.workload().names) < set(deeper.workload().names)
        assert deeper.shapes() == {name: array.shape for name, array in build_network(deeper).arrays().items()}
