"""Runs and incidents as region annotations of Grafana's HTTP API (7.5 to 13).

One region per incident and one per run, each found again by its tags: the id is remembered, and
looked up before anything is created, so a lost answer or a restart makes no second one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import aiohttp

from anomalyd import config, http, telemetry
from anomalyd.model import Incident, Run
from anomalyd.sinks import answers, regions
from anomalyd.sinks.answers import Answer
from anomalyd.sinks.base import (
    OK,
    Context,
    DriftChanged,
    IncidentChanged,
    Notice,
    Result,
    RunFinished,
    RunStarted,
    SinkError,
)
from anomalyd.sinks.notes import Notes
from anomalyd.sinks.regions import Region

log = logging.getLogger(__name__)

ANNOTATIONS = "/api/annotations"
DASHBOARDS = "/api/dashboards/uid"
PERMISSIONS = "annotations:create, annotations:write and annotations:read"


class Grafana:
    """An incident beyond the run's `budget` is counted and said once; the run's region is free.

    A region that someone deleted in Grafana is made again at its next change.
    """

    name = "grafana"
    every: float | None = 3600.0

    def __init__(self, settings: config.GrafanaSink, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._notes = Notes(context, self.name)
        self._session: aiohttp.ClientSession | None = None
        self._place: dict[str, Any] | None = None
        self._said: set[str] = set()

    async def start(self) -> None:
        try:
            token = self._settings.secret()
        except OSError as error:
            raise SinkError(f"sinks.grafana.token_file: {error.strerror}") from error
        self._session = answers.open_session(self._settings, "sinks.grafana")
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    async def deliver(self, notice: Notice) -> Result:
        try:
            match notice:
                case DriftChanged():
                    return OK
                case RunStarted(run):
                    await self._put(f"run:{run.id}", self._run_region(run))
                case RunFinished():
                    await self._finish(notice)
                case IncidentChanged(_, incident):
                    await self._incident(incident, notice)
        except _RefusedError as error:
            return error.result
        except http.NETWORK_ERRORS as error:
            return answers.unreachable(error)
        return OK

    async def refresh(self, now: float) -> Result:
        self._notes.prune(now)
        return OK

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _finish(self, notice: RunFinished) -> None:
        """Close the run's region, and those of incidents whose closing was dropped on the way."""
        run, end = notice.run, notice.run.finished_at or notice.run.stopped_at
        ended = end or self._context.clock()
        for incident in notice.verdict.incidents:
            note = self._notes.get(_key(incident))
            if note is not None and note.get("open"):
                await self._incident(replace(incident, ended_at=incident.ended_at or ended))
        region = regions.of_verdict(run, notice.verdict, ended, self._context.run_url(run.id))
        await self._put(f"run:{run.id}", self._tagged(region))

    async def _incident(self, incident: Incident, notice: IncidentChanged | None = None) -> None:
        key = _key(incident)
        note = self._notes.get(key)
        used = len(self._notes.items(_prefix(incident.run_id)))
        if note is None and used >= self._settings.budget:
            self._over_budget(incident)
            return
        await self._put(key, self._incident_region(incident, notice))

    async def _put(self, key: str, region: Region) -> None:
        """Bring Grafana to `region`, whatever it has of it already."""
        note = self._notes.get(key)
        found = note["id"] if note else None
        if found is None or not await self._patch(found, region):
            found = await self._look_up(region)
            if found is None or not await self._patch(found, region):
                found = await self._create(region)
        self._notes.put(key, {"id": found, "open": region.end is None})

    async def _patch(self, found: int, region: Region) -> bool:
        """False if Grafana has no such annotation any more."""
        if region.end is not None:
            return await self._close(found, region)
        path, body = f"{ANNOTATIONS}/{found}", {"text": region.text, "tags": list(region.tags)}
        return not _is_gone(await self._call("PATCH", path, json=body, allowed=_is_gone))

    async def _close(self, found: int, region: Region) -> bool:
        """Set both ends in place; where times are immutable, this is delete and create."""
        body = {
            "text": region.text,
            "tags": list(region.tags),
            "time": _milliseconds(region.start),
            "timeEnd": _milliseconds(region.end or region.start),
        }
        path = f"{ANNOTATIONS}/{found}"
        return not _is_gone(await self._call("PATCH", path, json=body, allowed=_is_gone))

    async def _create(self, region: Region) -> int:
        body = {
            **await self._placement(),
            "time": _milliseconds(region.start),
            "text": region.text,
            "tags": list(region.tags),
        }
        if region.end is not None:
            body["timeEnd"] = _milliseconds(region.end)
        answer = await self._call("POST", ANNOTATIONS, json=body)
        created = answer.json()
        if not isinstance(created, dict) or not isinstance(created.get("id"), int):
            raise _RefusedError(
                Result(
                    False, False, "answered without an annotation id: is sinks.grafana.url right?"
                )
            )
        return int(created["id"])

    async def _look_up(self, region: Region) -> int | None:
        """The oldest annotation with the region's identity; no time range, or 0 would be one."""
        query = [("tags", tag) for tag in region.identity]
        answer = await self._call("GET", ANNOTATIONS, params=[*query, ("type", "annotation")])
        listed = answer.json()
        rows = listed if isinstance(listed, list) else []
        own = set(region.identity)
        matching = [
            row for row in rows if isinstance(row, dict) and own <= set(row.get("tags") or ())
        ]
        return min((int(row["id"]) for row in matching), default=None)

    async def _placement(self) -> dict[str, Any]:
        """Where regions go. Grafana takes an unknown dashboard as none, without a word."""
        uid = self._settings.dashboard_uid
        if uid is None:
            return {}
        if self._place is None:
            answer = await self._call("GET", f"{DASHBOARDS}/{uid}", allowed=_is_hidden)
            if answer.status == 404:
                self._say_once(f"has no dashboard {uid}: annotations go to the whole organisation")
                return {}
            self._place = self._resolved(uid, answer)
        return self._place

    def _resolved(self, uid: str, answer: Answer) -> dict[str, Any]:
        place: dict[str, Any] = {"dashboardUID": uid}
        found = answer.json()
        if answer.status == 403:
            self._say_once(f"does not let us read dashboard {uid}: used without a check")
        elif isinstance(found, dict) and isinstance(found.get("dashboard"), dict):
            # Grafana before 9 knows dashboards in annotations by number only.
            place["dashboardId"] = found["dashboard"].get("id")
        if self._settings.panel_id is not None:
            place["panelId"] = self._settings.panel_id
        return place

    async def _call(
        self,
        method: str,
        path: str,
        *,
        allowed: Callable[[Answer], bool] | None = None,
        **options: Any,
    ) -> Answer:
        """One request; raises _RefusedError unless delivered or `allowed` by the caller."""
        if self._session is None:
            raise RuntimeError("start was not awaited")
        url = f"{self._settings.url}{path}"
        answer = await answers.ask(self._session, method, url, **options)
        result = answers.judge(answer, self._context.clock())
        if result.ok or (allowed is not None and allowed(answer)):
            return answer
        if result.status in (401, 403):
            mend = f"give the service account of sinks.grafana.token {PERMISSIONS}"
            result = replace(result, detail=f"{result.detail}: {mend}")
        raise _RefusedError(replace(result, detail=f"{method} {url} {result.detail}"))

    def _run_region(self, run: Run) -> Region:
        return self._tagged(regions.of_run(run, self._context.run_url(run.id)))

    def _incident_region(self, incident: Incident, notice: IncidentChanged | None) -> Region:
        link = self._context.run_url(incident.run_id)
        more = (notice.found, notice.shape) if notice is not None else (None, ())
        return self._tagged(regions.of_incident(incident, link, *more))

    def _tagged(self, region: Region) -> Region:
        return regions.with_tags(region, self._settings.tags)

    def _over_budget(self, incident: Incident) -> None:
        telemetry.sink_dropped.add(1, {"sink": self.name, "reason": "budget"})
        self._say_once(
            f"run {incident.run_id} has used its {self._settings.budget} annotations: further "
            "incidents are not drawn; raise sinks.grafana.budget if they should be"
        )

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            log.warning("sink grafana: %s", sentence)


class _RefusedError(Exception):
    def __init__(self, result: Result) -> None:
        super().__init__(result.detail)
        self.result = result


def _prefix(run_id: str) -> str:
    return f"incident:{run_id}/"


def _key(incident: Incident) -> str:
    return _prefix(incident.run_id) + incident.id


def _milliseconds(time: float) -> int:
    return round(time * 1000)


def _is_gone(answer: Answer) -> bool:
    """404, or what 7.5 answers to a change of an annotation it does not have."""
    missing = "could not find annotation" in answer.text.lower()
    return answer.status == 404 or (answer.status == 500 and missing)


def _is_hidden(answer: Answer) -> bool:
    return answer.status in (403, 404)
