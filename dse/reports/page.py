"""The report of a study: one HTML file with pictures, table and provenance, which needs no network."""

from __future__ import annotations

import html
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse.reports.choice import export_command
from dse.reports.labels import labels
from dse.reports.mappings import mappings
from dse.reports.pictures import pictures_of
from dse.reports.pictures.style import name_of
from dse.reports.provenance import provenance, search_command
from dse.reports.table import summary
from dse.study.result import Study
from dse.study.ties import tied_with

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 Helvetica, Arial, sans-serif; color: #222b36; margin: 0 auto; padding: 0 20px 40px;
  max-width: 1360px; }}
h1 {{ font-size: 24px; margin: 18px 0 4px; }}
h2 {{ font-size: 19px; margin: 36px 0 8px; }}
pre {{ background: #f4f6f8; padding: 10px 12px; overflow-x: auto; white-space: pre-wrap; }}
nav a {{ margin-right: 16px; }}
table {{ border-collapse: collapse; }}
.mappings td, .mappings th {{ padding: 2px 16px 2px 0; text-align: left; }}
.provenance td {{ padding: 2px 16px 2px 0; vertical-align: top; word-break: break-all; }}
.picture {{ overflow-x: auto; }}
button.copy {{ font: inherit; border: 1px solid #b8bec6; background: #fff; border-radius: 4px; cursor: pointer; }}
.wide {{ overflow-x: auto; }}
.wide tfoot input {{ width: 100%; min-width: 3em; box-sizing: border-box; }}
</style>
<script>{plotly}</script>
</head>
<body>
<h1>{title}</h1>
<pre>{summary}</pre>
<nav>{links}</nav>
{pictures}
<h2 id="table">Table of the front</h2>
<p>Click a head to sort, type below a column to filter; a button copies the command that exports its point.</p>
<div class="wide">{table}</div>
{mappings}
<h2 id="provenance">Where it comes from</h2>
<table class="provenance">{provenance}</table>
<h2 id="reproduce">How to do it again</h2>
<pre>{command}</pre>
<p>searches this study, or goes on with it; the same seed gives the same front.</p>
<script>
document.addEventListener("click", (event) => {{
  const button = event.target.closest("button.copy");
  if (!button) return;
  const text = button.dataset.command, done = () => {{ button.textContent = "copied"; }};
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.focus();
  area.select();
  document.execCommand("copy");
  area.remove();
  done();
}});
</script>
</body>
</html>
"""
MAPPINGS = '<h2 id="mappings">How the platforms run it</h2>\n<div class="wide mappings">{mappings}</div>'
PICTURE = '<h2 id="{name}">{title}</h2>\n<div class="picture">{figure}</div>'
COPY = "export"  # column of buttons


def write_report(study: Study, path: Path) -> None:
    """Write the page. It holds plotly once, and shows every picture that the study has something for."""
    from plotly.offline import get_plotlyjs

    drawn = list(pictures_of(study)) if len(study.front) else []
    titles = [(name, title) for name, title, _ in drawn]
    mapped = mappings(study)
    titles += [
        ("table", "Table"),
        *([("mappings", "How it runs")] if mapped else []),
        ("provenance", "Provenance"),
        ("reproduce", "Reproduce"),
    ]
    text = PAGE.format(
        title=f"{name_of(study)}: study {html.escape(study.name)}",
        plotly=get_plotlyjs(),
        summary=html.escape(summary(study)),
        links="".join(f'<a href="#{name}">{title.partition(":")[0]}</a>' for name, title in titles),
        pictures="\n".join(PICTURE.format(name=name, title=title, figure=_div(name, f)) for name, title, f in drawn),
        table=_table(study),
        mappings=MAPPINGS.format(mappings=mapped) if mapped else "",
        provenance="".join(
            f"<tr><td>{html.escape(n)}</td><td>{html.escape(v)}</td></tr>" for n, v in provenance(study)
        ),
        command=html.escape(search_command(study)),
    )
    path.write_text(text, encoding="utf-8")


def _div(name: str, figure: go.Figure) -> str:
    text: str = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"picture-{name}",
        config={"responsive": True, "displaylogo": False},
    )
    return text


def front_table(study: Study) -> pd.DataFrame:
    """The front as people read it: number, export button, metrics, error's interval over the baseline, settings."""
    import pandas as pd

    rows = []
    bars = study.error_bars
    for number, point in enumerate(study.front, start=1):
        row: dict[str, Any] = {"#": number, COPY: _button(study, number)}  # in sight however wide the table is
        for o in study.shown:
            value = point.metrics.get(o.metric, math.nan)
            row[f"{o.name} ({o.unit})"] = float(f"{value:.5g}")
            if o.name == "error" and point in bars and study.baseline in bars:
                over = bars.difference(point, study.baseline)
                row["Δ error from (points)"], row["Δ error to (points)"] = round(over.low, 2), round(over.high, 2)
                row["tied with"] = ", ".join(tied_with(study, point))
        if study.beacons:
            row["beacon"] = str(point.beacon or "")
        row |= labels(point.configuration)
        rows.append(row)
    return pd.DataFrame(rows)


def _button(study: Study, number: int) -> str:
    return f'<button class="copy" data-command="{html.escape(export_command(study, number))}">copy</button>'


def _table(study: Study) -> str:
    if not len(study.front):
        return "<p>The front is empty.</p>"
    from itables import options, to_html_datatable
    from itables.javascript import generate_init_offline_itables_html

    text: str = to_html_datatable(
        front_table(study),
        connected=False,
        allow_html=True,
        showIndex=False,
        column_filters="footer",
        lengthMenu=[15, 50, 500],
        maxBytes=0,
        text_in_header_can_be_selected=False,  # so that a click anywhere on a head sorts
        table_id="front-table",
    )
    return generate_init_offline_itables_html(options.dt_bundle) + text
