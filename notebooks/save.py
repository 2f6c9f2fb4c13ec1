"""Run the notebooks and save them with their pictures: `python notebooks/save.py [NAME.ipynb ...]`.

Figures are drawn as PNG, since code hosts show no others; whoever runs a notebook sees them interactive. What tells of
this machine is left out. Searches are kept in studies/dse.db: one that is there already is not run again.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import plotly.graph_objects as go
from nbclient import NotebookClient
from PIL import Image

from dse.reports.images import write_images

HERE = Path(__file__).parent
FIGURE = "application/vnd.plotly.v1+json"
WIDTH_PX, PIXELS, COLOURS = 900, 2, 256  # an image's pixels for each; so few colours that a notebook stays small


def save(path: Path) -> None:
    """Run a notebook from top to bottom in the root of the sources, and write it with what it showed."""
    notebook = nbformat.read(path, as_version=4)
    metadata = dict(notebook.metadata)
    place = {"metadata": {"path": str(HERE.parent)}}
    NotebookClient(notebook, timeout=None, record_timing=False, store_widget_state=False, resources=place).execute(
        env={**os.environ, "PLOTLY_RENDERER": "plotly_mimetype"}
    )
    notebook.metadata = metadata  # without the version of this Python
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    _draw([output for output in _outputs(notebook) if FIGURE in output.get("data", {})])
    nbformat.write(notebook, path)


def _outputs(notebook: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


def _draw(outputs: list[nbformat.NotebookNode]) -> None:
    """Put an image in the place of each figure."""
    figures = [go.Figure(output.data[FIGURE]["data"], output.data[FIGURE]["layout"]) for output in outputs]
    with TemporaryDirectory() as folder:
        paths = write_images([(f"{k}", figure) for k, figure in enumerate(figures)], Path(folder), PIXELS * WIDTH_PX)
        for output, figure, path in zip(outputs, figures, paths, strict=True):
            image = BytesIO()
            few = Image.open(path).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            few.save(image, "PNG", optimize=True)
            title = figure.layout.title.text.partition("<br>")[0]
            output.data = {"image/png": base64.b64encode(image.getvalue()).decode(), "text/plain": title}
            output.metadata = {"image/png": {"width": WIDTH_PX}}


if __name__ == "__main__":
    for given in sys.argv[1:] or sorted(HERE.glob("*.ipynb")):
        save(Path(given))
        print(Path(given).name, flush=True)
