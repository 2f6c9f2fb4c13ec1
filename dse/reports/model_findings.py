"""Uniform configurations of the shipped models, measured, and the papers' qualitative findings held against them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dse.design.evaluation import Evaluation
from dse.design.objective import eliminated_percent, size_metrics
from dse.evaluator.task import NetworkTask
from models.quantization.scheme import COMPENSATED, MATRIX, NEAREST
from models.workload import BASELINE_BITS, FLOAT_BITS, Configuration, Workload, size_mib

if TYPE_CHECKING:
    from dse.evaluator.measurement import Measurer
    from dse.study.result import Study

WIDTHS = (FLOAT_BITS, BASELINE_BITS, 8, 4, 2)
PAIRS = ((4, 8), (2, 8), (2, 4), (4, 2))  # weight bits, activation bits
DELTAS = ((8, 4), (8, 8), (8, 16), (4, 1), (4, 2))  # (bits, threshold in steps)
SMALL_PERCENT = 85  # off the float size
NO_SKIP, FIRST, ALL = "none", "first", "all"


@dataclass(frozen=True)
class Point:
    """One configuration of one model."""

    label: str
    skip: str
    rounding: str
    error_percent: float
    size_mib: float
    compression: float
    eliminated_percent: float


@dataclass(frozen=True)
class ModelReport:
    """Points of one network. `mixed` is its best mixed configuration over SMALL_PERCENT off the float size, if any."""

    model: str  # what tables call it
    float_mib: float
    points: dict[tuple[str, str, str], Point]  # by (label, skip, rounding)
    mixed: Evaluation | None = None

    def at(self, label: str, skip: str = NO_SKIP, rounding: str = COMPENSATED) -> Point:
        return self.points[label, skip, rounding]

    @property
    def baseline(self) -> Point:
        return self.at("16")

    def loss(self, label: str, skip: str = NO_SKIP) -> float:
        """Points of PER above the 16-bit baseline."""
        return self.at(label, skip).error_percent - self.baseline.error_percent


def skipped(workload: Workload, configuration: Configuration, which: str) -> Configuration:
    """The candidate gate's recurrent path left at 16 bit: in the first half of the layers, rounded up, or in all."""
    candidates = [matvec.name for matvec in workload if matvec.path == "candidate"]
    count = {NO_SKIP: 0, FIRST: (len(candidates) + 1) // 2, ALL: len(candidates)}[which]
    for name in candidates[:count]:
        configuration = configuration.with_setting(name, skip=True, delta=0)
    return configuration


def measure_model(name: str, model: str, preset: str, studies: Sequence[Study] = ()) -> ModelReport:
    """Run a shipped checkpoint on the validation split at every reported configuration.

    The integer ones run by the default scheme and by the papers'. `studies` are searched for the best mixed one.
    """
    from tqdm import tqdm

    ours = NetworkTask(model, preset).open()
    papers = NetworkTask(model, preset, rounding=NEAREST, scales=MATRIX, zero_points=False).open()
    workload = ours.workload
    whole = [(_label(bits), NO_SKIP, Configuration.uniform(workload, bits)) for bits in WIDTHS]
    integer = [*whole[2:], *((f"W{w}A{a}", NO_SKIP, Configuration.uniform(workload, w, a)) for w, a in PAIRS)]
    delta = [(f"{bits}, delta {d}", NO_SKIP, Configuration.uniform(workload, bits, delta=d)) for bits, d in DELTAS]
    skip = [
        (label, which, skipped(workload, configuration, which))
        for which in (FIRST, ALL)
        for label, _, configuration in whole[2:]
        if any(matvec.path == "candidate" for matvec in workload)
    ]
    jobs = [(ours, COMPENSATED, job) for job in (*whole[:2], *integer, *delta, *skip)]
    jobs += [(papers, NEAREST, job) for job in integer]
    points = {}
    for measurer, rounding, (label, which, configuration) in tqdm(
        jobs, desc=name, unit="configuration", disable=None, leave=False
    ):
        points[label, which, rounding] = _measure(measurer, rounding, label, which, configuration)
    float_mib = size_mib(workload, Configuration.uniform(workload, FLOAT_BITS))
    mine = [s for s in studies if (s.identity["model"], s.identity["preset"]) == (model, preset)]
    return ModelReport(name, float_mib, points, _best_mixed(float_mib, mine))


def _best_mixed(float_mib: float, studies: Sequence[Study]) -> Evaluation | None:
    """The evaluation with the least error among those that are small enough."""
    small = [
        evaluation
        for study in studies
        for evaluation in study.evaluations
        if evaluation.measured and evaluation.metrics["size_mib"] < (1 - SMALL_PERCENT / 100) * float_mib
    ]
    return min(small, key=lambda evaluation: evaluation.metrics["error_percent"], default=None)


def _measure(measurer: Measurer, rounding: str, label: str, skip: str, configuration: Configuration) -> Point:
    workload = measurer.workload
    measurement = measurer.measure(configuration)
    size = size_metrics(workload, configuration)
    return Point(
        label,
        skip,
        rounding,
        measurement.error_percent,
        size["size_mib"],
        size["compression"],
        eliminated_percent(workload, measurement.computed),
    )


def _label(bits: int) -> str:
    return "float" if bits == FLOAT_BITS else str(bits)


def rows(report: ModelReport) -> list[tuple[str, ...]]:
    """One table row per point."""
    found: list[tuple[str, ...]] = []
    for point in report.points.values():
        found.append(
            (
                report.model,
                point.label,
                point.skip,
                "–" if point.label in ("float", "16") else point.rounding,
                f"{point.error_percent:.2f}",
                f"{point.error_percent - report.baseline.error_percent:+.2f}",
                f"{point.size_mib:.3f}",
                f"{point.compression:.2f}",
                f"{100 * (1 - point.size_mib / report.float_mib):.1f}",
                "–" if point.label == "float" else f"{point.eliminated_percent:.1f}",
            )
        )
    return found


HEADERS = (
    "model", "configuration", "skip", "rounding", "PER %", "Δ", "size MiB", "×16 bit", "% off float", "eliminated %",
)  # fmt: skip
Reports = dict[str, ModelReport]
SHORT = ("float", "16", "8", "W4A8", "4", "W2A8", "W2A4", "W4A2", "2")


def errors_table(reports: Reports) -> list[tuple[str, ...]]:
    """A row of PERs for each model and rounding: the configurations of SHORT, nothing skipped, delta 0."""
    return [
        (model, rounding, *(f"{_unrounded(report, label, rounding).error_percent:.2f}" for label in SHORT))
        for model, report in reports.items()
        for rounding in (NEAREST, COMPENSATED)
    ]


def _unrounded(report: ModelReport, label: str, rounding: str) -> Point:
    return report.at(label, rounding=COMPENSATED if label in ("float", "16") else rounding)


def findings(reports: Reports) -> list[str]:
    """Each qualitative finding of Rezk et al. (Information 13(4):176, 2022), whether it holds here, and the numbers.

    Of compensated rounding, row scales and zero points.
    """
    checks: list[tuple[str, Callable[[Reports], tuple[bool, str]]]] = [
        ("skipping the candidate path rescues low-bit LiGRU and GRU", _skipping),
        ("integer activations alone already eliminate operations", _free_operations),
        (
            "over 85 % off the float size costs LSTM, GRU, LiGRU and SRU at most 0.6, 0, 2.1 and 0.2 points",
            _compression,
        ),
        ("LSTM has the lowest error", lambda r: _extreme(r, lambda m: m.at("float").error_percent, "lstm", min, "PER")),
        ("SRU is the smallest", lambda r: _extreme(r, lambda m: m.at("4").size_mib, "sru", min, "MiB at 4 bit")),
        (
            "LiGRU has the most eliminated operations",
            lambda r: _extreme(r, lambda m: m.at("8").eliminated_percent, "ligru", max, "% at 8 bit, delta 0"),
        ),
        ("delta eliminates over half of the operations within 1 point", _delta),
    ]
    lines = []
    for finding, check in checks:
        holds, numbers = check(reports)
        lines.append(f"- {finding}: {'holds' if holds else 'does not hold'} here ({numbers})")
    return lines


def _skipping(reports: Reports) -> tuple[bool, str]:
    """Check of a rescue: the loss at 4 or at 2 bit is at least halved by keeping all candidate paths at 16 bit."""
    holds, numbers = True, []
    for model in ("ligru", "gru"):
        losses = {label: (reports[model].loss(label), reports[model].loss(label, ALL)) for label in ("4", "2")}
        holds = holds and any(after < 0.5 * before for before, after in losses.values())
        numbers += [f"{model} at {label} bit {a:+.2f} → {b:+.2f} points" for label, (a, b) in losses.items()]
    return holds, ", ".join(numbers)


def _free_operations(reports: Reports) -> tuple[bool, str]:
    gains = {
        model: (r.baseline.eliminated_percent, r.at("8").eliminated_percent, r.at("4").eliminated_percent)
        for model, r in reports.items()
    }
    numbers = ", ".join(f"{model} {a:.0f} → {b:.0f} → {c:.0f} %" for model, (a, b, c) in gains.items())
    return all(c > b > a for a, b, c in gains.values()), f"16 → 8 → 4 bit: {numbers}"


def _compression(reports: Reports) -> tuple[bool, str]:
    paper = {"lstm": 0.6, "gru": 0.0, "ligru": 2.1, "sru": 0.2}
    losses = {model: reports[model].loss("4") for model in paper}
    saved = {model: 100 * (1 - reports[model].at("4").size_mib / reports[model].float_mib) for model in paper}
    numbers = ", ".join(f"{model} {losses[model]:+.2f} points, {saved[model]:.1f} % off" for model in paper)
    text = f"uniform 4 bit: {numbers}"
    for model, report in reports.items():
        if report.mixed is not None:
            metrics = report.mixed.metrics
            off = 100 * (1 - metrics["size_mib"] / report.float_mib)
            loss = metrics["error_percent"] - report.baseline.error_percent
            text += f"; best mixed {model} {loss:+.2f} points, {off:.1f} % off"
            losses[model], saved[model] = min((losses[model], saved[model]), (loss, off))
    return all(losses[m] <= paper[m] and saved[m] > SMALL_PERCENT for m in paper), text


def _extreme(
    reports: Reports, value: Callable[[ModelReport], float], expected: str, best: Callable[..., str], unit: str
) -> tuple[bool, str]:
    values = {model: value(report) for model, report in reports.items()}
    numbers = ", ".join(f"{model} {v:.2f}" for model, v in values.items())
    return best(values, key=lambda model: values[model]) == expected, f"{numbers} {unit}"


def _delta(reports: Reports) -> tuple[bool, str]:
    best = {}
    for model, report in reports.items():
        within = [p for p in report.points.values() if p.error_percent <= report.baseline.error_percent + 1.0]
        best[model] = max(p.eliminated_percent for p in within)
    numbers = ", ".join(f"{model} {value:.0f} %" for model, value in best.items())
    return all(value > 50 for value in best.values()), f"most eliminated within 1 point: {numbers}"
