"""Preview of a search, which runs nothing: a plan's genes and baseline, and every name that an option takes."""

from __future__ import annotations

from tabulate import tabulate

from dse.design.objective import OBJECTIVES
from dse.exploration.beacon_rule import far
from dse.exploration.plan import Plan
from dse.reports.labels import joined
from dse.searchers import SEARCHERS
from models.workload import BITS_PER_MIB, size_mib


def dry_run(plan: Plan) -> str:
    """Genes, size of the space and baseline, without inference."""
    workload = plan.workload
    genes = [(gene.name, joined(gene.choices), " ".join(gene.matvecs)) for gene in plan.space.genes]
    matvecs = [
        (m.name, m.path, f"{m.rows} × {m.cols}", m.passes, f"{m.weights:,}", f"{m.macs_per_frame:,}") for m in workload
    ]
    size = size_mib(workload, plan.space.base)
    return "\n".join(
        (
            f"study {plan.study}: {plan.task.model} {plan.task.preset} on {plan.task.corpus}",
            f"objectives {joined(o.name for o in plan.objectives)}; limits {joined(plan.limits) or 'none'}",
            f"quantization: {plan.identity['content'].get('quantization', 'as the task has it')}",
            *([beacons(plan)] if plan.settings.beacons else []),
            "",
            tabulate(genes, ("gene", "choices", "matvecs")),
            f"{len(genes)} genes, {plan.space.size:,} genomes",
            "",
            tabulate(
                matvecs,
                ("matvec", "path", "rows × cols", "passes", "weights", "MACs per frame"),
                disable_numparse=True,
                colalign=("left", "left", "right", "right", "right", "right"),
            ),
            f"16-bit baseline: {size:.3f} MiB ({size * BITS_PER_MIB / 8:,.0f} bytes), "
            f"{workload.macs_per_frame:,} MACs per frame",
            *(["", baseline_prices(plan)] if plan.platforms else []),
            *(["", *remarks] if (remarks := plan.task.remarks) else []),
        )
    )


def beacons(plan: Plan) -> str:
    """How many candidates may be retrained, how long each, and how far apart they are."""
    settings, steps = plan.settings, far(plan.space)
    return (
        f"at most {settings.beacons} beacons of {settings.beacon_epochs} epochs each, more than {steps:.1f} steps "
        "apart: a step is a doubling of the width of one matvec's weights"
    )


def baseline_prices(plan: Plan) -> str:
    """Costs of each matvec of the baseline on each platform, and of the frame in all; how they run, if chosen."""
    from dse.reports.labels import short_number

    headers, columns = ["16-bit baseline"], [[*plan.workload.names, "elementwise", "frame"]]
    align = ["left"]
    for name, platform in plan.platforms.items():
        estimate = platform.estimate(plan.workload, plan.space.base)
        costs = [*estimate.per_matvec.values(), platform.elementwise_cost(plan.workload)]
        headers += [f"{name}\ncycles", f"{name}\npJ"]
        columns.append([short_number(cycles) for cycles in (*(c.cycles for c in costs), estimate.cycles_per_frame)])
        columns.append([short_number(pj) for pj in (*(c.energy_pj for c in costs), estimate.energy_pj_per_frame)])
        align += ["right", "right"]
        if any(cost.mapping for cost in costs):
            headers.append(f"{name}\nruns as")
            columns.append([*(cost.mapping for cost in costs), ""])
            align.append("left")
    table = tabulate(zip(*columns, strict=True), headers, disable_numparse=True, colalign=align)
    told = [f"{n}: {text}" for n, p in plan.platforms.items() for text in p.remarks(plan.workload, plan.space.base)]
    return "\n".join((table, *told))


def listing() -> str:
    """Every name that an option takes."""
    from dse.corpora import CORPORA
    from models.registry import MODELS, presets
    from platforms import PLATFORMS

    rows = [
        ("models", ", ".join(MODELS)),
        *((f"presets of {model}", ", ".join(presets(model))) for model in MODELS),
        ("corpora", ", ".join(CORPORA)),
        ("objectives", ", ".join(OBJECTIVES)),
        ("searchers", ", ".join(SEARCHERS)),
        ("platforms", ", ".join(PLATFORMS)),
    ]
    return tabulate(rows, tablefmt="plain")
