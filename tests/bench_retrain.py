"""What retraining under quantization gains over the same configurations merely evaluated. Markdown.

Run by hand: python tests/bench_retrain.py [models...] [--gates sru,gru] [--epochs 4] [--folder FOLDER]
All figures are the integer engine's on the validation split of the embedded corpus; those of retrained networks are of
the checkpoints as written, opened again. First every model at uniform bits. Then delta gates: a search over error and
eliminated operations sets thresholds (and bits) without retraining, and points of its front some way above the
baseline's error are retrained. Checkpoints, and the studies of the searches, stay in the folder, where the same command
finds them again. One thread, one network at a time.
"""

import argparse
import time
from pathlib import Path

from tabulate import tabulate

from dse.design.objective import eliminated_percent
from dse.evaluator.task import NetworkTask
from dse.exploration.run import run_search
from dse.exploration.settings import SearchSettings
from dse.retraining.retrain import retrain
from dse.retraining.settings import RetrainSettings
from dse.study.result import Study
from models.checkpoint import load, read_card
from models.registry import MODELS
from models.workload import Configuration

UNIFORM = {(4, 4): 0.8, (2, 4): 2.2, (2, 2): 8.0}  # weight and activation bits: points over float at most
WITHIN = (1.0, 1.2, 2.0)  # points over the baseline
ABOVE = (2.0, 3.0, 5.0)  # points over the baseline, of what is retrained with its gates
EVALUATIONS = 300


def made(model: str, configuration: Configuration, name: str, settings: RetrainSettings, folder: Path) -> dict:
    """Card of the retrained network, and what its file measures now; its processor seconds where it is trained now."""
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


def uniform(model: str, settings: RetrainSettings, folder: Path) -> list[list[str]]:
    task, rows = NetworkTask(model), []
    in_float = load(task.checkpoint_path).card["float_error_percent"]["validation"]
    for (weight_bits, act_bits), most in UNIFORM.items():
        name = f"W{weight_bits}A{act_bits}"
        chosen = Configuration.uniform(task.workload, weight_bits, act_bits)
        card = made(model, chosen, f"{model}-{name}", settings, folder)
        before, after = (card[when]["validation_error_percent"] for when in ("before", "after"))
        over = after - in_float
        kept = "yes" if over <= most else "no"
        rows.append(
            [model, name, *(f"{error:.2f}" for error in (in_float, before, after)), f"{over:+.2f}", f"{most}", kept]
        )
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


def gates(model: str, settings: RetrainSettings, folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of what was retrained, and of the most eliminated operations within so many points of the baseline."""
    study = searched(model, folder)
    baseline = study.baseline.metrics["error_percent"]
    points = [(e.metrics["error_percent"] - baseline, e.metrics["eliminated_percent"]) for e in study.front]
    # of a front over these two, the last point within so many is the one that eliminates most
    chosen = [max(number for number, (over, _) in enumerate(points, 1) if over <= above) for above in ABOVE]
    rows, trained = [], []
    for number in dict.fromkeys(chosen):
        over, eliminated = points[number - 1]
        card = made(model, study.front[number - 1].configuration, f"{study.name}-{number}", settings, folder)
        error, left = card["after"]["validation_error_percent"] - baseline, card["after"]["eliminated_percent"]
        trained.append((error, left))
        rows.append([model, f"{study.name}:{number}", *(f"{v:.2f}" for v in (over, eliminated, error, left))])
    best = []
    for within in WITHIN:
        most = [max((ops for over, ops in each if over <= within), default=float("nan")) for each in (points, trained)]
        best.append([model, f"{within}", *(f"{ops:.1f}" for ops in most)])
    return rows, best


def table(rows: list[list[str]], *headers: str) -> str:
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS), help=f"of {', '.join(MODELS)}")
    parser.add_argument("--gates", default="sru,gru", help="models whose gates are retrained; default %(default)s")
    parser.add_argument("--epochs", type=int, default=RetrainSettings.epochs, help="default %(default)s")
    parser.add_argument("--folder", type=Path, default=Path("studies/retrain"), help="default %(default)s")
    options = parser.parse_args()
    settings = RetrainSettings(epochs=options.epochs)
    options.folder.mkdir(parents=True, exist_ok=True)
    rows = [row for model in options.models for row in uniform(model, settings, options.folder)]
    reports = [gates(model, settings, options.folder) for model in options.gates.split(",") if model in options.models]
    print()
    print(table(rows, "model", "bits", "float %", "evaluated %", "retrained %", "over float", "at most", "kept"))
    if reports:
        print()
        print(
            table([row for each, _ in reports for row in each], "model", "point", "Δ error, gates set", "eliminated %",
                  "Δ error, retrained", "eliminated %")
        )  # fmt: skip
        print()
        print(
            table([row for _, each in reports for row in each], "model", "within points of 16 bit",
                  "most eliminated %, gates set", "retrained")
        )  # fmt: skip


if __name__ == "__main__":
    main()
