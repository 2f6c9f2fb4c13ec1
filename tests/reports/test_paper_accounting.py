"""The papers' constants, tables and formulas, from the true workloads. Expected values are the papers' own numbers."""

import csv
from pathlib import Path

import pytest

from dse.reports import paper_accounting as papers
from models.networks.ligru import Ligru
from models.networks.lstm import Lstm
from models.networks.sru import Sru
from models.registry import preset
from models.workload import Configuration, MatVec, Setting, Workload

GOLDEN = Path(__file__).parents[1] / "golden"


def sru(layers: int = 4) -> Workload:
    return Sru(features=23, layers=layers, hidden=550, projection=256, outputs=1936).workload()


def gated(kind: str, layers: int, gates: int) -> Workload:
    """A bidirectional network that shares its weights between directions, gate by gate."""
    matvecs = []
    for layer in range(layers):
        cols = 23 if layer == 0 else 1100
        matvecs += [MatVec(f"l{layer}.input_{g}", 550, cols, "input", 2) for g in range(gates)]
        matvecs += [MatVec(f"l{layer}.recurrent_{g}", 550, 550, "recurrent", 2) for g in range(gates - 1)]
        matvecs.append(MatVec(f"l{layer}.recurrent_g", 550, 550, "candidate", 2))
    matvecs.append(MatVec("output", 1936, 1100, "output"))
    return Workload(kind, tuple(matvecs), 4 * 550 * gates * layers + 1936, 0)


GATED = {"lstm": gated("lstm", 4, 4), "gru": gated("gru", 5, 3), "ligru": gated("ligru", 5, 2)}


def configure(
    workload: Workload, w: list[int], u: list[int], fc: int, skipped_layers: tuple[int, ...]
) -> Configuration:
    def setting(matvec: MatVec) -> Setting:
        if matvec.path == "output":
            return Setting(fc, fc)
        layer = int(matvec.name[1])
        bits = w[layer] if matvec.path == "input" else u[layer]
        return Setting(bits, bits, skip=matvec.path == "candidate" and layer in skipped_layers)

    return Configuration(tuple((m.name, setting(m)) for m in workload))


@pytest.mark.parametrize("model, macs", [("lstm", 19_120_200), ("gru", 18_502_550), ("ligru", 13_044_900)])
def test_the_models_own_workloads_are_counted_alike(model: str, macs: int) -> None:
    true = preset(model, "paper").workload()
    counted, by_hand = papers.counted(true), papers.counted(GATED[model])
    assert papers.family(true) == model
    assert counted.macs_per_frame == by_hand.macs_per_frame == macs
    assert (counted.weights, counted.vector_weights) == (by_hand.weights, by_hand.vector_weights)
    assert "vector weights" in {d.what for d in papers.differences(true)}


def test_sru_constants() -> None:
    counted = papers.counted(sru())
    assert {m.name: m.weights for m in counted} == {
        "l0.input": 75_900,
        **{f"l{i}.{part}": n for i in (1, 2, 3) for part, n in (("projection", 281_600), ("input", 844_800))},
        "output": 2_094_400,
    }
    assert counted.vector_weights == 8_800
    assert counted.elementwise_ops_per_frame == 88_000
    assert papers.normaliser(sru()) == 5_637_500


@pytest.mark.parametrize(
    "layers, macs, divisor", [(3, 4_423_100, 5_637_500), (4, 5_549_500, 5_637_500), (6, 7_802_300, 7_802_300)]
)
def test_sru_depths(layers: int, macs: int, divisor: int) -> None:
    assert papers.counted(sru(layers)).macs_per_frame == macs
    assert papers.normaliser(sru(layers)) == divisor
    assert papers.counted(sru(layers)).vector_weights == 8_800


@pytest.mark.parametrize(
    "kind, weights, macs, vectors, first, later, recurrent",
    [
        ("lstm", 14_280_200, 19_120_200, 4_400, 50_600, 2_420_000, 1_210_000),
        ("gru", 13_965_050, 18_502_550, 5_500, 37_950, 1_815_000, 907_500),
        ("ligru", 10_019_900, 13_044_900, 5_500, 25_300, 1_210_000, 605_000),
    ],
)
def test_gated_constants(
    kind: str, weights: int, macs: int, vectors: int, first: int, later: int, recurrent: int
) -> None:
    counted = papers.counted(GATED[kind])
    assert papers.family(GATED[kind]) == kind
    assert (counted.weights, counted.macs_per_frame, counted.vector_weights) == (weights, macs, vectors)

    def group(layer: str, path: str) -> int:
        return sum(m.weights for m in counted if m.name.startswith(f"{layer}.{path}"))

    assert (group("l0", "input"), group("l1", "input"), group("l1", "recurrent")) == (first, later, recurrent)


@pytest.mark.parametrize(
    "kind, w, u, fc, sizes",
    [
        ("lstm", [8] * 4, [8] * 4, 8, (13.63, 14.78, 14.20)),
        ("lstm", [2] * 4, [2] * 4, 2, (3.41, 5.43, 4.42)),
        ("lstm", [16, 2, 2, 2], [16, 2, 2, 2], 16, (9.07, 10.59, 9.58)),
        ("lstm", [8, 2, 2, 2], [4] * 4, 4, (5.11, 6.84, 5.98)),
        ("lstm", [4, 2, 2, 2], [4, 2, 2, 2], 2, (3.71, 5.66, 4.65)),
        ("gru", [4] * 5, [4] * 5, 4, (6.67, 8.83, 7.97)),
        ("gru", [8, 2, 2, 2, 2], [2] * 5, 8, (4.89, 7.41, 6.40)),
        ("gru", [8, 2, 2, 2, 2], [4, 2, 2, 2, 2], 2, (3.58, 6.04, 5.03)),
        ("ligru", [8] * 5, [8] * 5, 8, (9.57, 11.01, 10.43)),
        ("ligru", [2] * 5, [2] * 5, 2, (2.40, 4.92, 3.91)),
        ("ligru", [8, 4, 4, 4, 4], [4] * 5, 4, (4.80, 6.96, 6.10)),
        ("ligru", [8, 2, 2, 2, 2], [2] * 5, 2, (2.42, 4.94, 3.93)),
    ],
)
def test_gated_sizes(kind: str, w: list[int], u: list[int], fc: int, sizes: tuple[float, ...]) -> None:
    half = (0, 1) if kind == "lstm" else (0, 1, 2)
    for skipped, size in zip(((), range(5), half), sizes, strict=True):
        configuration = configure(GATED[kind], w, u, fc, tuple(skipped))
        assert papers.size_mib(GATED[kind], configuration) == pytest.approx(size, abs=0.0051)


def test_ligru_size_as_coded() -> None:
    two_bits = configure(GATED["ligru"], [2] * 5, [2] * 5, 2, (0, 1, 2, 3, 4))
    assert papers.ligru_size_mib_as_coded(GATED["ligru"], two_bits) == pytest.approx(4.08, abs=0.005)


@pytest.mark.parametrize("bits, size, ratio", [(16, 10.60, 2.0), (8, 5.309, 3.99), (4, 2.663, 7.96), (2, 1.340, 15.8)])
def test_sru_compression(bits: int, size: float, ratio: float) -> None:
    uniform = Configuration.uniform(sru(), bits)
    assert papers.size_mib(sru(), uniform) == pytest.approx(size, abs=0.0051)
    assert papers.compression(sru(), uniform) == pytest.approx(ratio, abs=0.05)


def test_other_networks_are_compared_with_their_own_fp32_size() -> None:
    edge = preset("sru", "edge").workload()
    assert 3.8 < papers.compression(edge, Configuration.uniform(edge, 8)) < 4.0


def test_sru_mixed_sizes() -> None:
    """The code's M8: W 8,2,2,2, P 4,4,4, FC 4; M15: W 4,2,2,2, P 4,2,2, FC 2."""
    for first, later, projections, fc, size in ((8, 2, (4, 4, 4), 4, 2.095), (4, 2, (4, 2, 2), 2, 1.425)):
        bits = {"l0.input": first, "output": fc}
        for i, projection in zip((1, 2, 3), projections, strict=True):
            bits |= {f"l{i}.input": later, f"l{i}.projection": projection}
        configuration = Configuration(tuple((m.name, Setting(bits[m.name], 4)) for m in sru()))
        assert papers.size_mib(sru(), configuration) == pytest.approx(size, abs=0.0006)


def rows(name: str) -> list[dict[str, str]]:
    with (GOLDEN / name).open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", rows("mohaq_silago_formula_golden.csv"), ids=lambda r: r["case"])
def test_silago_formulas(row: dict[str, str]) -> None:
    column = {"output": "bits_FC"} | {f"l{i}.projection": f"bits_Pr{i}" for i in (1, 2, 3)}
    column |= {f"l{i}.input": f"bits_L{i}_biSRU" for i in range(4)}
    configuration = Configuration(
        tuple((m.name, Setting(int(row[column[m.name]]), int(row[column[m.name]]))) for m in sru())
    )
    assert papers.silago_energy_uj(sru(), configuration) == pytest.approx(float(row["E_total_uJ"]), abs=6e-7)
    assert papers.size_mib(sru(), configuration) == pytest.approx(float(row["weight_MiB"]), abs=6e-5)
    speedup = papers.silago_speedup(sru(), configuration)
    assert speedup == pytest.approx(float(row["speedup_vs_16bit(denominator 5637500)"]), abs=6e-5)


@pytest.mark.parametrize("row", rows("mohaq_bitfusion_formula_golden.csv"), ids=lambda r: r["case"])
def test_bitfusion_formulas(row: dict[str, str]) -> None:
    configuration = Configuration.uniform(sru(), int(row["w_bits"]), int(row["a_bits"]))
    speedup = papers.bitfusion_speedup(sru(), configuration)
    assert speedup == pytest.approx(float(row["weighted_speedup(denominator 5637500)"]), abs=6e-5)
    assert papers.size_mib(sru(), configuration) == pytest.approx(float(row["weight_MiB"]), abs=6e-5)


def test_fastest_bitfusion_setting_with_4_bit_output_activations() -> None:
    fastest = Configuration.uniform(sru(), 2).with_setting("output", act_bits=4)
    assert papers.bitfusion_speedup(sru(), fastest) == pytest.approx(51.1, abs=0.05)


def test_operation_shares_agree_with_the_published_weights() -> None:
    shares = papers.operation_shares(sru())
    published = {"l0.input": 0.013, "l1.projection": 0.05, "l3.input": 0.15, "output": 0.372}
    for name, weight in published.items():
        assert shares[name] == pytest.approx(weight, abs=6e-4)
    for kind, first, later, output in (
        ("lstm", 0.00265, 0.1265, 0.1114),
        ("gru", 0.0021, 0.098, 0.115),
        ("ligru", 0.0019, 0.0927, 0.163),
    ):
        shares = papers.operation_shares(GATED[kind])
        for prefix, weight in (("l0.input", first), ("l1.input", later), ("l0.recurrent", later), ("output", output)):
            total = sum(share for name, share in shares.items() if name.startswith(prefix))
            assert total == pytest.approx(weight, abs=3e-4)


@pytest.mark.parametrize("skipped, remaining", [((), 8.2), ((0, 1, 2, 3, 4), 29.3), ((0, 1, 2), 20.7)])
def test_remaining_operations_of_the_published_ligru_sample(skipped: tuple[int, ...], remaining: float) -> None:
    workload = GATED["ligru"]
    x, h, fc = (19.9, 10.3, 10.0, 10.3, 8.4), (8.1, 6.1, 6.1, 4.8, 2.8), 11.6
    computed = {m.name: (x if m.path == "input" else h)[int(m.name[1])] / 100 for m in workload if m.path != "output"}
    computed["output"] = fc / 100
    configuration = configure(workload, [4] * 5, [4] * 5, 4, skipped)
    assert papers.remaining_operations_percent(workload, configuration, computed) == pytest.approx(remaining, abs=0.06)


def test_differences_name_each_departure() -> None:
    found = {d.what: (d.papers, d.true) for d in papers.differences(sru())}
    assert found["l0.input weights"] == (75_900, 101_200)
    assert found["output weights"] == (2_094_400, 2_129_600)
    assert found["vector weights"] == (8_800, 17_600 + 1_936)
    assert "l1.input weights" not in found
    lstm = {d.what: (d.papers, d.true) for d in papers.differences(GATED["lstm"])}
    assert lstm["l0.input_0 passes"] == (1, 2)
    assert "gates in the size of a skipped layer" in {d.what for d in papers.differences(GATED["ligru"])}


def test_silago_has_no_number_for_odd_bits() -> None:
    with pytest.raises(ValueError, match="no SiLago number for 3 bit; valid: 16, 8, 4, 2"):
        papers.silago_energy_uj(sru(), Configuration.uniform(sru(), 3))


def test_unknown_network_is_refused() -> None:
    odd = Workload("odd", (MatVec("l0.recurrent", 4, 4, "recurrent"), MatVec("output", 4, 4, "output")), 0, 0)
    with pytest.raises(ValueError, match="odd: 1 recurrent matrices"):
        papers.family(odd)
    for sizes in (Ligru(directions="separate"), Lstm(directions="separate")):
        with pytest.raises(ValueError, match="the papers treat directions that share"):
            papers.family(sizes.workload())
    assert papers.family(Lstm(directions="forward").workload()) == "lstm"
