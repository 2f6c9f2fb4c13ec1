"""What the papers' abstracts say, beside what the experiments found here; read from their tables.

Sources: [M] Rezk et al., MOHAQ, arXiv 2108.01192, third version; [M1] its first; [S] Rezk et al., "Shrink and
Eliminate", Information 13(4):176, 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from dse.design.objective import full_objective
from dse.experiments.answers import share_of_gain
from models.workload import MissingError

OURS, THEIRS = "compensated", "nearest"  # roundings; the second is the papers'
MODELS = ("lstm", "gru", "ligru", "sru")
FLOAT_BITS_OVER_BASELINE = 2  # 32 over 16
MINOR_POINTS = 0.5


@dataclass(frozen=True)
class Results:
    """Tables of an experiment in a folder of studies. Raises MissingError where it was not run."""

    folder: Path
    experiment: str

    def table(self, name: str) -> pd.DataFrame:
        path = self.folder / self.experiment / f"{name}.csv"
        if not path.exists():
            raise MissingError(f"no {path}; python -m dse.experiment {self.experiment} makes it")
        return pd.read_csv(path)

    def front(self, **values: str) -> pd.DataFrame:
        """Points of the fronts with these values on the axes."""
        return _chosen(self.table("fronts"), values)

    def uniform(self, bits: int, metric: str, **values: str) -> float:
        """What uniform bits have."""
        rows = _chosen(self.table("within"), {**values, "of": f"uniform {bits} bit"})
        return float(rows[metric].iloc[0])


@dataclass(frozen=True)
class Claim:
    """A sentence of an abstract, what of it an experiment sees and whether it holds, and why where it does not."""

    paper: str
    says: str
    experiment: str
    sees: Callable[[Results], tuple[bool, str]]
    reason: str = ""


def claims_table(folder: Path) -> str:
    """The claims as a table in Markdown. Raises MissingError naming the experiment that was not run."""
    rows = []
    for claim in CLAIMS:
        holds, seen = claim.sees(Results(folder, claim.experiment))
        source = f"[{claim.experiment}](../{claim.experiment}/README.md)"
        rows.append((claim.paper, claim.says, "yes" if holds else "no", seen, source, "" if holds else claim.reason))
    heads = ("paper", "says", "holds", "here", "from", "why not")
    return str(tabulate(rows, heads, tablefmt="github", disable_numparse=True))


def _chosen(table: pd.DataFrame, values: dict[str, str]) -> pd.DataFrame:
    for column, value in values.items():
        table = table[table[column].astype(str) == value]
    return table


def _both(sees: Callable[[Results, str], tuple[bool, str]]) -> Callable[[Results], tuple[bool, str]]:
    """The claim seen with both roundings; it holds where it does with ours."""

    def seen(results: Results) -> tuple[bool, str]:
        (holds, ours), (_, theirs) = (sees(results, rounding) for rounding in (OURS, THEIRS))
        return holds, f"{ours}; with the papers' rounding {theirs}"

    return seen


def _compressed(times: float, points: float | None) -> Callable[[Results], tuple[bool, str]]:
    """The most compression over 32 bit within so many points, or tied with 16 bit."""

    def seen(results: Results, rounding: str) -> tuple[bool, str]:
        front = results.front(rounding=rounding)
        baseline = results.uniform(16, "error_percent", rounding=rounding)
        kept = front[front["tied"]] if points is None else front[front["error_percent"] <= baseline + points]
        if kept.empty:
            return False, "no such point"
        best = kept.sort_values("compression", ascending=False).to_dict("records")[0]
        most = FLOAT_BITS_OVER_BASELINE * best["compression"]
        return most >= times, f"{most:.1f}× at {best['error_percent'] - baseline:+.2f} points"

    return _both(seen)


def _silago(speed_share: float, saving_share: float, points: float) -> Callable[[Results], tuple[bool, str]]:
    """The largest shares of 4-bit SiLago's speedup and energy saving within so many points."""

    def seen(results: Results, rounding: str) -> tuple[bool, str]:
        def of(bits: int, metric: str) -> float:
            return results.uniform(bits, metric, rounding=rounding)

        speed, energy = (full_objective(f"silago.{name}") for name in ("speedup", "energy"))
        front = results.front(rounding=rounding)

        def share(over: float) -> tuple[bool, str]:
            kept = front[front["error_percent"] <= of(16, "error_percent") + over]
            if kept.empty:
                return False, f"no such point within {over:g}"
            values = float(kept[speed.metric].max()), float(kept[energy.metric].min())
            fast, saved = (
                share_of_gain(objective, value, of(4, objective.metric), of(16, objective.metric))
                for objective, value in zip((speed, energy), values, strict=True)
            )
            holds = fast >= speed_share and saved >= saving_share
            return holds, f"{100 * fast:.0f} % and {100 * saved:.0f} % within {over:g}"

        (holds, near), (_, far) = share(points), share(2 * points)
        return holds, f"{near}, {far} points"

    return _both(seen)


def _small(results: Results) -> tuple[bool, str]:
    """The least error at more than 85 % off the 32-bit size, of each model."""
    papers = {"lstm": 0.6, "gru": 0.0, "ligru": 2.1, "sru": 0.2}
    loss = {}
    for model in papers:
        front = results.front(model=model, rounding=OURS)
        small = front[front["compression"] > 1 / (1 - 0.85) / FLOAT_BITS_OVER_BASELINE]
        baseline = results.uniform(16, "error_percent", model=model, rounding=OURS)
        loss[model] = float(small["error_percent"].min()) - baseline
    text = ", ".join(f"{model} {points:+.2f}" for model, points in loss.items())
    return all(loss[model] <= papers[model] + 0.05 for model in papers), f"{text} points"


def _eliminated(points: float) -> Callable[[Results], tuple[bool, str]]:
    """The most eliminated operations within so many points; it holds where three of four models have over half."""

    def seen(results: Results) -> tuple[bool, str]:
        most = {}
        for model in MODELS:
            front = results.front(model=model, rounding=OURS)
            baseline = results.uniform(16, "error_percent", model=model, rounding=OURS)
            most[model] = float(front[front["error_percent"] <= baseline + points]["eliminated_percent"].max())
        text = ", ".join(f"{model} {value:.0f} %" for model, value in most.items())
        return sum(value > 50 for value in most.values()) >= 3, f"within {points} points: {text}"

    return seen


def _best(
    metric: str, model: str, least: bool, points: float | None, unit: str
) -> Callable[[Results], tuple[bool, str]]:
    """The model that is best in a metric among what is within so many points of the best baseline's error."""

    def seen(results: Results) -> tuple[bool, str]:
        baselines = [results.uniform(16, "error_percent", model=name, rounding=OURS) for name in MODELS]
        best = {}
        for name in MODELS:
            front = results.front(model=name, rounding=OURS)
            kept = front if points is None else front[front["error_percent"] <= min(baselines) + points]
            best[name] = float(kept[metric].min() if least else kept[metric].max()) if len(kept) else float("nan")
        order = min if least else max
        known = {name: value for name, value in best.items() if value == value}
        text = ", ".join(
            f"{name} {value:.3g} {unit}" if value == value else f"{name} none" for name, value in best.items()
        )
        at = f"within {points} points of the best baseline: " if points is not None else ""
        return order(known, key=lambda name: known[name]) == model, at + text

    return seen


SMALL_NETWORKS = (
    "these networks have some 0.4 million weights, the papers' 5.5 to 14 million, of which fewer may be needed"
)
CLAIMS: Sequence[Claim] = (
    Claim(
        "[M]",
        "the SRU is compressed up to 8 times without significant error",
        "mohaq-1",
        _compressed(8, None),
        SMALL_NETWORKS,
    ),
    Claim(
        "[M]",
        "SiLago: 97 % of the maximum speedup and 86 % of the energy saving at a minor increase of error",
        "mohaq-2",
        _silago(0.97, 0.86, MINOR_POINTS),
        SMALL_NETWORKS,
    ),
    Claim("[M1]", "12 times at 1.5 points", "mohaq-1", _compressed(12, 1.5), SMALL_NETWORKS),
    Claim(
        "[M1]",
        "SiLago: 80 % and 64 % of the maximum at 0.5 points",
        "mohaq-2",
        _silago(0.80, 0.64, 0.5),
        SMALL_NETWORKS,
    ),
    Claim(
        "[S]",
        "over 85 % off the 32-bit size costs LSTM 0.6, GRU 0, LiGRU 2.1 and SRU 0.2 points",
        "se-1",
        _small,
        SMALL_NETWORKS,
    ),
    Claim(
        "[S]",
        "delta gates eliminate over half of the operations in most cases at a minor increase of error",
        "se-4",
        _eliminated(1.0),
        "gates are merely set here, on networks that were not trained with them",
    ),
    Claim(
        "[S]",
        "the LSTM is best at low error",
        "se-4",
        _best("error_percent", "lstm", True, None, "%"),
        "which network errs least at 16 bit is a matter of its training",
    ),
    Claim(
        "[S]",
        "the SRU is the smallest where more error is acceptable",
        "se-4",
        _best("size_mib", "sru", True, 6, "MiB"),
        "of the networks here the LiGRU has the fewest weights; the papers' SRU had fewer than their others",
    ),
    Claim(
        "[S]",
        "the LiGRU has the most eliminated operations",
        "se-4",
        _best("eliminated_percent", "ligru", False, 6, "%"),
    ),
)
