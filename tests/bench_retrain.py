"""What retraining under quantization gains over the same configurations merely evaluated, as a page.

Run by hand: python tests/bench_retrain.py [models...] [--gates sru,gru] [--epochs 4] [--out FOLDER] [--png 1000]
All figures are the integer engine's on the validation split of the embedded corpus; those of retrained networks are of
the checkpoints as written, opened again. First every model at uniform bits. Then delta gates: a search over error and
eliminated operations sets thresholds (and bits) without retraining, and points of its front some way above the
baseline's error are retrained. Page, tables and picture are written into the folder; checkpoints and the searches'
studies stay there too, where the same command finds them again. One thread, one network at a time, for an hour.
"""

import argparse
import shlex
import sys
import time
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dse.console import names, one_line_errors, require_folder
from dse.design.objective import eliminated_percent
from dse.evaluator.task import NetworkTask
from dse.experiments.description import Experiment
from dse.experiments.findings import Findings
from dse.experiments.page import write_findings
from dse.exploration.run import run_search
from dse.exploration.settings import SearchSettings
from dse.reports.images import PNG_HELP, require_drawable
from dse.reports.pictures.style import COLOURS, SYMBOLS, styled
from dse.retraining.retrain import retrain
from dse.retraining.settings import RetrainSettings
from dse.study.result import Study
from models.checkpoint import load, read_card
from models.registry import MODELS
from models.workload import Configuration, InputError

SOURCE, OUT = "tests/bench_retrain.py", Path("studies/retrain")
TITLE = "Retraining under quantization"
QUESTION = "What does retraining at a point's own bits and thresholds bring?"
SURPRISE = """
LSTM, GRU and LiGRU retrained at W4A4 err less than in float, the LiGRU by more than a point: a few more epochs are
worth something in themselves. Weights of 2 bits then cost under a point; activations of 2 bits cost every model five to
six points more. Gates eliminate less once retrained, the SRU's by 4 to 6 percent of all operations, the GRU's by about
one, and yet far more than gates that are only set do at the same error: over half within 1.2 points in both, as the
papers claim. Training is in float32, whose sums differ from processor to processor: so do these errors, by up to 0.6
points where all is 2 bits and 0.3 elsewhere."""
UNIFORM = {(4, 4): 0.8, (2, 4): 2.2, (2, 2): 8.0}  # weight and activation bits: points over float at most
WITHIN = (1.0, 1.2, 2.0)  # points over the baseline
ANSWERED = 1.2  # of these, what the answer is about
ABOVE = (2.0, 3.0, 5.0)  # points over the baseline, of what is retrained with its gates
EVALUATIONS = 300
Rows = list[dict]


def made(model: str, configuration: Configuration, name: str, settings: RetrainSettings, folder: Path) -> dict:
    """Card of the retrained network, to which what its file measures now is held; trained where there is none yet."""
    out, task, start = folder / f"{name}.safetensors", NetworkTask(model), time.process_time()
    if not out.exists():
        retrain(task.checkpoint_path, configuration, task.open_corpus(), out, settings=settings)
        print(f"{name}: {(time.process_time() - start) / 60:.1f} minutes of a processor", flush=True)
    card = read_card(out)[1]["retrained"]
    measurer = NetworkTask(model, checkpoint=str(out)).open()
    found = measurer.measure(configuration)
    eliminated = eliminated_percent(measurer.workload, found.computed)
    assert card["after"] == {"validation_error_percent": found.error_percent, "eliminated_percent": eliminated}, name
    return card


def uniform(model: str, settings: RetrainSettings, folder: Path) -> Rows:
    task, rows = NetworkTask(model), []
    in_float = load(task.checkpoint_path).card["float_error_percent"]["validation"]
    for (weight_bits, act_bits), most in UNIFORM.items():
        name = f"W{weight_bits}A{act_bits}"
        chosen = Configuration.uniform(task.workload, weight_bits, act_bits)
        card = made(model, chosen, f"{model}-{name}", settings, folder)
        before, after = (card[when]["validation_error_percent"] for when in ("before", "after"))
        errors = {"float_percent": in_float, "evaluated_percent": before, "retrained_percent": after}
        over = {"over_float_points": after - in_float, "at_most_points": most}
        kept = "yes" if after - in_float <= most else "no"
        rows.append({"model": model, "bits": name, **errors, **over, "kept": kept})
    return rows


def searched(model: str, folder: Path) -> Study:
    return run_search(
        SearchSettings.of(
            model=model,
            objectives=("error", "ops"),
            evaluations=EVALUATIONS,
            workers=1,
            storage=f"sqlite:///{folder}/gates.db",
        )
    )


def gates(model: str, settings: RetrainSettings, folder: Path) -> tuple[Rows, Rows]:
    """Rows of what was retrained, and of the front that the search found for it."""
    study = searched(model, folder)
    baseline = study.baseline.metrics["error_percent"]
    points = [(e.metrics["error_percent"] - baseline, e.metrics["eliminated_percent"]) for e in study.front]
    # of a front over these two, the last point within so many is the one that eliminates most
    chosen = [max(number for number, (over, _) in enumerate(points, 1) if over <= above) for above in ABOVE]
    rows = []
    for number in dict.fromkeys(chosen):
        over, eliminated = points[number - 1]
        card = made(model, study.front[number - 1].configuration, f"{study.name}-{number}", settings, folder)
        before = {"set_over_16_bit_points": over, "set_eliminated_percent": eliminated}
        after = {"retrained_over_16_bit_points": card["after"]["validation_error_percent"] - baseline}
        after["retrained_eliminated_percent"] = card["after"]["eliminated_percent"]
        rows.append({"model": model, "point": f"{study.name}:{number}", **before, **after})
    front = [{"model": model, "set_over_16_bit_points": over, "set_eliminated_percent": e} for over, e in points]
    return rows, front


def most_within(retrained: pd.DataFrame, fronts: pd.DataFrame) -> pd.DataFrame:
    """The most eliminated operations of each model within so many points, by gates as they are set and retrained."""
    rows: Rows = []
    for model in retrained["model"].unique():
        for points in WITHIN:
            row = {"model": model, "within_points": points}
            for way, table in (("set", fronts), ("retrained", retrained)):
                kept = table[(table["model"] == model) & (table[f"{way}_over_16_bit_points"] <= points)]
                row[f"{way}_eliminated_percent"] = kept[f"{way}_eliminated_percent"].max()
            rows.append(row)
    return pd.DataFrame(rows)


def findings_of(uniform: pd.DataFrame, retrained: pd.DataFrame, fronts: pd.DataFrame) -> Findings:
    """What the page tells of rows of `uniform` and `gates`."""
    most = most_within(retrained, fronts)
    over = "; ".join(
        f"{model} {', '.join(f'{points:+.2f}' for points in rows['over_float_points'])}"
        for model, rows in uniform.groupby("model", sort=False)
    )
    eliminated = ", ".join(
        f"{row.model} {row.retrained_eliminated_percent:.1f} % ({row.set_eliminated_percent:.1f} %)"
        for row in most[most["within_points"] == ANSWERED].itertuples()
    )
    answer = (
        f"points over float at {', '.join(uniform['bits'].unique())}: {over}; "
        f"eliminated within {ANSWERED} points of 16 bit with gates retrained (only set): {eliminated}"
    )
    tables = {"uniform": uniform, "gates": retrained, "within": most, "fronts": fronts}
    shown = {
        "uniform": "Phone error rate in float, as evaluated at uniform bits and retrained at them; points over float",
        "gates": "Error over 16 bit and eliminated operations of points with gates only set, and retrained",
        "within": "Most eliminated operations within so many points of 16 bit, with gates only set, and retrained",
    }
    return Findings(answer, tables, {"retrained": figure_of(uniform, retrained, fronts)}, shown)


def figure_of(uniform: pd.DataFrame, retrained: pd.DataFrame, fronts: pd.DataFrame) -> go.Figure:
    """Errors over float by bits; eliminated operations over the error, an arrow from gates as set to retrained ones."""
    figure = make_subplots(1, 2, horizontal_spacing=0.12, subplot_titles=("uniform bits", "delta gates"))
    for k, (model, mine) in enumerate(uniform.groupby("model", sort=False)):
        look = {"color": COLOURS[k], "symbol": SYMBOLS[k], "size": 9}
        for way, dash in (("evaluated", "dot"), ("retrained", "solid")):
            figure.add_scatter(
                x=mine["bits"], y=mine[f"{way}_percent"] - mine["float_percent"], name=f"{model} {way}",
                mode="lines+markers", line={"color": COLOURS[k], "dash": dash}, marker=look, row=1, col=1,
            )  # fmt: skip
        for way, table, mode in (("set", fronts, "lines"), ("retrained", retrained, "markers")):
            points = table[table["model"] == model]
            figure.add_scatter(
                x=points[f"{way}_over_16_bit_points"], y=points[f"{way}_eliminated_percent"], mode=mode,
                line={"color": COLOURS[k], "dash": "dot"}, marker=look, showlegend=False, row=1, col=2,
            )  # fmt: skip
        for row in retrained[retrained["model"] == model].itertuples():
            figure.add_annotation(
                x=row.retrained_over_16_bit_points, y=row.retrained_eliminated_percent,
                ax=row.set_over_16_bit_points, ay=row.set_eliminated_percent,
                xref="x2", yref="y2", axref="x2", ayref="y2", arrowhead=2, arrowcolor=COLOURS[k], standoff=5,
            )  # fmt: skip
    figure.update_yaxes(title="points of error over float", row=1, col=1)
    figure.update_xaxes(title="weights and activations of every matvec", type="category", row=1, col=1)
    figure.update_yaxes(title="eliminated operations (%)", row=1, col=2)
    figure.update_xaxes(title="points of error over 16 bit", range=[-0.5, max(ABOVE) + 0.5], row=1, col=2)
    subtitle = "dotted as evaluated or set without retraining; arrows lead from these points to the same ones retrained"
    return styled(figure, TITLE, subtitle, legend_px=85)


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    given = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS), help=f"of {', '.join(MODELS)}")
    parser.add_argument("--gates", default="sru,gru", help="models whose gates are retrained; default %(default)s")
    parser.add_argument("--epochs", type=int, default=RetrainSettings.epochs, help="default %(default)s")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER", help="default %(default)s")
    parser.add_argument("--png", type=int, metavar="PIXELS", help=PNG_HELP)
    options = parser.parse_args(given)
    settings, gated = RetrainSettings(epochs=options.epochs), [*names(options.gates)]
    if unknown := {*options.models} - {*MODELS}:
        raise InputError(f"no model '{unknown.pop()}'; there are {', '.join(MODELS)}")
    if not gated or not {*gated} <= {*options.models}:
        raise InputError(f"--gates {options.gates}: it takes one or more of {', '.join(options.models)}")
    if options.png is not None:
        require_drawable(options.png)
    require_folder(options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = [row for model in options.models for row in uniform(model, settings, options.out)]
    retrained, fronts = [], []
    for model in gated:
        for found, more in zip((retrained, fronts), gates(model, settings, options.out), strict=True):
            found += more
    surprise = SURPRISE.strip() if options.out == OUT else ""  # it is of what is published
    told = Experiment(OUT.name, SOURCE, TITLE, QUESTION, "", {}, {}, {}, surprise)
    findings = findings_of(*map(pd.DataFrame, (rows, retrained, fronts)))
    command = shlex.join(["python", SOURCE, *given])
    print(findings.answer, *write_findings(told, findings, options.out, command, options.png), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
