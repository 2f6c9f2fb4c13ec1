"""What every exporter must keep: what it wrote gives the compiled engine's codes and counts, bit for bit."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from networks import LENGTHS, SPECS, engine_of, features_of, offsets_of, trained

from dse.exporters import Replayed, Replayer
from models.quantization.scheme import COMPENSATED, MATRIX, NEAREST, ROW, scheme_of
from models.workload import Configuration, Setting

SCHEMES = {
    "row": scheme_of(COMPENSATED, ROW, True),
    "matrix": scheme_of(NEAREST, MATRIX, False),
}
UNIFORM = [(16, 16, 0), (8, 8, 0), (4, 4, 0), (2, 2, 0), (4, 8, 3), (8, 4, 1), (16, 8, 2), (8, 16, 300), (3, 5, 1)]
SEARCHED = (2, 4, 8, 16)  # a shipped network is quantized to no others here: each takes its seconds
LENGTHS_OF = [[1], [3, 0, 2], [40]]


def mixed(workload, seed: int, bits=(2, 3, 4, 5, 6, 7, 8, 16)) -> Configuration:
    """A configuration in which matvecs differ in everything, some skipped."""
    rng = np.random.default_rng(seed)

    def setting() -> Setting:
        delta = rng.choice([0, 0, 1, 2, 5, 200])
        return Setting(int(rng.choice(bits)), int(rng.choice(bits)), int(delta), bool(rng.random() < 0.2))

    return Configuration(tuple((name, setting()) for name in workload.names))


def assert_same(replayed: Replayed, sites, sent) -> None:
    assert list(replayed.sites) == list(sites)
    for site, codes in sites.items():
        assert replayed.sites[site].dtype == np.int16
        assert replayed.sites[site].shape == codes.shape, site
        different = np.argwhere(replayed.sites[site] != codes)
        assert not len(different), f"{site} differs first at frame {different[0][0]}, unit {different[0][1]}"
    assert dict(replayed.sent) == sent


class ExporterConformance:
    """`exporter` is the module. Subclasses may skip where what it needs is not installed."""

    exporter: Replayer

    def check(self, spec, scheme, configuration, folder: Path, lengths=LENGTHS, scale=1.0) -> None:
        engine = engine_of(spec, *trained(spec), SCHEMES[scheme])
        network = engine.quantizer.network(configuration)
        features, offsets = features_of(spec, lengths) * np.float32(scale), offsets_of(lengths)
        sites, counter = engine.trace(network, features, offsets)
        folder.mkdir()
        self.exporter.write(network, None, folder)
        assert_same(self.exporter.replay(folder, features, offsets), sites, counter.sent)

    @pytest.fixture(autouse=True)
    def compiled_fast(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sources are compiled once a case: quickly, since they run for a moment only."""
        monkeypatch.setenv("CFLAGS", "-O0")

    @pytest.mark.parametrize(("name", "bits"), list(zip(itertools.cycle(SPECS), UNIFORM, strict=False)))
    def test_uniform_widths(self, name, bits, tmp_path) -> None:
        spec = SPECS[name]
        self.check(spec, "row", Configuration.uniform(spec.workload(), *bits), tmp_path / "part")

    @pytest.mark.parametrize("name", SPECS)
    @pytest.mark.parametrize(("seed", "scheme"), list(enumerate(SCHEMES)))
    def test_mixed_widths_skips_and_thresholds(self, name, seed, scheme, tmp_path) -> None:
        spec = SPECS[name]
        self.check(spec, scheme, mixed(spec.workload(), seed), tmp_path / "part")

    @pytest.mark.parametrize(("name", "lengths"), list(zip(SPECS, itertools.cycle(LENGTHS_OF), strict=False)))
    def test_utterances_of_any_length(self, name, lengths, tmp_path) -> None:
        spec = SPECS[name]
        self.check(spec, "row", mixed(spec.workload(), 7), tmp_path / "part", lengths)

    @pytest.mark.parametrize("name", SPECS)
    def test_features_beyond_the_grid_saturate_alike(self, name, tmp_path) -> None:
        spec = SPECS[name]
        self.check(spec, "row", mixed(spec.workload(), 8), tmp_path / "part", scale=1e4)
