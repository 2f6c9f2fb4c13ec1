"""Pictures as PNG, drawn by the Chromium or Chrome of this machine, without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from models.whole_file import whole_file
from models.workload import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go

WIDTH_PX, SCALE = 1400, 2  # pixels a figure's width has, and of the image for each of them
INSTALL = "PNG needs a Chromium or Chrome: on Debian `apt install chromium`; BROWSER_PATH names one elsewhere"


def write_images(figures: Iterable[tuple[str, go.Figure]], folder: Path, width_px: int = WIDTH_PX) -> list[Path]:
    """Write each figure, by name, as NAME.png into the folder, which is made as needed.

    Raises InputError where there is no browser, OSError naming a file that cannot be written.
    """
    import kaleido

    require_browser()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    try:
        kaleido.start_sync_server(n=1, silence_warnings=True)
        for name, figure in figures:
            path = folder / f"{name}.png"
            size = {"width": figure.layout.width or width_px, "height": figure.layout.height, "scale": SCALE}
            data = kaleido.calc_fig_sync(_still(figure), opts={"format": "png", **size})
            with whole_file(path) as beside:
                beside.write_bytes(data)
            paths.append(path)
    finally:
        kaleido.stop_sync_server(silence_warnings=True)
    return paths


def require_browser() -> None:
    """Check that there is a browser, before the work whose pictures it draws: Kaleido waits for one without end.

    Raises InputError where there is none.
    """
    from choreographer.browsers.chromium import Chromium

    path = Chromium.find_browser(skip_local=False)
    if path is None or shutil.which(path) is None:
        raise InputError(INSTALL)


def _still(figure: go.Figure) -> go.Figure:
    """The figure without its menus, which nobody can open in an image."""
    import plotly.graph_objects as go

    still = go.Figure(figure)
    still.layout.updatemenus = None
    return still
