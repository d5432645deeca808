"""Release risk: what became of releases, and what that makes of the number."""

from __future__ import annotations

from aiohttp import web

from anomalyd import codec
from anomalyd.api.errors import answer
from anomalyd.api.keys import CONTROL
from anomalyd.api.requests import RecordOutcome, body
from anomalyd.model import Became
from anomalyd.risk.telling import as_json


async def record(request: web.Request) -> web.Response:
    asked = await body(request, RecordOutcome)
    run_id, became = request.match_info["id"], Became(asked.outcome)
    found = request.app[CONTROL].record_outcome(run_id, became, asked.note)
    return answer(codec.to_dict(found))


async def undo(request: web.Request) -> web.Response:
    before = request.app[CONTROL].undo_outcome(request.match_info["id"])
    return answer({"undone": codec.to_dict(before) if before is not None else None})


async def outcomes(request: web.Request) -> web.Response:
    found = request.app[CONTROL].outcomes()
    return answer({"outcomes": [codec.to_dict(one) for one in found]})


async def reliability(request: web.Request) -> web.Response:
    return answer(as_json(request.app[CONTROL].reliability()))
