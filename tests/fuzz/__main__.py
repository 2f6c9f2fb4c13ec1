"""Damaged input for every reader: only one-line refusals, no long readings, bounded memory, nothing that cannot be.

Run by hand: python tests/fuzz [words of readers...] [--mutations 10000] [--seed 0]
Prints what was refused, what was read all the same, and the faults, each with the first seed that shows it; ends with
status 1 where there are faults. `python tests/fuzz READER --seed N --mutations 1` repeats one.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from campaign import run
from readers import READERS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help=f"any of: {'; '.join(READERS)}")
    parser.add_argument("--mutations", type=int, default=10_000, help="of each reader's input; default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the first; default %(default)s")
    arguments = parser.parse_args()
    faults = 0
    print("| reader | mutations | refused | read | faults | seconds |\n|---|---|---|---|---|---|", flush=True)
    for name in READERS:
        if all(word in name for word in arguments.words):
            start = time.perf_counter()
            tally = run(name, range(arguments.seed, arguments.seed + arguments.mutations))
            seconds = time.perf_counter() - start
            told = "; ".join(f"{n}x {fault}, seed {tally.seeds[fault]}" for fault, n in tally.faults.most_common())
            print(
                f"| {name} | {tally.mutations} | {tally.refused} | {tally.read} | {told} | {seconds:.0f} |", flush=True
            )
            faults += sum(tally.faults.values())
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
