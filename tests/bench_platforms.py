"""How many configurations of the paper's SRU each platform prices per second on one core.

Run: python tests/bench_platforms.py
"""

from __future__ import annotations

import random
import time

from models.networks.sru import Sru
from models.workload import Configuration, Setting
from platforms import PLATFORMS, open_platform

COUNT = 10_000


def main() -> None:
    workload = Sru(features=23, layers=4, hidden=550, projection=256, outputs=1936).workload()
    computed = dict.fromkeys(workload.names, 0.5)
    draw = random.Random(0)
    for spec in PLATFORMS:
        platform = open_platform(spec)
        pairs = [pair for pair in platform.supported_bits if max(pair) <= 16]
        configurations = [
            Configuration(tuple((name, Setting(*draw.choice(pairs))) for name in workload.names)) for _ in range(COUNT)
        ]
        started = time.perf_counter()
        for configuration in configurations:
            platform.check(workload, configuration)
            platform.estimate(workload, configuration, computed)
        print(f"{spec:12} {COUNT / (time.perf_counter() - started):8.0f} configurations/s, checked and priced")


if __name__ == "__main__":
    main()
