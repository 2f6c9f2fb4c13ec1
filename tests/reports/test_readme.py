"""The README's Python runs as printed, on the fake network."""

import re
from pathlib import Path

from fake_task import FakeTask

import dse
from dse.exploration.settings import SearchSettings

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


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
    root = Path(__file__).parents[2]
    decisions = (root / "dse/DECISIONS.md").read_text(encoding="utf-8")
    for page in (README, decisions):
        for path in re.findall(r"`((?:dse|models|platforms|tests|notebooks|studies)/[\w./-]+\.\w+)`", page):
            assert (root / path).exists() or path.startswith("studies/"), path
