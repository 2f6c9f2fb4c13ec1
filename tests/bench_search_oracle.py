"""Searchers against the truth: how soon each finds the fronts of small spaces that were measured whole.

Run by hand:
    python tests/bench_search_oracle.py [--spaces sru-bits,sru-delta] [--searchers surrogate,nsga2] [--seeds 10]
    python tests/bench_search_oracle.py --whole [models...] [--storage FOLDER]
    python tests/bench_search_oracle.py --make sru-bits
Plays searches of the registry's searchers and of rivals on tables of what every genome scores, without inference, with
the limit error=+10, and prints when they have 90, 95 and 99 % of the true front's hypervolume and how much they have
after 100, 200 and 300 evaluations: medians over the seeds, and quartiles. Only distinct candidates count; hypervolume
reaches up to the limit and the worst size and eliminated operations within it. Draws all of it into --out.
--make measures a space anew, for minutes to an hour. --whole searches the whole spaces of models, with inference, as
`support/whole_searches.py` says. With --storage neither these nor rivals' searches are run again.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).parent / "support"))

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from search_rivals import RIVALS, asked_of
from search_tables import EVERY, SPACES, Table, load_table, make_table
from tqdm import tqdm
from whole_searches import whole_searches

from dse.searchers import SEARCHERS
from models.registry import MODELS

Column = tuple[str, tuple[str, ...]]  # a space and the objectives
Shares = NDArray[np.float64]  # of the true hypervolume, after 1, 2, ... evaluations

COLUMNS: tuple[Column, ...] = tuple(
    (space, objectives)
    for space in SPACES
    for objectives in ((EVERY[:2], EVERY) if space.endswith("-bits") else (EVERY,))
)
SLOW = ("optuna-tpe", "optuna-gp")  # minutes a search; run where they are named
GOALS, AFTER = (0.90, 0.95, 0.99), (100, 200, 300)
QUARTILES = (0.25, 0.5, 0.75)


@lru_cache
def table_of(column: Column) -> Table:
    return load_table(*column)


def play(column: Column, searcher: str, seed: int, evaluations: int, storage: Path | None = None) -> Shares:
    """Shares [evaluations] of a search. Those of rivals, which do not change, are kept in the folder `storage`."""
    space, objectives = column
    name = f"{space}-{'-'.join(objectives)}-{searcher.replace(' ', '-')}-{seed}-{evaluations}.npy"
    kept = storage / name if storage is not None and searcher not in SEARCHERS else None
    if kept is not None and kept.exists():
        shares: Shares = np.load(kept)
        return shares
    table = table_of(column)
    shares = table.shares(asked_of(searcher, table, seed, evaluations), evaluations)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, shares)
    return shares


def play_all(
    columns: list[Column], searchers: list[str], seeds: int, evaluations: int, workers: int, storage: Path | None
) -> Iterator[tuple[Column, dict[str, Shares]]]:
    """Shares [seeds, evaluations] of every searcher, as each column is done."""
    runs = [(column, searcher, seed) for column in columns for searcher in searchers for seed in range(1, seeds + 1)]
    with (
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
        tqdm(total=len(runs), desc="searches", disable=None) as bar,
    ):
        futures = {run: pool.submit(play, *run, evaluations, storage) for run in runs}
        for future in futures.values():
            future.add_done_callback(lambda _: bar.update())
        for column in columns:
            shares = {
                searcher: np.array([futures[column, searcher, seed].result() for seed in range(1, seeds + 1)])
                for searcher in searchers
            }
            yield column, shares


def reached(shares: Shares, goal: float) -> NDArray[np.float64]:
    """Evaluations to a share by seed, infinite where it is never reached."""
    there = shares >= goal
    return np.where(there.any(axis=1), there.argmax(axis=1) + 1.0, np.inf)


def told(numbers: NDArray[np.float64], digits: int, method: Literal["lower", "higher"]) -> str:
    """Median and quartiles; `method` says which of two neighbours to take, as nothing is between one and never."""
    low, middle, high = np.quantile(numbers, QUARTILES, method=method)
    text = [f"{value:.{digits}f}" if np.isfinite(value) else "never" for value in (middle, low, high)]
    return text[0] if text[1] == text[2] else f"{text[0]} ({text[1]}–{text[2]})"


def title(column: Column) -> str:
    space, objectives = column
    return f"{space}, {' + '.join(objectives)}"


def print_table(column: Column, shares: dict[str, Shares]) -> None:
    table = table_of(column)
    seeds, evaluations = next(iter(shares.values())).shape
    print(f"\n**{title(column)}**: {len(table.values)} candidates, {len(table.front)} on the front; {seeds} seeds\n")
    after = [count for count in AFTER if count <= evaluations]
    heads = [f"to {100 * goal:.0f} %" for goal in GOALS] + [f"% after {count}" for count in after]
    print("| searcher | " + " | ".join(heads) + " |")
    print("|---" * (1 + len(heads)) + "|")
    for searcher, mine in shares.items():
        cells = [told(reached(mine, goal), 0, "higher") for goal in GOALS]
        cells += [told(100 * mine[:, count - 1], 2, "lower") for count in after]
        print(f"| {searcher} | " + " | ".join(cells) + " |", flush=True)


def draw(played: dict[Column, dict[str, Shares]], path: Path) -> None:
    """Share of the true hypervolume by evaluation, a panel a column: medians over the seeds in bands of quartiles."""
    rows = -(-len(played) // 3)
    figure = Figure(figsize=(15, 0.6 + 4.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, min(3, len(played)), squeeze=False).flat
    for panel in panels[len(played) :]:
        panel.remove()
    ticks = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999)
    for panel, (column, shares) in zip(panels, played.items(), strict=False):
        for number, (searcher, mine) in enumerate(shares.items()):
            low, middle, high = np.quantile(mine, QUARTILES, axis=0, method="lower")
            evaluations = np.arange(1, len(middle) + 1)
            panel.plot(evaluations, middle, color=f"C{number}", label=searcher, linewidth=1.6)
            panel.fill_between(evaluations, low, high, color=f"C{number}", alpha=0.15, linewidth=0)
        # What is missing, on a logarithmic scale: searchers differ in the last percents.
        panel.set_yscale("function", functions=(lambda y: -np.log10(1.0005 - y), lambda t: 1.0005 - 10.0**-t))
        panel.set_yticks(ticks, [f"{100 * tick:g} %" for tick in ticks], minor=False)
        panel.set(xlim=(0, None), ylim=(0.5, 1.0), title=title(column), xlabel="evaluations")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("share of the true hypervolume")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    print(f"\n{path}")


def chosen(text: str | None, valid: list[str], default: list[str]) -> list[str]:
    names = default if text is None else text.split(",")
    for name in names:
        if name not in valid:
            print(f"'{name}' is none of {', '.join(valid)}", file=sys.stderr)
            raise SystemExit(2)
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS), help=f"with --whole, of {', '.join(MODELS)}")
    parser.add_argument("--spaces", help=f"of {', '.join(SPACES)}; default all")
    parser.add_argument("--searchers", help=f"of {', '.join(RIVALS)}; default all but {', '.join(SLOW)}")
    parser.add_argument("--seeds", type=int, help="how many, from 1 on; default 10, with --whole 3")
    parser.add_argument("--evaluations", type=int, default=300, help="default %(default)s")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="default one a core")
    parser.add_argument("--out", type=Path, default=Path("studies/search"), help="default %(default)s")
    parser.add_argument("--make", metavar="SPACE", choices=SPACES, help="measure a space anew and write its table")
    parser.add_argument("--whole", action="store_true", help="search the whole spaces of the models")
    parser.add_argument("--storage", type=Path, help="a folder that keeps rivals' searches, or whole ones")
    parser.add_argument("--points", type=int, default=10, help="with --whole: whose neighbours are tried; default 10")
    given = parser.parse_args()
    if given.seeds is not None and given.seeds < 1:
        parser.error(f"--seeds {given.seeds} is too small; it is at least 1")
    if given.make:
        make_table(given.make, given.workers)
    elif given.whole:
        searchers = (given.searchers or "surrogate,nsga2").split(",")
        whole_searches(
            given.models, searchers, given.seeds or 3, given.evaluations, given.points, given.workers, given.storage
        )
    else:
        spaces = chosen(given.spaces, list(SPACES), list(SPACES))
        searchers = chosen(given.searchers, list(RIVALS), [name for name in RIVALS if name not in SLOW])
        columns = [column for column in COLUMNS if column[0] in spaces]
        played = {}
        for column, shares in play_all(
            columns, searchers, given.seeds or 10, given.evaluations, given.workers, given.storage
        ):
            played[column] = shares
            print_table(column, shares)
        draw(played, given.out / "attainment.png")


if __name__ == "__main__":
    main()
