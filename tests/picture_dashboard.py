"""The picture of optuna-dashboard in the README, studies/sru-edge/dashboard.png.

Run by hand: python tests/picture_dashboard.py [--evaluations 100] [--to FILE]
Searches the shipped SRU, starts the dashboard on what was stored and photographs the study's page in Chromium.
"""

import argparse
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent / "support"))

from dashboard import asked, dashboard

import dse

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
PICTURE = Path(__file__).parents[1] / "studies/sru-edge/dashboard.png"
WIDTH_PX, HEIGHT_PX, DRAWN_MS = 1400, 645, 5000
MOST_ERROR_PERCENT = 24  # what errs more would press the front flat
# Where to drag from and to, in the page, so that the first plot shows errors up to a bound, as somebody would by hand.
ENDS = """(bound) => {
  const plot = document.querySelector('.js-plotly-plot');
  const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
  const x = box.x + xaxis._offset, y = box.y + yaxis._offset + yaxis._length / 2;
  return [[x + 1, y], [x + xaxis.l2p(bound), y]];
}"""


def photograph(address: str, path: Path) -> None:
    """The top of the only study's page, which is its front."""
    (study,) = asked(address, "studies")["study_summaries"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH_PX, "height": HEIGHT_PX})
        page.goto(f"{address}/dashboard/studies/{study['study_id']}")
        page.wait_for_selector(".js-plotly-plot .main-svg")
        page.wait_for_timeout(DRAWN_MS)  # the other plots come one after the other
        start, end = page.evaluate(ENDS, MOST_ERROR_PERCENT)
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(*end, steps=5)
        page.mouse.up()
        page.mouse.move(WIDTH_PX / 2, 1)
        page.wait_for_timeout(DRAWN_MS)
        page.screenshot(path=path)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=100, help="default %(default)s")
    parser.add_argument("--to", type=Path, default=PICTURE, help="default studies/sru-edge/dashboard.png")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/dse.db"
        print(dse.run_search(model="sru", objectives=("error", "size"), evaluations=given.evaluations, storage=storage))
        with dashboard(storage) as address:
            photograph(address, given.to)
    print(f"{given.to}: {given.to.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
