"""The pages for people: all runs, and one run. No script, no request to anywhere else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from aiohttp import web
from markupsafe import Markup

from anomalyd.api.control import NotReady
from anomalyd.api.keys import CONTROL
from anomalyd.api.verdicts import FORMATS
from anomalyd.model import RunState
from anomalyd.risk import telling
from anomalyd.risk.drawing import diagram
from anomalyd.risk.wording import standing
from anomalyd.units import format_duration, format_value

if TYPE_CHECKING:
    from jinja2 import Environment

RUNS_SHOWN = 50
OUTCOMES_SHOWN = 200

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


async def index(request: web.Request) -> web.Response:
    control = request.app[CONTROL]
    accepted = frozenset(control.accepted())
    runs = control.runs(RUNS_SHOWN)
    rows = [(run, control.outcome(run.id), run.id in accepted) for run in runs]
    return _page(
        "index.html.jinja",
        rows=rows,
        unready=list(control.unready()),
        degraded=list(control.degraded()),
    )


async def run(request: web.Request) -> web.Response:
    control, run_id = request.app[CONTROL], request.match_info["id"]
    status = control.status(run_id)
    try:
        reports = [e for e, (form, _) in FORMATS.items() if control.report(run_id, form)]
    except NotReady:  # they are being written
        reports = []
    verdict = control.verdict(run_id)
    return _page(
        "run.html.jinja",
        found={one.incident_id: one for one in control.enrichments(run_id)},
        shape=verdict.shape if verdict is not None else (),
        status=status,
        run=status.run,
        reports=reports,
        incidents=control.incidents(run_id),
        standing=standing(status.risk) if status.risk is not None else "",
        finished=status.run.state is RunState.FINISHED,
    )


async def risk(request: web.Request) -> web.Response:
    control = request.app[CONTROL]
    found = control.reliability()
    drawn = [
        (name, curve, Markup(diagram(curve, name)))  # noqa: S704 - numbers and our own words
        for name, curve in (("As it is", found.raw), ("Recalibrated", found.recalibrated))
        if curve is not None
    ]
    return _page(
        "risk.html.jinja",
        standing=telling.standing(found),
        drawn=drawn,
        outcomes=list(reversed(control.outcomes()))[:OUTCOMES_SHOWN],
    )


def _page(name: str, **values: Any) -> web.Response:
    text = _environment().get_template(name).render(**values)
    headers = {"Content-Security-Policy": _POLICY}
    return web.Response(text=text, content_type="text/html", headers=headers)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("anomalyd.api", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["utc"] = _utc
    environment.filters["duration"] = format_duration
    environment.filters["seconds"] = partial(format_value, unit="s")
    environment.tests["link"] = re.compile(r"https?://[^\s<>\"]+").fullmatch
    return environment


def _utc(time: float | None) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S} UTC" if time is not None else "–"
