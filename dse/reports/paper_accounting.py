"""The papers' own accounting, derived by rule from the true workload, for side-by-side tables.

`counted(workload)` is the workload as the papers count it; the formulas below price that. Nothing here is a platform:
the platforms use true sizes and cycles. `differences(workload)` lists what the papers count otherwise, and why.

Source: Rezk et al., "MOHAQ: Multi-Objective Hardware-Aware Quantization of recurrent neural networks"
(arXiv 2108.01192) and "Shrink and Eliminate" (Information 13(4):176), with their public code
(github.com/NesmaMRezk/MOHAQ-Shrink-and-Eliminate).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from models.workload import BASELINE_BITS, BITS_PER_MIB, FLOAT_BITS, Configuration, MatVec, Workload, size_bits, total

SILAGO_SPEEDUP = {16: 1, 8: 2, 4: 4, 2: 8}  # the hardware has no 2-bit mode; the energy table makes it unattractive
SILAGO_MAC_PJ = {16: 1.666, 8: 1.084 / 2, 4: 0.613 / 4, 2: 100.0}
SILAGO_SRAM_PJ_PER_BIT = 0.08
COMPUTED_16_BIT_PERCENT = 97  # assumed by the papers, not measured, for every 16-bit vector

OLD_TARGETS, TARGETS = 1904, 1936  # context-dependent targets of the older and the newer alignment
SRU_BLOCKS = 3  # sub-matrices of W: candidate, forget gate, reset gate; the highway block is left out
SRU_LAYERS = 4  # the network that the constants were made for
ELEMENTWISE_OPS_PER_UNIT = 20
FP32_MIB = (21.2, 29.8, 54.4, 53.0, 38.2)  # SRU-4, SRU-6, LSTM, GRU, LiGRU, as rounded in the papers' tables
GATES = {4: "lstm", 3: "gru", 2: "ligru"}


@dataclass(frozen=True)
class Difference:
    """One thing that the papers count otherwise than the workload does."""

    what: str
    papers: float
    true: float
    why: str


def family(workload: Workload) -> str:
    """Family of a network, by its matrices: sru, lstm, gru or ligru. Raises ValueError for one not in the papers.

    The papers' directions share their recurrent matrices.
    """
    if any(m.passes * m.rows != _output(workload).cols for m in workload if _is_recurrent(m) and m.layer == "l0"):
        raise ValueError(f"workload {workload.model}: the papers treat directions that share their recurrent matrices")
    gates = gate_count(workload)
    if gates == 0:
        return "sru"
    if gates not in GATES:
        raise ValueError(
            f"workload {workload.model}: {gates} recurrent matrices in a layer; the papers treat 0, 2, 3, 4"
        )
    return GATES[gates]


def gate_count(workload: Workload) -> int:
    """Recurrent matrices in the first layer; 0 for an SRU."""
    return sum(_is_recurrent(m) and m.layer == "l0" for m in workload)


def layer_count(workload: Workload) -> int:
    return len({m.layer for m in workload if m.path != "output"})


def counted(workload: Workload) -> Workload:
    """The workload as the papers count it: the same matvecs with their sizes and passes, their vectors and the rest."""
    kind, units = family(workload), _output(workload).cols

    def resize(matvec: MatVec) -> MatVec:
        if kind == "sru" and matvec.path == "input":
            return replace(matvec, rows=SRU_BLOCKS * units)
        if kind == "sru" and matvec.path == "output" and matvec.rows == TARGETS:
            return replace(matvec, rows=OLD_TARGETS)
        return replace(matvec, passes=1) if matvec.path == "input" else matvec

    if kind == "sru":
        vectors, elementwise = SRU_LAYERS * 2 * units, SRU_LAYERS * ELEMENTWISE_OPS_PER_UNIT * units
    else:
        vectors, elementwise = layer_count(workload) * units, 0  # two vectors of units/2 hidden units in each layer
    return Workload(workload.model, tuple(map(resize, workload)), vectors, elementwise)


def normaliser(workload: Workload) -> int:
    """Divisor of the papers' MAC-weighted sums: 5,637,500 for SRU-4 and SRU-3, the MACs per frame elsewhere."""
    papers = counted(workload)
    if family(workload) != "sru" or layer_count(workload) > SRU_LAYERS:
        return papers.macs_per_frame
    later = sum(m.macs_per_frame for m in papers if m.layer not in ("l0", "output"))
    missing = SRU_LAYERS - layer_count(workload)
    per_layer = later // max(layer_count(workload) - 1, 1)
    return papers.macs_per_frame + missing * per_layer + papers.elementwise_ops_per_frame


def size_mib(workload: Workload, configuration: Configuration) -> float:
    """Size as the papers count it; a skipped layer keeps its candidate matrix at 16 bit."""
    return size_bits(counted(workload), configuration) / BITS_PER_MIB


def ligru_size_mib_as_coded(workload: Workload, configuration: Configuration) -> float:
    """The LiGRU size that the papers' code prints: a skipped layer keeps a third at 16 bit, where half is right."""
    papers = counted(workload)
    excess = 0.0
    for candidate in papers:
        if candidate.path == "candidate" and configuration[candidate.name].skip:
            kept_bits = configuration[candidate.name].weight_bits
            excess += candidate.weights / 3 * (BASELINE_BITS - kept_bits)
    return size_mib(workload, configuration) - excess / BITS_PER_MIB


def compression(workload: Workload, configuration: Configuration) -> float:
    """FP32 size / size, with the papers' rounded FP32 sizes for their networks and the exact one for others."""
    exact = counted(workload).weights * FLOAT_BITS / BITS_PER_MIB
    fp32 = next((rounded for rounded in FP32_MIB if abs(rounded - exact) < 0.01 * exact), exact)
    return fp32 / size_mib(workload, configuration)


def silago_speedup(workload: Workload, configuration: Configuration) -> float:
    """MAC-weighted arithmetic mean of the layers' speedups; elementwise work counts in the denominator only.

    Both SiLago formulas raise ValueError for bits that the papers have no number for.
    """
    return _mac_mean(workload, configuration, lambda w, a: _silago(SILAGO_SPEEDUP, w))


def silago_energy_uj(workload: Workload, configuration: Configuration) -> float:
    """Energy per frame [uJ]: every weight bit read once from SRAM, every MAC at its precision."""
    papers = counted(workload)
    macs_pj = total(m.macs_per_frame * _silago(SILAGO_MAC_PJ, configuration[m.name].operand_bits[0]) for m in papers)
    return (size_mib(workload, configuration) * BITS_PER_MIB * SILAGO_SRAM_PJ_PER_BIT + macs_pj) / 1e6


def bitfusion_speedup(workload: Workload, configuration: Configuration) -> float:
    """MAC-weighted arithmetic mean of 256 / (weight bits * activation bits)."""
    elementwise = 0.0002 if family(workload) != "sru" else 0.0
    return _mac_mean(workload, configuration, lambda w, a: BASELINE_BITS**2 / (w * a)) + elementwise


def operation_shares(workload: Workload) -> dict[str, float]:
    """Each matvec's share of the operations, by which the papers weigh computed fractions. Unrounded."""
    return {m.name: m.macs_per_frame / normaliser(workload) for m in counted(workload)}


def remaining_operations_percent(
    workload: Workload, configuration: Configuration, computed: Mapping[str, float]
) -> float:
    """Operations still executed [%], with 97 % assumed for skipped (16-bit) paths. 100 minus this is "eliminated"."""
    percent = 0.0
    for name, share in operation_shares(workload).items():
        percent += share * (COMPUTED_16_BIT_PERCENT if configuration[name].skip else 100 * computed[name])
    return percent + COMPUTED_16_BIT_PERCENT * _elementwise_share(workload)


def differences(workload: Workload) -> list[Difference]:
    """Differences of the papers' counts from this workload's, one entry for each thing that differs."""
    papers, found = counted(workload), []
    for ours, theirs in zip(workload, papers, strict=True):
        if ours.rows != theirs.rows:
            why = (
                "the older alignment has 1904 targets, the deployed one 1936"
                if ours.path == "output"
                else "3 sub-matrices, where a layer whose input and output sizes differ has a fourth for the highway"
            )
            found.append(Difference(f"{ours.name} weights", theirs.weights, ours.weights, why))
        if ours.passes != theirs.passes:
            why = "W·x counted once for both directions, though each direction has its own delta state"
            found.append(Difference(f"{ours.name} passes", theirs.passes, ours.passes, why))
    if papers.vector_weights != workload.vector_weights:
        why = (
            "half of v and b of 4 layers, whatever the layer count, and no output bias"
            if family(workload) == "sru"
            else "two vectors a layer instead of one bias for each gate (batch norm folded), and no output bias"
        )
        found.append(Difference("vector weights", papers.vector_weights, workload.vector_weights, why))
    if papers.elementwise_ops_per_frame != workload.elementwise_ops_per_frame:
        ours_ops, their_ops = workload.elementwise_ops_per_frame, papers.elementwise_ops_per_frame
        found.append(Difference("elementwise operations", their_ops, ours_ops, "20 for each unit of 4 layers, or none"))
    true_operations = workload.macs_per_frame + workload.elementwise_ops_per_frame
    if normaliser(workload) != true_operations:
        why = "divisor of the MAC-weighted means: SRU-3 keeps that of SRU-4, others leave out elementwise work"
        found.append(Difference("normaliser", normaliser(workload), true_operations, why))
    if family(workload) == "ligru":
        found.append(Difference("gates in the size of a skipped layer", 3, 2, "the GRU's split, copied to LiGRU"))
    return found


def _silago(table: Mapping[int, float], bits: int) -> float:
    if bits not in table:
        raise ValueError(f"the papers have no SiLago number for {bits} bit; valid: {', '.join(map(str, table))}")
    return table[bits]


def _mac_mean(workload: Workload, configuration: Configuration, speedup: Callable[[int, int], float]) -> float:
    macs = total(m.macs_per_frame * speedup(*configuration[m.name].operand_bits) for m in counted(workload))
    return macs / normaliser(workload)


def _elementwise_share(workload: Workload) -> float:
    """Share of elementwise operations: 0.0156 for SRU-4 by arithmetic; the papers' 0.0002 and 0.002 elsewhere."""
    if family(workload) != "sru":
        return 0.0002
    papers = counted(workload)
    return papers.elementwise_ops_per_frame / normaliser(workload) if layer_count(workload) <= SRU_LAYERS else 0.002


def _output(workload: Workload) -> MatVec:
    return next(m for m in workload if m.path == "output")


def _is_recurrent(matvec: MatVec) -> bool:
    return matvec.path in ("recurrent", "candidate")
