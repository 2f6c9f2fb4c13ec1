"""Pages in the repository are what `python -m dse.report` prints."""

from pathlib import Path

import pytest

from dse.corpora import CORPORA
from dse.report import main
from dse.reports import model_page
from dse.reports.corpus_page import DESCRIBED_IN
from dse.reports.model_findings import HEADERS, SHORT
from platforms import PLATFORMS, describe, open_platform

ROOT = Path(__file__).parents[2]


def of(text):
    """Cells of a Markdown table's row."""
    return [cell.strip() for cell in text.strip("|").split("|")]


@pytest.mark.parametrize(("what", "page"), [("platforms", "platforms"), ("corpora", "dse/corpora")])
def test_a_page_is_what_its_command_prints(capsys, what, page):
    assert main([what]) == 0
    assert (ROOT / page / "README.md").read_text(encoding="utf-8") == capsys.readouterr().out


def test_the_page_of_models_is_as_printed_but_for_what_is_measured():
    text = (ROOT / "studies/models/README.md").read_text(encoding="utf-8")
    assert text.startswith(f"{model_page.HEAD}\n\n```bash\npython -m dse.report models --study ")
    assert text.endswith("\n\n".join(("", model_page.TRAINED, model_page.trained(), model_page.YOURS)) + "\n")
    short, mixed, full, _ = (block.splitlines() for block in text.split("\n\n") if block.startswith("|"))
    assert of(short[0]) == ["PER %", "rounding", *SHORT] and of(full[0]) == list(HEADERS)
    assert [of(line)[0] for line in short[2::2]] == [of(line)[0] for line in mixed[2:]] == list(model_page.shipped())
    assert "\n\n## The papers' findings\n\n- " in text


def test_every_corpus_has_its_part():
    assert DESCRIBED_IN.keys() == CORPORA.keys()


def test_names_choose_parts(capsys):
    assert main(["corpora", "kaldi"]) == 0
    assert capsys.readouterr().out.startswith("## kaldi\n\nFeatures and alignments that Kaldi computed")
    assert main(["platforms", "loom", "bitfusion:level=ideal"]) == 0
    parts = capsys.readouterr().out.split("## ")[1:]
    assert [part.splitlines()[0] for part in parts] == ["loom", "bitfusion:level=ideal"]


@pytest.mark.parametrize("name", PLATFORMS)
def test_no_constant_breaks_its_row(name):
    for constant in describe(open_platform(name)):
        assert "|" not in f"{constant.name}{constant.unit}{constant.source}"
