"""The README is short, its Python runs as printed, on the fake network, and what pages point at is there."""

import re
from pathlib import Path

import pytest
from fake_task import FakeTask

import dse
import dse.search
from dse.console import FIRST_STUDY
from dse.exploration.settings import SearchSettings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FOLDERS = ("dse", "models", "platforms", "studies", "tests")
PAGES = [*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in sorted((ROOT / folder).rglob("*.md")))]


def test_the_python_block_runs(tmp_path, monkeypatch, capsys):
    plain = dse.run_search
    monkeypatch.chdir(tmp_path)

    def on_the_fake(**given):
        return plain(SearchSettings.of(FakeTask, **given, evaluations=30, workers=1))

    exported = []
    monkeypatch.setattr(dse, "run_search", on_the_fake)
    monkeypatch.setattr(dse.Study, "export", lambda *given: exported.append(given))  # a fake network has no integers
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict = {}
    exec(block, names)
    assert "30 evaluations" in capsys.readouterr().out
    assert len(names["table"]) > len(names["smaller"]) > 0 and len(names["faster"]) > 0
    assert exported == [(names["study"], names["point"], "out")]
    assert len(block.splitlines()) <= 13


def test_paths_that_the_pages_name_are_there():
    decisions = (ROOT / "dse/DECISIONS.md").read_text(encoding="utf-8")
    for page in (README, decisions):
        for path in re.findall(r"`((?:dse|models|platforms|tests|notebooks|studies)/[\w./-]+\.\w+)`", page):
            assert (ROOT / path).exists() or path.startswith("studies/"), path


def test_it_is_read_in_one_sitting():
    assert len(README.splitlines()) < 200


def test_its_first_command_is_the_example_of_the_search():
    (command,) = re.findall(r"^python3 -m venv .*(python -m dse\.search .*)$", README, re.MULTILINE)
    assert command == dse.search.parser().example
    assert f"study {FIRST_STUDY}: " in README
    for pick in re.findall(r"--study ((?:sru|lstm|gru|ligru)-\S+)", README):
        assert pick == FIRST_STUDY


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if "://" not in target:
            assert (page.parent / path).exists(), target
            assert path or f"\n## {anchor}\n" in page.read_text(encoding="utf-8"), target
