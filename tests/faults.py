"""What searches lose by faults done to them, as a table.

Run by hand: python tests/faults.py [words of faults...]
Each fault is done to searches of 60 evaluations on a fake network, 0.05 s each in two workers; then the same command
goes on to its end. times: how often harm was done. lost: evaluations that were stored and are gone. double: evaluations
measured again though they were stored, or stored twice. front: after all, against that of an undisturbed search; none
where the same command is refused. message: the last that a search said which did not end well.
Some need root, a C compiler, PostgreSQL or dask; a row says so where that is missing.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))

from harm.table import FAULTS, do

HEAD = ("fault", "times", "lost", "double", "front", "message")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help=f"any of: {'; '.join(FAULTS)}")
    words = parser.parse_args().words
    print(f"| {' | '.join(HEAD)} |")
    print("|---" * len(HEAD) + "|")
    for name, fault in FAULTS.items():
        if all(word in name for word in words):
            print(f"| {' | '.join((name, *do(fault).cells))} |", flush=True)


if __name__ == "__main__":
    main()
