"""Silences at run time: list, add, end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pydantic
from aiohttp import web

from anomalyd import config
from anomalyd.api.errors import Refusal, answer
from anomalyd.api.keys import CONTROL
from anomalyd.api.requests import AddSilence, body
from anomalyd.runs.silences import Silence
from anomalyd.units import parse_duration, rfc3339


async def listing(request: web.Request) -> web.Response:
    return answer({"silences": [plain(each) for each in request.app[CONTROL].silences()]})


async def add(request: web.Request) -> web.Response:
    control = request.app[CONTROL]
    silence = _checked(await body(request, AddSilence), control.now())
    control.add_silence(silence)
    return answer(plain(silence), 201)


async def delete(request: web.Request) -> web.Response:
    silence_id = request.match_info["id"]
    if not request.app[CONTROL].delete_silence(silence_id):
        raise Refusal(404, "unknown_silence", f"there is no silence {silence_id} that can be ended")
    return web.Response(status=204)


def plain(silence: Silence) -> dict[str, Any]:
    """As it was asked for: `match` in Prometheus notation, times in RFC 3339."""
    return {
        "id": silence.id,
        "signal": silence.signal,
        "match": ",".join(map(str, silence.match)),
        "reason": silence.reason,
        "until": rfc3339(silence.until),
        "created_at": rfc3339(silence.created_at),
    }


def _checked(asked: AddSilence, now: float) -> Silence:
    """By the checks of the config. Raises Refusal."""
    tree = {"signal": asked.signal, "match": asked.match, "reason": asked.reason}
    try:
        given = config.Silence.model_validate({**tree, "until": _until(asked, now)})
    except pydantic.ValidationError as error:
        detail = error.errors(include_url=False)[0]
        place = ".".join(map(str, detail["loc"]))
        message = detail["msg"].removeprefix("Value error, ")
        raise Refusal(400, "bad_request", f"{place}: {message}" if place else message) from None
    until = given.until.timestamp()
    if until <= now:
        raise Refusal(400, "bad_request", f"until: {rfc3339(until)} has passed")
    return Silence.new(
        signal=given.signal, match=given.match, reason=given.reason, until=until, now=now
    )


def _until(asked: AddSilence, now: float) -> str | datetime:
    if (asked.until is None) == (asked.duration is None):
        raise Refusal(400, "bad_request", "set until (a time) or duration (like 2h), one of them")
    if asked.until is not None:
        return asked.until
    try:
        return datetime.fromtimestamp(now + parse_duration(asked.duration), UTC)
    except (ValueError, OverflowError) as error:
        raise Refusal(400, "bad_request", f"duration: {error}") from None
