"""The report: one page that needs nothing else, and the command that reproduces its study."""

import html
import re
import shlex
from dataclasses import replace

import pytest
from fake_task import FakeTask
from large_study import enlarged
from searches import EXAMPLE_CHIP, search

from dse import export
from dse.design.genes import recorded_space, search_space
from dse.exploration.plan import make_plan
from dse.pick import picked
from dse.reports.labels import labels
from dse.reports.page import front_table, write_report
from dse.reports.provenance import search_command
from dse.search import parser, settings_of
from dse.study.prices import platforms_of
from dse.study.result import load_study
from dse.study.ties import near_best
from models.registry import preset


def own_chip(path):
    path.write_text(EXAMPLE_CHIP.read_text().replace('name = "example_chip"', 'name = "mine"'))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    study = search(folder, evaluations=30)
    write_report(study, folder / "report.html")
    return study, (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_holds_plotly_once_and_needs_no_network(page):
    _, text = page
    assert text.count("plotly.js v") == 1
    own = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"""(src=|<link[^>]*href=)["']?https?://""", own)


def test_the_page_shows_summary_pictures_table_and_provenance(page):
    study, text = page
    assert "30 evaluations" in text and 'id="picture-front"' in text and 'id="front-table"' in text
    assert "fake-weights" in text and "python -m dse.search --model" in text
    assert text.count("data-command=") >= len(study.front)


def test_the_page_shows_how_a_platform_that_chooses_runs_it(tmp_path):
    study = search(tmp_path, "epiphany:cores=1,core_memory_bytes=10240", "silago", evaluations=30)
    write_report(study, tmp_path / "report.html")
    text = html.unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    (chip,) = (p for name, p in platforms_of(study).items() if name == "epiphany")
    assert 'id="mappings"' in text and "<h3>epiphany, 16 bit</h3>" in text and "<h3>silago" not in text
    for point in (study.baseline, near_best(study) or study.front[-1]):
        costs = chip.estimate(study.workload, point.configuration, point.computed).per_matvec
        for name, cost in costs.items():
            assert re.search(rf"<td>{name} *</td>.*<td>{re.escape(cost.mapping)} *</td>", text), (name, cost.mapping)
        for remark in chip.remarks(study.workload, point.configuration):
            assert f"<p>{remark}</p>" in text


def test_the_page_of_platforms_that_choose_nothing_has_no_such_part(page):
    assert 'id="mappings"' not in page[1]


def test_the_table_has_a_row_a_point_and_its_export_command(page):
    study, _ = page
    table = front_table(study)
    assert list(table["#"]) == list(range(1, len(study.front) + 1))
    assert list(table).index("export") == 1  # in sight
    settings = {*labels(study.baseline.configuration)}
    assert all("(" in head for head in table if head not in {"#", "export", "tied with"} | settings)  # a unit
    assert f"--number 3 --storage {study.storage}" in table["export"][2]
    for number, (told, point) in enumerate(zip(table["tied with"], study.front, strict=True), start=1):
        tied = study.error_bars.tied
        others = {"16 bit": study.baseline} | ({f"point {number - 1}": study.front[number - 2]} if number > 1 else {})
        others = {name: other for name, other in others.items() if other.configuration != point.configuration}
        assert told == ", ".join(name for name, other in others.items() if tied(point, other))


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--objectives error,size,ops --seed 3 --population 8",
        "--platform silago --objectives error,speedup --limit error=+3 --limit size=0.01",
        "--platform silago,bitfusion:level=ideal --objectives error,silago.speedup",
        "--weight-bits 3,4,8 --activation-bits 8,16 --delta 0,4 --objectives error,ops --searcher nsga2",
        "--rounding nearest --scales matrix --zero-points off",
        "--skip output --limit none",
        "--platform my.toml --objectives error,mine.speedup --limit mine.speedup=1",
        "--platform silago,my.toml",
        "--objectives error,ops --gene l1.weight_bits=4,8 --freeze output.bits=4x8 --gene l1.delta=0,7",
        "--objectives error,ops --freeze delta=0 --gene weight_bits=3,8",
        "--objectives error,size --gene output.delta=0,4",
        "--objectives error,ops --freeze bits=8x8 --delta 0,8 --delta-genes paths --freeze output.delta=0",
        "--platform silago --freeze l1.bits=4x4 --gene output.bits=4x4,8x8",
    ],
)
def test_the_command_searches_the_same_study(options, tmp_path, monkeypatch):
    own_chip(tmp_path / "my.toml")
    monkeypatch.chdir(tmp_path)

    def plan_of(argv):
        return make_plan(settings_of(parser().parse_args(argv), FakeTask))

    given = ["--evaluations", "4", "--workers", "1", *shlex.split(options), "--storage", f"sqlite:///{tmp_path}/d.db"]
    plan = plan_of(given)
    from dse.exploration.run import run_plan

    study = load_study(run_plan(plan).name, f"sqlite:///{tmp_path}/d.db")
    words = shlex.split(search_command(study))
    assert words[:3] == ["python", "-m", "dse.search"]
    monkeypatch.chdir("/")  # the report may be read anywhere
    assert plan_of(words[3:]).identity == plan.identity


def test_the_command_starts_from_the_same_point(tmp_path):
    first = search(tmp_path, evaluations=20, study="first")
    for number, frozen in ((1, ("bits",)), (len(first.front), ("bits=8x8", "delta"))):
        given = {"start": f"first:{number}", "freeze": frozen, "evaluations": 4, "population": 4}
        study = search(tmp_path, study=f"from-{number}", **given)
        words = shlex.split(search_command(load_study(study.name, f"sqlite:///{tmp_path}/dse.db")))
        assert make_plan(settings_of(parser().parse_args(words[3:]), FakeTask)).identity == study.identity


@pytest.mark.parametrize("specs", [["silago"], ["my.toml"], ["silago:memory_limit_mib=0.02", "my.toml"]])
def test_every_button_exports_the_point_of_its_row(specs, tmp_path, monkeypatch):
    """Of a study that was priced anew, from anywhere."""
    own_chip(tmp_path / "my.toml")
    monkeypatch.chdir(tmp_path)
    study = search(tmp_path, evaluations=30).on(*specs).under("error", "size")
    monkeypatch.chdir("/")
    for number, point in enumerate(study.front, start=1):
        (command,) = re.findall(r'data-command="(.*)"', front_table(study)["export"][number - 1])
        words = shlex.split(html.unescape(command))
        assert words[:3] == ["python", "-m", "dse.export"]
        again, chosen = picked(export.parser().parse_args(words[3:]))
        assert chosen.metrics == point.metrics and again.platforms == study.platforms


def test_a_chip_of_an_earlier_versions_study_is_told_by_its_name(tmp_path):
    own_chip(tmp_path / "my.toml")
    study = replace(search(tmp_path, str(tmp_path / "my.toml"), evaluations=4, population=4), chips={})
    assert " --platform mine.toml " in search_command(study)
    assert len(front_table(study))


def test_a_large_study_makes_a_page_of_bounded_size(tmp_path):
    study = enlarged(search(tmp_path, evaluations=12), 500, 3000)
    assert len(study.front) >= 500
    write_report(study, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 8 << 20


@pytest.mark.parametrize("skip", ["first", "layers", "none", "none,l0.candidate", "first,output"])
def test_skipped_paths_are_told_as_they_were_asked_for(tmp_path, skip):
    workload = preset("gru", "edge").workload()
    space = search_space(workload, skip=tuple(skip.split(",")))
    genes = {gene.name: list(gene.choices) for gene in space.genes}
    always = [name for name, setting in space.base if setting.skip]
    study = search(tmp_path, evaluations=4, population=4)
    study = replace(study, workload=workload, identity={**study.identity, "genes": genes, "always skipped": always})
    words = shlex.split(search_command(study))
    told = words[words.index("--skip") + 1] if "--skip" in words else "first"
    assert told == skip
    assert recorded_space(workload, genes, always) == space
