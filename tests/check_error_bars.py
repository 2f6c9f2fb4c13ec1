"""How often the 95 % intervals of error bars hold the true value, in simulated speech.

Run by hand: python tests/check_error_bars.py [--corpora 1000]
Draws corpora from a population whose PERs are known: speakers differ, so do a speaker's utterances, and phones err by
chance. Two networks meet the same speech; one errs more, and more so on some speakers. Counted are the corpora whose
interval holds the population's PER, and the population's difference of the two. Ends with status 1 where intervals over
speakers hold it less often than 92 % or more often than 97 %.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))

from simulated_speech import coverage

# Speakers x utterances of each: the embedded corpus' validation and test splits, TIMIT's core test and validation.
SPLITS = {"embedded validation": (20, 20), "embedded test": (12, 16), "TIMIT core test": (24, 8), "TIMIT": (50, 8)}
LEAST, MOST = 0.92, 0.97


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=int, default=1000, help="default %(default)s")
    corpora = parser.parse_args().corpora
    print("| split | speakers × utterances | resampled | holds the PER % | holds the difference % |")
    print("|---|---|---|---|---|")
    good = True
    for name, (speakers, each) in SPLITS.items():
        for whole in (True, False):
            shares = coverage(speakers, each, corpora, whole=whole)
            good &= not whole or all(LEAST <= share <= MOST for share in shares)
            told = " | ".join(f"{100 * share:.1f}" for share in shares)
            print(f"| {name} | {speakers} × {each} | {'speakers' if whole else 'utterances'} | {told} |", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
