"""Experiments: a question in a study.toml, answered by searches and measurements, told on a page of its own.

To add a kind of experiment:
1. A module beside this one with a function of an `Experiment` and what makes settings, that gives `Findings`; its
   docstring says which keys it reads of the experiment's own table. `fronts.py` is an example.
2. A line in KINDS. `python -m dse.experiment` knows it then, and a study.toml may ask for it.
3. `tests/reports/test_experiments.py` runs every kind on the fake network; `tests/support/described.py` describes it.
"""

from __future__ import annotations

from collections.abc import Callable

from dse.experiments.across import across
from dse.experiments.description import Experiment
from dse.experiments.findings import Findings
from dse.experiments.fronts import fronts
from dse.experiments.prices import prices
from dse.experiments.searches import SettingsOf
from dse.experiments.steps import steps
from dse.experiments.uniform import uniform

Kind = Callable[[Experiment, SettingsOf], Findings]
KINDS: dict[str, Kind] = {
    "fronts": fronts,
    "uniform": uniform,
    "steps": steps,
    "across": across,
    "prices": prices,
}
