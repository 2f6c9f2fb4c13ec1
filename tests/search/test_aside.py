"""Evaluations beside a search are measured once, kept in its record, and are none of its candidates."""

import pytest
from fake_task import FakeMeasurer, FakeTask
from searches import EXAMPLE_CHIP, priced_search, search

from dse.evaluator.pricing import broken_rules
from dse.exploration.aside import measure_aside
from dse.reports.choice import one_more_bit
from dse.reports.pictures.matvecs import matvecs_of
from dse.reports.sensitivity import known_moves, measure_moves, moves, sensitivity_frame, space_of
from dse.study.prices import platforms_of
from dse.study.references import uniform_configurations, uniform_references
from dse.study.result import load_study


def loaded(study):
    return load_study(study.name, study.storage)


def test_uniform_bits_are_measured_once_and_are_no_candidates(tmp_path):
    study = search(tmp_path, evaluations=20)
    front = [point.genome for point in study.front]
    measured = measure_aside(study, uniform_configurations(study).values(), FakeTask())
    assert [each["output"].weight_bits for each in measured] == [16, 8, 4, 2]
    calls = FakeMeasurer.calls
    again = measure_aside(loaded(study), uniform_configurations(study).values(), FakeTask())
    assert FakeMeasurer.calls == calls
    assert [e.metrics for e in again.values()] == [e.metrics for e in measured.values()]
    assert [point.genome for point in loaded(study).front] == front and len(loaded(study).evaluations) == 20
    assert list(uniform_references(loaded(study))) == [16, 8, 4, 2]


def test_a_search_goes_on_over_what_was_put_aside(tmp_path):
    study = search(tmp_path, evaluations=20)
    measure_aside(study, uniform_configurations(study).values(), FakeTask())
    longer, alone = search(tmp_path, evaluations=40), search(tmp_path / "alone", evaluations=40)
    assert [e.genome for e in longer.evaluations] == [e.genome for e in alone.evaluations]


@pytest.mark.parametrize("of_front", [False, True])
def test_sensitivity_moves_each_gene_alone_and_costs_once(tmp_path, of_front):
    study = search(tmp_path, evaluations=20)
    point = study.front[2] if of_front else study.baseline
    space = space_of(study)
    start = space.canonical(space.encode(point.configuration))
    every = moves(study, point)
    for move in every:
        there = space.canonical(space.encode(move.configuration))
        assert there != start
    assert {move.gene for move in every} <= {gene.name for gene in space.genes}
    assert len({move.configuration for move in every}) == len(every)
    measured = measure_moves(study, point, FakeTask())
    calls = FakeMeasurer.calls
    assert measure_moves(loaded(study), point, FakeTask()).keys() == measured.keys()
    assert FakeMeasurer.calls == calls and len(known_moves(loaded(study), point)) == len(every)
    frame = sensitivity_frame(study, point, measured)
    assert list(frame["gene"]) == [move.gene for move in every]
    assert frame["change_of_size_mib"].notna().all()


@pytest.mark.parametrize("specs", [["silago"], ["mine.toml"], ["mine.toml", "silago"], ["mine.toml", "edgedrnn"]])
def test_what_is_put_aside_has_the_prices_of_the_studys_platforms(tmp_path, monkeypatch, specs):
    """And so has the picture of a point by matvec; a chip of one's own is that of its file as it was then."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(EXAMPLE_CHIP.read_text())
    study = priced_search(tmp_path, *specs, evaluations=12)
    (tmp_path / "mine.toml").unlink()
    study = loaded(study)
    opened = platforms_of(study)
    assert tuple(opened) == study.platforms and len(opened) == len(specs)
    for move, evaluation in measure_moves(study, study.baseline, FakeTask()).items():
        runs = not broken_rules(opened, study.workload, move.configuration)
        assert [name for name in opened if f"{name}.speedup" in evaluation.metrics] == list(opened) * runs
    titles = [note.text for note in matvecs_of(study, study.front[0]).layout.annotations]
    assert all(any(name in title for title in titles) for name in opened)


@pytest.mark.parametrize("spec", ["silago", "bitfusion", "edgedrnn", str(EXAMPLE_CHIP)])
def test_uniform_bits_that_a_chip_cannot_run_have_no_price_there(tmp_path, spec):
    study = priced_search(tmp_path, spec, evaluations=8, population=4)
    measured = measure_aside(study, uniform_configurations(study).values(), FakeTask())
    assert len(measured) == 4 and all(evaluation.measured for evaluation in measured.values())


@pytest.mark.parametrize("spec", ["silago", "edgedrnn", str(EXAMPLE_CHIP)])
def test_one_more_bit_leaves_out_what_a_chip_cannot_run(tmp_path, spec):
    study = search(tmp_path, evaluations=60).on(spec)
    for point in study.front:
        assert "one more bit" in one_more_bit(study, point, FakeTask())
