"""Runs: start, stop, look, note; their incidents."""

from __future__ import annotations

from aiohttp import web
from msgspec import structs

from anomalyd import codec
from anomalyd.api.control import Control
from anomalyd.api.errors import Refusal, answer
from anomalyd.api.hub import incident_body
from anomalyd.api.keys import CONTROL
from anomalyd.api.requests import AcceptRun, AddNote, StartRun, body, whole_number
from anomalyd.model import Run
from anomalyd.runs.acceptance import Asked, Undone

LISTED_AT_MOST = 10_000


async def start(request: web.Request) -> web.Response:
    asked = await body(request, StartRun)
    run = request.app[CONTROL].start_run(asked.name, asked.selector, asked.labels)
    location = f"/api/v1/runs/{run.id}"
    return answer(codec.to_dict(run), 201, {"Location": location})


async def listing(request: web.Request) -> web.Response:
    control = request.app[CONTROL]
    limit = whole_number(request, "limit", 100, LISTED_AT_MOST)
    accepted = frozenset(control.accepted())
    rows = [_row(control, run, run.id in accepted) for run in control.runs(limit)]
    return answer({"runs": rows})


async def status(request: web.Request) -> web.Response:
    found = request.app[CONTROL].status(request.match_info["id"])
    return answer(codec.to_dict(found))


async def stop(request: web.Request) -> web.Response:
    run = request.app[CONTROL].stop_run(request.match_info["id"])
    return answer(codec.to_dict(run))


async def note(request: web.Request) -> web.Response:
    asked = await body(request, AddNote)
    run = request.app[CONTROL].add_note(request.match_info["id"], asked.text)
    return answer(codec.to_dict(run), 201)


async def accept(request: web.Request) -> web.Response:
    control, asked = request.app[CONTROL], await body(request, AcceptRun)
    wanted = Asked(**structs.asdict(asked))
    run = control.accept_run(request.match_info["id"], wanted)
    return answer(_accepted(control, run))


async def undo_accept(request: web.Request) -> web.Response:
    control = request.app[CONTROL]
    golden = request.query.get("golden", "false")
    if golden not in ("true", "false"):
        raise Refusal(400, "bad_request", f"golden={golden}: write true or false")
    what = Undone(request.query.get("signal", ""), golden == "true")
    run = control.undo_accept(request.match_info["id"], what)
    return answer(_accepted(control, run))


async def incidents(request: web.Request) -> web.Response:
    control = request.app[CONTROL]
    run_id = request.query.get("run")
    if run_id is not None:
        control.status(run_id)
    open_only = request.query.get("open", "false")
    if open_only not in ("true", "false"):
        raise Refusal(400, "bad_request", f"open={open_only}: write true or false")
    limit = whole_number(request, "limit", 1000, LISTED_AT_MOST)
    chosen = [i for i in control.incidents(run_id) if i.open or open_only == "false"]
    newest = chosen[max(0, len(chosen) - limit) :]
    found = {(each.run_id, each.incident_id): each for each in control.enrichments(run_id)}
    bodies = [incident_body(each, found.get((each.run_id, each.id))) for each in newest]
    return answer({"incidents": bodies, "total": len(chosen)})


def _accepted(control: Control, run: Run) -> dict[str, object]:
    """A run and all that is accepted of it."""
    return {**_row(control, run, run.id in control.accepted()), **control.acceptance(run.id)}


def _row(control: Control, run: Run, accepted: bool) -> dict[str, object]:
    golden = accepted and bool(control.acceptance(run.id)["golden"])
    told = {"outcome": control.outcome(run.id), "accepted": accepted, "golden": golden}
    return {**codec.to_dict(run), **told}
