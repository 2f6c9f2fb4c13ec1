"""The report in a real browser: its menu, hover, brush, sorted and filtered table, copied command."""

import shutil

import pytest
from fake_task import FakeTask
from searches import search

from dse.exploration.aside import measure_aside
from dse.reports.images import NARROWEST_PX, write_images
from dse.reports.page import write_report
from dse.reports.pictures import pictures_of
from dse.study.references import uniform_configurations
from dse.study.result import load_study

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")]
WIDTH, HEIGHT = 1400, 900


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    made = search(tmp_path_factory.mktemp("browser"), evaluations=60)
    measure_aside(made, uniform_configurations(made).values(), FakeTask())
    return load_study(made.name, made.storage)


@pytest.fixture(scope="module")
def page(study, tmp_path_factory):
    """The report, opened without a network; whatever it logs as an error fails the test."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(study, path)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, offline=True)
        opened, errors = context.new_page(), []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        opened.goto(path.as_uri())
        opened.wait_for_selector("#front-table_wrapper, #front-table.dataTable")
        opened.wait_for_selector("#picture-front .main-svg")
        yield opened
        assert not [error for error in errors if "WebGL" not in error and "GPU" not in error]
        browser.close()


def title(page, axis):
    return page.locator(f"#picture-front .g-{axis}title text").text_content()


def test_pictures_fill_the_width(page):
    box = page.locator("#picture-front").bounding_box()
    assert box["width"] > 0.9 * (WIDTH - 80) and 0.4 * HEIGHT < box["height"] < HEIGHT
    assert page.locator(".js-plotly-plot").count() >= 5


def test_the_menu_changes_the_axes_and_back(page):
    assert title(page, "x").startswith("size")
    for choice, expected in (("error over ops", "eliminated"), ("error over size", "size")):
        page.locator("#picture-front .updatemenu-header").click()
        page.locator("#picture-front .updatemenu-dropdown-button", has_text=choice).click()
        page.wait_for_function(
            "(word) => document.querySelector('#picture-front .g-xtitle text').textContent.startsWith(word)",
            arg=expected,
        )


def test_hovering_a_point_tells_all_of_it(page, study):
    page.locator("#picture-front").scroll_into_view_if_needed()
    place = page.evaluate(
        """() => {
          const plot = document.getElementById('picture-front');
          const trace = plot.data.findIndex((each) => each.name.startsWith('front'));
          const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
          const at = plot.data[trace].marker.size.indexOf(Math.max(...plot.data[trace].marker.size));
          const x = plot.calcdata[trace][at].x, y = plot.calcdata[trace][at].y;
          return [box.x + xaxis._offset + xaxis.l2p(x), box.y + yaxis._offset + yaxis.l2p(y)];
        }"""
    )
    page.mouse.move(place[0] - 30, place[1] - 30)
    page.mouse.move(*place, steps=5)
    text = page.wait_for_selector("#picture-front .hoverlayer .hovertext").text_content()
    assert "phone error rate" in text and "l1.input" in text


def test_a_brush_chooses_lines(page):
    """What is dragged along an axis of the parallel coordinates becomes its range."""
    plot = page.locator("#picture-parallel")
    plot.scroll_into_view_if_needed()
    brush = page.locator("#picture-parallel .axis-brush").first.bounding_box()
    x = brush["x"] + brush["width"] / 2
    page.mouse.move(x, brush["y"] + 0.8 * brush["height"])
    page.mouse.down()
    page.mouse.move(x, brush["y"] + 0.4 * brush["height"], steps=8)
    page.mouse.up()
    page.wait_for_function("document.getElementById('picture-parallel').data[0].dimensions[0].constraintrange")


def rows(page):
    return page.locator("#front-table tbody tr").all_inner_texts()


def test_the_table_sorts_and_filters(page, study):
    first = rows(page)[0]
    assert first.split()[0] == "1"
    column = [text.strip() for text in page.locator("#front-table thead th").all_inner_texts()].index("size (MiB)")
    for order in ("ascending", "descending"):
        page.locator("#front-table thead th").nth(column).click()
        page.wait_for_selector(f'#front-table thead th[aria-sort="{order}"]')
        page.wait_for_function("document.querySelectorAll('#front-table tbody tr').length > 1")
        sizes = [float(text.split("\t")[column]) for text in rows(page)]
        assert sizes == sorted(sizes, reverse=order == "descending")
    page.locator("#front-table tfoot input").first.press_sequentially("3")
    page.wait_for_function(
        "[...document.querySelectorAll('#front-table tbody tr')].every((row) => row.cells[0].textContent.includes('3'))"
    )
    shown = [text.split("\t")[0] for text in rows(page)]
    assert shown and all("3" in number for number in shown)
    page.locator("#front-table tfoot input").first.fill("")


def test_a_button_copies_the_export_command(page, study):
    page.evaluate("document.execCommand = (name) => { window.copied = document.activeElement.value; return true; }")
    button = page.locator("#front-table button.copy").first
    button.click()
    assert page.evaluate("window.copied").startswith(f"python -m dse.export --study {study.name} --number ")
    assert button.inner_text() == "copied"


@pytest.mark.parametrize("width", [700, WIDTH])
def test_at_every_width_titles_are_whole_and_buttons_in_sight(page, width):
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.wait_for_function("(most) => document.querySelector('#picture-front .main-svg').clientWidth < most", arg=width)
    for plot in page.locator(".js-plotly-plot").all():
        title, whole = (part.bounding_box() for part in (plot.locator(".g-gtitle"), plot))
        assert title["x"] >= whole["x"] and title["x"] + title["width"] <= whole["x"] + whole["width"]
        for menu in plot.locator(".updatemenu-header").all():
            assert menu.bounding_box()["y"] >= title["y"] + title["height"]
    button = page.locator("#front-table button.copy").first.bounding_box()
    assert button["x"] + button["width"] < width


@pytest.mark.parametrize("width", [NARROWEST_PX, 700, 1001, 1400])
def test_every_picture_is_written_as_a_png_as_wide_as_asked(study, tmp_path, width):
    figures = [(name, figure) for name, _, figure in pictures_of(study)]
    paths = write_images(figures, tmp_path / "png", width)
    assert [path.stem for path in paths] == [name for name, _ in figures]
    for path in paths:
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG") and int.from_bytes(data[16:20], "big") == width
