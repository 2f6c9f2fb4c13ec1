"""What uniform bits of models cost on platforms, without any inference.

Keys of [prices]: `platforms`, as in a search, each with its own parameters; `models` and `presets`, all that there are
unless told; `bits`, of weights and activations alike. Nothing is searched: [search], [vary] and options do not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from dse.experiments.description import Experiment, own_of
from dse.experiments.findings import Findings
from dse.experiments.searches import SettingsOf
from dse.reports.pictures.style import COLOURS, styled
from models.quantization.scheme import MATRIX, ROW, Scheme
from models.registry import MODELS, preset
from models.workload import BASELINE_BITS, Configuration, InputError, size_bits
from platforms import Platform, open_platform

if TYPE_CHECKING:
    import plotly.graph_objects as go

DEFAULTS: dict[str, Any] = {
    "platforms": [],
    "models": list(MODELS),
    "presets": ["edge", "paper"],
    "bits": [BASELINE_BITS, 8, 4, 2],
}
KIB_BITS, PJ_PER_UJ, US_PER_S = 8 * 1024, 1e6, 1e6
NETWORK = ["model", "preset", "bits"]
COMPARED = ["cycles_per_frame", "speedup", "latency_us", "energy_uj"]
DASHES = ("solid", "dot", "dash", "dashdot", "longdash")  # a platform each
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")


def prices(experiment: Experiment, _: SettingsOf) -> Findings:
    """Price the configurations on every platform that runs them. Raises InputError on bad keys, names and bits."""
    own = own_of(experiment, DEFAULTS)
    if not own["platforms"]:
        raise InputError(f"{experiment.source} [prices]: platforms is empty")
    table = pd.DataFrame([row for spec in own["platforms"] for row in _rows(open_platform(spec), own)])
    if table.empty:
        raise InputError(
            f"{experiment.source} [prices]: no platform runs any of bits {', '.join(map(str, own['bits']))}"
        )
    wide = table.pivot(index=NETWORK, columns="platform", values=COMPARED).swaplevel(axis=1)
    wide = wide[[(name, column) for name in own["platforms"] for column in COMPARED if (name, column) in wide]]
    wide = wide.dropna(axis="columns", how="all").reindex(pd.MultiIndex.from_frame(table[NETWORK].drop_duplicates()))
    wide.columns = [" ".join(pair).removesuffix("_per_frame") for pair in wide.columns]
    tables = {"prices": table, "compared": wide.reset_index()}
    head = f"Cycles of a frame, times as fast as at {BASELINE_BITS} bit, latency (µs) and energy (µJ) of a frame"
    return Findings(_answer(table), tables, {"prices": _figure(experiment.title, table)}, shown={"compared": head})


def _rows(platform: Platform, own: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Sizes count the scales of the scheme that a search for the platform has."""
    scheme = Scheme(scales=ROW if platform.row_scales else MATRIX, zero_points=platform.zero_points)
    for model in own["models"]:
        for name in own["presets"]:
            workload = replace(preset(model, name).workload(), stored=scheme.stored)
            for bits in own["bits"]:
                configuration = Configuration.uniform(workload, bits)
                if platform.check(workload, configuration):
                    continue
                found = platform.estimate(workload, configuration)
                latency, energy = found.latency_seconds, found.energy_pj_per_frame
                yield {
                    "platform": platform.name,
                    "model": model,
                    "preset": name,
                    "bits": bits,
                    "size_kib": size_bits(workload, configuration) / KIB_BITS,
                    "cycles_per_frame": found.cycles_per_frame,
                    "speedup": found.speedup,
                    "latency_us": None if latency is None else latency * US_PER_S,
                    "energy_uj": None if energy is None else energy / PJ_PER_UJ,
                    **{part: value for part, value in found.metrics.items() if part.endswith("_per_frame")},
                }


def _answer(table: pd.DataFrame) -> str:
    """Speedups over 16 bit at the fewest bits, of each platform and preset."""
    texts = []
    for (platform, name), mine in table.groupby(["platform", "preset"], sort=False):
        least = mine[mine["bits"] == mine["bits"].min()]
        gains = ", ".join(f"{row.model} {row.speedup:.1f}" for row in least.itertuples())
        texts.append(f"{name} on {platform} at {least['bits'].iloc[0]} bit {gains}")
    return f"times as fast as at {BASELINE_BITS} bit: {'; '.join(texts)}"


def _figure(title: str, table: pd.DataFrame) -> go.Figure:
    """Cycles a frame over bits, a panel for each preset, a colour for each model, a dash for each platform."""
    from plotly.subplots import make_subplots

    presets, models, platforms = (list(dict.fromkeys(table[name])) for name in ("preset", "model", "platform"))
    figure = make_subplots(1, len(presets), subplot_titles=presets, horizontal_spacing=0.08)
    for (name, model, platform), mine in table.groupby(["preset", "model", "platform"], sort=False):
        place = platforms.index(platform)
        figure.add_scatter(
            x=mine["bits"].astype(str), y=mine["cycles_per_frame"], name=f"{model} {platform}",
            mode="lines+markers", showlegend=name == presets[0],
            line={"color": COLOURS[models.index(model) % len(COLOURS)], "dash": DASHES[place % len(DASHES)]},
            marker={"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 9},
            row=1, col=1 + presets.index(name),
        )  # fmt: skip
    figure.update_xaxes(title="bits of weights and activations", type="category")
    figure.update_yaxes(type="log", dtick=1, exponentformat="power")
    figure.update_yaxes(title="cycles a frame", col=1)
    return styled(figure, title, "cycles of one frame, every matvec alike")
