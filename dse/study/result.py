"""A study as a user holds it: its evaluations, their front, and other fronts of the same inferences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse.design.evaluation import Evaluation
from dse.design.limits import Limit, parse_limits, resolve
from dse.design.objective import TEST_ERROR, Objective, full_objective, objectives_named, worded
from dse.design.pareto import front, hypervolume
from dse.evaluator.pricing import ChipFile, chip_files, name_of, open_platforms, require
from dse.evaluator.pricing import identity as platform_identity
from dse.study.beside import Beacon, FinalRun, test_errors
from dse.study.bootstrap import ErrorBars
from dse.study.choose import balanced, best, limits_of, objective_of, within
from dse.study.convergence import convergence, reference_of
from dse.study.frame import columns_of, outcomes_frame
from dse.study.front import Front
from dse.study.reprice import repriced
from dse.study.storage import DEFAULT_STORAGE, hide_password
from models.workload import Configuration, InputError, Workload
from platforms import Platform

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dse.study.store import Store

SHOWN = ("error", "size", "compression", "ops")
SHOWN_OF_PLATFORMS = ("speedup", "energy")
# Pictures and exports stand above studies and are looked up by name, as pandas does with what it plots with.
PLOT, EXPORT = "dse.reports.pictures.front:front", "dse.exporters.write:export"


@dataclass(frozen=True, eq=False, repr=False)
class Study:
    """Evaluations of a study and their front under `objectives`.

    `identity` is what makes it this study, as stored; `repriced` are the platforms that it was priced for afterwards,
    by name; `retried` is what became of evaluations that had failed before; `task` makes its measurer again. `ended`
    says why its search ended early: exhausted, hopeless, stalled or timed out. Evaluations are in the order of asking.
    """

    name: str
    identity: dict[str, Any]
    objectives: tuple[Objective, ...]
    baseline: Evaluation
    evaluations: tuple[Evaluation, ...]
    ended: str | None = None
    workload: Workload | None = None
    repriced: Mapping[str, str] = field(default_factory=dict)
    retried: tuple[Evaluation, ...] = ()
    task: Mapping[str, Any] | None = None
    storage: str | None = None
    priced: Mapping[str, Platform] = field(default_factory=dict)  # the repriced platforms, opened
    chips: Mapping[str, ChipFile] = field(default_factory=dict)  # of the user's own, by their identity
    stored: tuple[Evaluation, ...] = ()  # baseline and evaluations before they were repriced
    speakers: tuple[str, ...] | None = None  # of the split's utterances, where they are known
    aside: Mapping[tuple[Configuration, int | None], Evaluation] = field(default_factory=dict)  # and by whose weights
    beacons: tuple[Beacon, ...] = ()  # numbered from 1 in evaluations
    finals: tuple[FinalRun, ...] = ()  # on the test split

    @cached_property
    def front(self) -> Front:
        """The non-dominated feasible evaluations, sorted by the first objective, best first."""
        points = front(self.evaluations, self.objectives)
        return Front(points, columns_of(self.baseline, self.objectives, bool(self.beacons)))

    @cached_property
    def error_bars(self) -> ErrorBars:
        """Intervals of the errors of the front's points and of the baseline, and of their differences."""
        return ErrorBars((self.baseline, *self.front), self.speakers)

    @property
    def platforms(self) -> tuple[str, ...]:
        """Names of the platforms that price the evaluations."""
        return tuple({**self.identity.get("platforms", {}), **self.repriced})

    @property
    def shown(self) -> tuple[Objective, ...]:
        """Metrics that tables and pictures show: the general ones, the study's own, each platform's main ones."""
        prices = (full_objective(f"{platform}.{name}") for platform in self.platforms for name in SHOWN_OF_PLATFORMS)
        chosen = dict.fromkeys((*map(full_objective, SHOWN), TEST_ERROR, *self.objectives, *prices))
        return worded((each for each in chosen if each.metric in self.baseline.metrics), self.identity)

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The study's limits, absolute."""
        return resolve(parse_limits(self.identity["limits"], self.platforms), self.baseline.metrics)

    def count(self, status: str) -> int:
        return sum(evaluation.status == status for evaluation in self.evaluations)

    def __str__(self) -> str:
        """Counts in one line."""
        counts = [f"{len(self.evaluations)} evaluations"]
        counts += [f"{number} {status}" for status in ("infeasible", "failed") if (number := self.count(status))]
        objectives = ", ".join(objective.name for objective in self.objectives)
        return f"study {self.name}: {', '.join(counts)}; {len(self.front)} on the front over {objectives}"

    __repr__ = __str__

    def hypervolume(self, evaluations: int | None = None) -> float:
        """Volume that the front of the first `evaluations` dominates up to `reference`, in the objectives' units."""
        return hypervolume(self.evaluations[:evaluations], self.objectives, self.reference)

    @property
    def reference(self) -> tuple[float, ...]:
        """Objective values up to which hypervolumes reach, see `convergence.reference_of`."""
        return reference_of(self.objectives, self.limits, self.baseline)

    @cached_property
    def convergence(self) -> tuple[float, ...]:
        """Hypervolume after each evaluation, in their order, up to `reference` and in the objectives' units."""
        return convergence(self.evaluations, self.objectives, self.reference)

    def under(self, *objectives: str | Sequence[str]) -> Study:
        """The same evaluations with the front under other objectives. Raises InputError on one they do not have."""
        chosen = objectives_named(_flat(objectives), self.platforms)
        require(chosen, self.baseline.metrics)
        return replace(self, objectives=worded(chosen, self.identity))

    def on(self, *platforms: str | Platform | Sequence[str | Platform]) -> Study:
        """The same inferences priced for other platforms; what these cannot run becomes infeasible.

        Specs as on the command line, or opened platforms; another variant of a platform takes the place of one before.
        Raises InputError on a bad spec, or if the study does not hold its workload.
        """
        given = _flat(platforms)
        specs = [platform for platform in given if isinstance(platform, str)]
        theirs = {name_of(platform): platform for platform in given if isinstance(platform, Platform)}
        opened = {**self.priced, **open_platforms(specs), **theirs}
        if self.workload is None:
            raise InputError(f"study '{self.name}' holds no workload to price; run its search command once more")
        stored = self.stored or (self.baseline, *self.evaluations)
        baseline, *evaluations = stored
        return replace(
            self,
            baseline=repriced(baseline, opened, self.workload, ruled=False),
            evaluations=tuple(repriced(evaluation, opened, self.workload) for evaluation in evaluations),
            repriced={**self.repriced, **platform_identity(specs), **{name: p.name for name, p in theirs.items()}},
            priced=opened,
            chips={**self.chips, **chip_files(specs)},
            stored=stored,
        )

    def with_finals(self, finals: tuple[FinalRun, ...]) -> Study:
        """The same study with the error on the test split among the metrics of what these runs scored."""
        errors = test_errors(finals)

        def told(evaluation: Evaluation) -> Evaluation:
            percent = errors.get(evaluation.configuration)
            metrics = evaluation.metrics if percent is None else {**evaluation.metrics, TEST_ERROR.metric: percent}
            return replace(evaluation, metrics=metrics)

        evaluations, stored = (tuple(map(told, given)) for given in (self.evaluations, self.stored))
        return replace(self, baseline=told(self.baseline), evaluations=evaluations, stored=stored, finals=finals)

    def pick(
        self,
        minimize: str | None = None,
        maximize: str | None = None,
        *,
        number: int | None = None,
        knee: bool = False,
        weights: Mapping[str, float] | None = None,
        **bounds: str | float,
    ) -> Evaluation:
        """The point of the front that a rule chooses among those within bounds: pick(error="+1", minimize="size").

        Rules: the best in one objective; the point of that number; the knee; the least weighted sum of objectives, each
        scaled from the front's best to its worst, as in weights={"error": 2, "size": 1}. Bounds are limits as on the
        command line; those of a platform go by `**{"silago.speedup": 3}`.
        Raises InputError on no rule or several, and where no point keeps the bounds, with the nearest one's reason.
        """
        rules = (number is not None, knee, weights is not None, minimize is not None or maximize is not None)
        if sum(rules) > 1:
            raise InputError("number, knee, weights and minimize or maximize each choose a point alone; give one")
        points = within(self.front, limits_of(bounds, self.platforms, self.baseline))
        if number is not None:
            if not 1 <= number <= len(self.front):
                raise InputError(f"point {number} is not on the front; it has 1 to {len(self.front)}")
            if (point := self.front[number - 1]) not in points:
                raise InputError(f"point {number} does not keep the limits")
            return point
        if knee:
            weights = {objective.name: 1.0 for objective in self.objectives}
        if weights is not None:
            return balanced(points, self.front, weights, self.platforms)
        return best(points, objective_of(minimize, maximize, self.platforms))

    def frame(self) -> pd.DataFrame:
        """A row for each evaluation, in order; see `frame.outcomes_frame`."""
        return outcomes_frame(self.evaluations, columns_of(self.baseline, beacons=bool(self.beacons)))

    def plot(self) -> go.Figure:
        """The front, every evaluation and the limits, with configurations on hover."""
        module, _, function = PLOT.partition(":")
        figure: go.Figure = getattr(import_module(module), function)(self)
        return figure

    def export(self, point: Evaluation, folder: str | Path, **given: Any) -> None:
        """Write a point of the front as a bundle that runs on the target; see `dse.exporters.write.export`."""
        module, _, function = EXPORT.partition(":")
        getattr(import_module(module), function)(self, point, Path(folder), **given)

    def _repr_html_(self) -> str:
        table = self.front.frame()[[objective.metric for objective in self.shown]]
        return f"<p>{self}</p>{table.to_html(float_format=lambda value: f'{value:.4g}')}"


def _flat(given: Iterable[Any]) -> list[Any]:
    """Arguments one by one, or as one sequence."""
    return [item for each in given for item in (each if isinstance(each, list | tuple) else (each,))]


def load_study(name: str, storage: str = DEFAULT_STORAGE) -> Study:
    """A stored study under its own objectives. Raises InputError if it is not there, or has no baseline yet."""
    from dse.study.store import find_study

    store = find_study(storage, name)
    if store.baseline is None:
        raise InputError(f"study '{name}' in {hide_password(storage)} has no evaluation yet")
    return study_of(store, store.baseline, storage)


def study_of(store: Store, baseline: Evaluation, storage: str) -> Study:
    """The study that a store holds."""
    # As they were asked for, not as they finished; older records do not say.
    asked = {genome: store.asked.get(genome, place) for place, genome in enumerate(store.evaluations)}
    return Study(
        store.name,
        store.identity,
        worded(store.objectives, store.identity),
        baseline,
        tuple(store.evaluations[genome] for genome in sorted(asked, key=asked.__getitem__)),
        workload=store.workload,
        task=store.task,
        storage=storage,
        chips=store.chips,
        speakers=store.speakers,
        aside=store.aside,
        beacons=store.beacons,
    ).with_finals(store.finals)
