"""One self-contained HTML page: opens offline, from a disk or a CI artifact, in light and dark."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from anomalyd.report import advice, deployed, enriched, release, views
from anomalyd.report.document import Document
from anomalyd.report.graph import graph
from anomalyd.report.timeline import marks, timeline

_ROWS = 2000
_LISTED = 500


def html(document: Document) -> str:
    """The document as one HTML page. Imports matplotlib: call it in a process of its own."""
    template = _environment().get_template("report.html.jinja")
    script = _part("report.js")
    drawn, undrawn = _figures(document)
    close = {finding["series"] for finding in views.nearly(document)}
    return template.render(
        d=document,
        advice=advice,
        views=views,
        enriched=enriched,
        release=release,
        deployed=deployed,
        graph=graph(document),
        rows=timeline(document),
        marks=marks(document),
        deciding=[figure for figure in drawn if figure["finding"]["state"] == "fired"],
        near=[figure for figure in drawn if figure["finding"]["series"] in close],
        others=[
            figure
            for figure in drawn
            if figure["finding"]["state"] != "fired" and figure["finding"]["series"] not in close
        ],
        undrawn=undrawn,
        findings=document["findings"][:_ROWS],
        most=_LISTED,
        style=Markup(_part("report.css")),  # noqa: S704
        script=Markup(script),  # noqa: S704
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _figures(document: Document) -> tuple[list[dict[str, Any]], list[Document]]:
    """What is drawn: finding, its svg, its anomaly if any; and what decides without a drawing."""
    from anomalyd.report.plots import plot

    traces = {trace["series"]: trace for trace in document["series"]}
    wanted = [f for f in document["findings"] if f["series"] in traces]
    figures = [
        {
            "finding": finding,
            "found": views.anomaly_of(document, finding["series"]),
            "onset": _onset(document, finding["series"]),
            "svg": Markup(plot(document, traces[finding["series"]], f"p{number}")),  # noqa: S704
        }
        for number, finding in enumerate(wanted)
    ]
    return figures, [f for f in views.deciding(document) if f["series"] not in traces]


def _onset(document: Document, series: str) -> float | None:
    """Where in the run the series became worse, 0..1."""
    found, length = views.anomaly_of(document, series), document["run"]["duration_seconds"]
    if found is None or not length:
        return None
    since = found[1]["started_at"]["unix"] - document["run"]["started_at"]["unix"]
    return float(min(1.0, max(0.0, since / length)))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("anomalyd.report", "page"),
        autoescape=select_autoescape(["html", "jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["dash"] = lambda text: "–" if text == "n/a" else text
    return environment


def _part(name: str) -> str:
    loader = _environment().loader
    if loader is None:
        raise LookupError(name)
    return loader.get_source(_environment(), name)[0]
