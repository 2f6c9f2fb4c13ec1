"""Pictures as PNG, drawn by the Chromium or Chrome of this machine, without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dse.reports.pictures.style import without_menu
from models.whole_file import whole_file
from models.workload import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go

WIDTH_PX = 1400
NARROWEST_PX, WIDEST_PX = 500, 4000  # below, text is not to be read; above, some browsers draw no image
# Figures are laid out in so many pixels, in which their text is legible and nothing overlaps, and then scaled.
LAYOUT_PX = (700, 1000)
PNG_HELP = f"pictures as PNG too, {NARROWEST_PX} to {WIDEST_PX} pixels wide; needs a Chromium"
PNG_BEGINS = b"\x89PNG\r\n\x1a\n"
INSTALL = "PNG needs a Chromium or Chrome: on Debian `apt install chromium`; BROWSER_PATH names one elsewhere"


def write_images(figures: Iterable[tuple[str, go.Figure]], folder: Path, width_px: int = WIDTH_PX) -> list[Path]:
    """Write each figure, by name, as NAME.png into the folder, which is made as needed.

    Each is exactly so wide; its height and the size of its text follow. Raises InputError on a width out of bounds,
    where there is no browser, or where it draws nothing; OSError naming a file that cannot be written.
    """
    import kaleido

    require_drawable(width_px)
    folder.mkdir(parents=True, exist_ok=True)
    least, most = LAYOUT_PX
    layout_px = min(max(width_px, least), most)
    scale = (width_px + 0.5) / layout_px  # the browser cuts off what is no whole pixel
    paths = []
    try:
        kaleido.start_sync_server(n=1, silence_warnings=True)
        for name, figure in figures:
            path = folder / f"{name}.png"
            still = without_menu(figure)
            size = {"width": layout_px, "height": still.layout.height, "scale": scale}
            data = kaleido.calc_fig_sync(still, opts={"format": "png", **size})
            if not data.startswith(PNG_BEGINS):  # a browser short of memory answers with an empty image
                raise InputError(f"the browser drew nothing for {path}; a smaller width than {width_px} may help")
            with whole_file(path) as beside:
                beside.write_bytes(data)
            paths.append(path)
    finally:
        kaleido.stop_sync_server(silence_warnings=True)
    return paths


def require_drawable(width_px: int) -> None:
    """Check that images so wide can be drawn, before the work that they show: Kaleido waits for a browser without end.

    Raises InputError on a width out of bounds, and where there is no browser.
    """
    from choreographer.browsers.chromium import Chromium

    if not NARROWEST_PX <= width_px <= WIDEST_PX:
        raise InputError(f"PNG cannot be {width_px} pixels wide; {NARROWEST_PX} to {WIDEST_PX} can be drawn")
    path = Chromium.find_browser(skip_local=False)
    if path is None or shutil.which(path) is None:
        raise InputError(INSTALL)
