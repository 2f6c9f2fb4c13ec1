"""The notebooks run from top to bottom, on small studies, and are kept with the pictures of real ones."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytest.importorskip("anywidget")
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
FIGURE = "application/vnd.plotly.v1+json"
MOST_BYTES = 1_500_000
OF_A_MACHINE = re.compile(r"/(tmp|root|work|home|Users)/|0x[0-9a-f]{6,}")  # its paths and addresses
notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where they run: their searches are common to them as far as they are the same."""
    return tmp_path_factory.mktemp("notebooks")


def outputs(cell):
    return cell.get("outputs", [])


def figures(cell, kind):
    return [output.data[kind] for output in outputs(cell) if kind in output.get("data", {})]


@notebooks
def test_notebook_runs_and_is_kept_with_an_image_of_every_figure(path, folder, monkeypatch):
    monkeypatch.setenv("DSE_NOTEBOOK_EVALUATIONS", "6")
    monkeypatch.setenv("DSE_NOTEBOOK_EPOCHS", "1")
    monkeypatch.setenv("PLOTLY_RENDERER", "plotly_mimetype")
    notebook = nbformat.read(path, as_version=4)
    images = [len(figures(cell, "image/png")) for cell in notebook.cells]
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, kernel_name="python3", timeout=300, resources=place).execute()
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in outputs(cell))
    assert "6 evaluations" in printed
    assert (folder / "studies" / "dse.db").exists()
    drawn = [len(figures(cell, FIGURE)) for cell in notebook.cells]
    assert all(few <= many for few, many in zip(drawn, images, strict=True))  # a small study may lack thresholds
    assert sum(drawn)


@notebooks
def test_notebook_is_kept_with_its_outputs(path):
    assert path.stat().st_size < MOST_BYTES
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(outputs(cell) for cell in cells)
    assert "200 evaluations" in "".join(output.get("text", "") for cell in cells for output in outputs(cell))
    for output in (output for cell in cells for output in outputs(cell)):
        assert output.output_type != "error" and output.get("name") != "stderr"
        shown = {kind: data for kind, data in output.get("data", {}).items() if kind != "image/png"}
        assert not any("plotly" in kind or "widget" in kind for kind in shown)  # which a code host does not show
        assert not OF_A_MACHINE.search(json.dumps([shown, output.get("text", "")]))
