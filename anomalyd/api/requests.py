"""What may stand in a request, checked before anything is done with it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from anomalyd.api.errors import Refusal
from anomalyd.units import parse_duration

BODY_LIMIT = 2**20
"""Bytes of a request's body at most."""

T = TypeVar("T", bound=Struct)

_LINE = r"^[^\x00-\x1f\x7f]*$"
LabelName = Annotated[str, Meta(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=128)]
LabelValue = Annotated[str, Meta(pattern=_LINE, max_length=1024)]


class StartRun(Struct, forbid_unknown_fields=True, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=200, pattern=_LINE)]
    selector: LabelValue = ""
    labels: Annotated[dict[LabelName, LabelValue], Meta(max_length=64)] = {}


class AddNote(Struct, forbid_unknown_fields=True, frozen=True):
    text: Annotated[str, Meta(min_length=1, max_length=10_000)]


class AcceptRun(Struct, forbid_unknown_fields=True, frozen=True):
    """As `runs.acceptance.Asked`."""

    note: Annotated[str, Meta(max_length=10_000)] = ""
    force: bool = False
    until: Annotated[str, Meta(max_length=100)] = ""
    golden: bool = False
    signal: Annotated[str, Meta(max_length=2000)] = ""
    change: Annotated[str, Meta(max_length=100)] = ""


class RecordOutcome(Struct, forbid_unknown_fields=True, frozen=True):
    """What became of the release that a run tested."""

    outcome: Literal["incident", "clean"]
    note: Annotated[str, Meta(max_length=10_000)] = ""


class AddSilence(Struct, forbid_unknown_fields=True, frozen=True):
    """As `silences` in the config, with `duration` in place of `until` if wished."""

    reason: str
    signal: str = ".*"
    match: str = ""
    until: str | None = None
    duration: str | None = None


async def body(request: web.Request, kind: type[T]) -> T:
    """The JSON body as `kind`. Raises Refusal naming the field that does not fit."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.ValidationError as error:
        raise Refusal(400, "bad_request", f"the body does not fit: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "bad_json", f"the body is not JSON: {error}") from None


def whole_number(request: web.Request, name: str, default: int, most: int) -> int:
    """A number from 0 to `most` in the query. Raises Refusal."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or int(text) > most:
        raise Refusal(400, "bad_request", f"{name}={text}: write a whole number from 0 to {most}")
    return int(text)


def seconds(request: web.Request, name: str, most: float) -> float:
    """A duration up to `most` seconds in the query, 0 where it is not given. Raises Refusal."""
    text = request.query.get(name)
    if text is None:
        return 0.0
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise Refusal(400, "bad_request", f"{name}: {error}") from None
    if duration > most:
        raise Refusal(400, "bad_request", f"{name}={text}: wait {most:g}s at most, and ask again")
    return duration
