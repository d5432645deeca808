"""Grafana's annotations API in memory: what it accepts, and what it answers when it does not.

`flavour` "7.5" or "13": how errors read and how a dashboard is named in an annotation. Both
store like the real one: tags as `key:value` without repeats, times in milliseconds, reversed
times swapped, an unknown dashboard silently taken as none.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.fakes.receiver import serving

TOKEN = "glsa_fake"
TAGS_LIMIT = 500
DEFAULT_LIMIT = 100

_FIELDS = {
    "dashboarduid": ("dashboardUID", str),
    "dashboardid": ("dashboardId", int),
    "panelid": ("panelId", int),
    "time": ("time", int),
    "timeend": ("timeEnd", int),
    "text": ("text", str),
    "tags": ("tags", list),
}
_NEEDS = {"POST": "create", "PATCH": "write", "PUT": "write", "DELETE": "delete", "GET": "read"}


class FakeGrafana:
    """`script`: answers (method, status, body) given once instead; `lose`: methods whose next
    answer is lost after the request took effect; `permissions`: of the token."""

    def __init__(self, flavour: str = "13") -> None:
        self.flavour = flavour
        self.url = ""
        self.annotations: dict[int, dict[str, Any]] = {}
        self.dashboards: dict[str, int] = {}
        self.permissions = {f"annotations:{right}" for right in _NEEDS.values()}
        self.requests: list[str] = []
        self.script: list[tuple[str, int, str, dict[str, str]]] = []
        self.lose: list[str] = []
        self._ids = itertools.count(1)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._gate])
        app.router.add_get("/api/health", self._health)
        app.router.add_post("/api/dashboards/db", self._save_dashboard)
        app.router.add_get("/api/dashboards/uid/{uid}", self._dashboard)
        app.router.add_get("/api/annotations", self._list)
        app.router.add_post("/api/annotations", self._create)
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            app.router.add_route(method, "/api/annotations/{id}", self._one)
        return app

    @web.middleware
    async def _gate(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        if self.script and self.script[0][0] == request.method:
            _, status, text, headers = self.script.pop(0)
            return web.Response(status=status, text=text, headers=headers)
        if request.path != "/api/health" and not self._known(request):
            said = "invalid API key" if self.flavour == "7.5" else "Unauthorized"
            return _message(401, said)
        if request.path.startswith("/api/annotations"):
            missing = f"annotations:{_NEEDS[request.method]}"
            if missing not in self.permissions:
                return self._forbidden(missing)
        answer = await handler(request)
        if request.method in self.lose and request.transport is not None:
            self.lose.remove(request.method)
            request.transport.close()
        return answer

    def _known(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _forbidden(self, missing: str) -> web.Response:
        if self.flavour == "7.5":
            return _message(403, "Permission denied")
        said = f"You'll need additional permissions to perform this action: {missing}"
        body = {"accessErrorId": "ACE0000000001", "message": said, "title": "Access denied"}
        return web.json_response(body, status=403)

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"commit": "0", "database": "ok", "version": self.flavour})

    async def _save_dashboard(self, request: web.Request) -> web.Response:
        uid = (await request.json())["dashboard"]["uid"]
        self.dashboards.setdefault(uid, len(self.dashboards) + 1)
        return web.json_response({"uid": uid, "id": self.dashboards[uid], "status": "success"})

    async def _dashboard(self, request: web.Request) -> web.Response:
        uid = request.match_info["uid"]
        if uid not in self.dashboards:
            return _message(404, "Dashboard not found")
        return web.json_response(
            {"dashboard": {"uid": uid, "id": self.dashboards[uid]}, "meta": {}}
        )

    async def _create(self, request: web.Request) -> web.Response:
        command = await self._command(request)
        if isinstance(command, web.Response):
            return command
        if not command.get("text"):
            body = {
                "message": "Failed to save annotation",
                "error": "text field should not be empty",
            }
            return web.json_response(body, status=400)
        start = command.get("time") or int(time.time() * 1000)
        end = command.get("timeEnd") or start
        row = {"text": command["text"], "tags": command["tags"], **self._placed(command)}
        row |= {"id": next(self._ids), "time": min(start, end), "timeEnd": max(start, end)}
        self.annotations[row["id"]] = row
        return web.json_response({"message": "Annotation added", "id": row["id"]})

    def _placed(self, command: dict[str, Any]) -> dict[str, Any]:
        known = {number: uid for uid, number in self.dashboards.items()}
        uid = command.get("dashboardUID") if self.flavour != "7.5" else None
        number = self.dashboards.get(uid or "", 0) or command.get("dashboardId", 0)
        place = {"dashboardId": number, "panelId": command.get("panelId", 0)}
        return place if self.flavour == "7.5" else {**place, "dashboardUID": known.get(number, "")}

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        start, end = int(query.get("from", 0)), int(query.get("to", 0))
        wanted, any_of = query.getall("tags", []), query.get("matchAny") == "true"
        rows = sorted(self.annotations.values(), key=lambda row: -row["timeEnd"])
        if start > 0 and end > 0:
            rows = [row for row in rows if row["time"] <= end and row["timeEnd"] >= start]
        if wanted:
            test = any if any_of else all
            rows = [row for row in rows if test(_has(row["tags"], tag) for tag in wanted)]
        if query.get("dashboardUID"):
            rows = [row for row in rows if row.get("dashboardUID") == query["dashboardUID"]]
        return web.json_response(rows[: int(query.get("limit", DEFAULT_LIMIT))])

    async def _one(self, request: web.Request) -> web.Response:
        row = self.annotations.get(int(request.match_info["id"]))
        if row is None:
            if self.flavour == "7.5":
                return _message(500, "Could not find annotation to update")
            return _message(404, "Annotation not found")
        if request.method == "GET":
            return web.json_response(row)
        if request.method == "DELETE":
            del self.annotations[row["id"]]
            return _message(200, "Annotation deleted")
        command = await self._command(request)
        if isinstance(command, web.Response):
            return command
        self._change(row, command, patch=request.method == "PATCH")
        return _message(
            200, "Annotation patched" if request.method == "PATCH" else "Annotation updated"
        )

    def _change(self, row: dict[str, Any], command: dict[str, Any], *, patch: bool) -> None:
        if command.get("text") or not patch:
            row["text"] = command.get("text", "")
        if command["tags"] or not patch:
            row["tags"] = command["tags"]
        start = command.get("time") or row["time"]
        end = command.get("timeEnd") or (row["timeEnd"] if patch else start)
        row["time"], row["timeEnd"] = min(start, end), max(start, end)

    async def _command(self, request: web.Request) -> dict[str, Any] | web.Response:
        """The decoded body with Go's rules: names in any case, types exact."""
        try:
            body = json.loads(await request.read())
            command = {_FIELDS[key.lower()][0]: value for key, value in body.items()}
            for name, kind in _FIELDS.values():
                if name in command and type(command[name]) is not kind:
                    raise ValueError(name)
        except (ValueError, AttributeError, KeyError):
            if self.flavour == "7.5":
                fault = {"classification": "DeserializationError", "message": "invalid character"}
                return web.json_response([fault], status=400)
            return _message(400, "bad request data")
        command["tags"] = _normal(command.get("tags") or [])
        size = len(json.dumps(command["tags"], separators=(",", ":"), ensure_ascii=False).encode())
        if size > TAGS_LIMIT:
            said = f"Tags length exceeds the maximum allowed ({TAGS_LIMIT})"
            body = {
                "message": said,
                "messageId": "annotations.tag-limit-exceeded",
                "statusCode": 400,
            }
            return web.json_response(body, status=400)
        return command


@asynccontextmanager
async def fake_grafana(flavour: str = "13") -> AsyncIterator[FakeGrafana]:
    """A fake listening on loopback for the length of the block."""
    fake = FakeGrafana(flavour)
    async with serving(fake.app()) as url:
        fake.url = url
        yield fake


def _message(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)


def _normal(tags: list[str]) -> list[str]:
    parts = [[part.strip() for part in tag.split(":", 1)] for tag in tags]
    return list(dict.fromkeys(":".join(part for part in pair if part) for pair in parts))


def _has(tags: list[str], wanted: str) -> bool:
    """A tag without a value matches its key with any value."""
    return any(tag == wanted or (":" not in wanted and tag.split(":")[0] == wanted) for tag in tags)
