"""The verdict of a run, now or when it is given, and its reports."""

from __future__ import annotations

import asyncio

from aiohttp import web

from anomalyd import codec
from anomalyd.api.control import ReportFormat
from anomalyd.api.errors import Refusal, answer
from anomalyd.api.keys import CONTROL, HUB
from anomalyd.api.requests import seconds
from anomalyd.model import Verdict

WAIT_AT_MOST = 60.0

FORMATS: dict[str, tuple[ReportFormat, str]] = {
    "json": ("json", "application/json"),
    "xml": ("junit", "application/xml"),
    "md": ("markdown", "text/markdown; charset=utf-8"),
    "html": ("html", "text/html; charset=utf-8"),
}

# The report's own script runs, in an origin of its own that reaches nothing of this server.
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:"
)


async def verdict(request: web.Request) -> web.Response:
    """200 with the verdict, 202 with the run's status while there is none."""
    run_id = request.match_info["id"]
    wait = seconds(request, "wait", WAIT_AT_MOST)
    status = request.app[CONTROL].status(run_id)
    found = await _wait(request, run_id, wait)
    if found is None:
        if wait:
            status = request.app[CONTROL].status(run_id)
        return answer(codec.to_dict(status), 202)
    return answer({**codec.to_dict(found), "exit_code": found.exit_code})


async def report(request: web.Request) -> web.StreamResponse:
    run_id = request.match_info["id"]
    form, content_type = FORMATS[request.match_info["form"]]
    control = request.app[CONTROL]
    run = control.status(run_id).run
    path = control.report(run_id, form)
    if path is None or not path.is_file():
        message = f"run {run_id} ({run.state}) has no report as {form}"
        raise Refusal(404, "no_report", f"{message}; see reports.formats, or wait for its end")
    headers = {"Content-Type": content_type}
    if form == "html":
        headers["Content-Security-Policy"] = _REPORT_POLICY
    return web.FileResponse(path, headers=headers)


async def recording(request: web.Request) -> web.Response:
    control = request.app[CONTROL]
    run = control.status(request.match_info["id"]).run
    found = await control.recording(run.id)
    if found is None:
        message = f"run {run.id} ({run.state}) has no recording"
        raise Refusal(
            404, "no_recording", f"{message}; see limits.recording_bytes, or wait for its verdict"
        )
    name = f'attachment; filename="{run.id}.zip"'
    headers = {"Content-Disposition": name}
    return web.Response(body=found, content_type="application/zip", headers=headers)


async def _wait(request: web.Request, run_id: str, wait: float) -> Verdict | None:
    """The verdict as soon as it is given, None after `wait` seconds without one."""
    control = request.app[CONTROL]
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    overflowed = asyncio.Event()
    with request.app[HUB].subscribe(run_id, overflowed.set) as events:
        while (found := control.verdict(run_id)) is None and not overflowed.is_set():
            try:
                async with asyncio.timeout_at(deadline):
                    if await events.get() is None:
                        return None
            except TimeoutError:
                return None
        return found
