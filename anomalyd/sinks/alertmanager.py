"""Incidents as alerts of Alertmanager's v2 API.

Identity of an alert is its label set: labels are frozen when first sent, what changes goes into
annotations. An incident that becomes more severe gets one more alert that differs in `severity`
alone, so that it is routed anew; an inhibition rule with `equal: [incident]` keeps the milder
one quiet. An incident that was over before it was ever sent is not sent: nobody was told.

As Prometheus does (`notifier/`): firing alerts are sent again every `resend_delay` with `endsAt`
four periods ahead, so that they end by themselves if we die; resolved ones are sent again for
`resolved_for`. Every Alertmanager of a cluster gets every alert, since they do not pass alerts
to each other; one that accepts is enough, and the next round reaches those that were away.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from anomalyd import config, http
from anomalyd.model import Incident, Run
from anomalyd.sinks import answers
from anomalyd.sinks.base import (
    OK,
    Context,
    DriftChanged,
    IncidentChanged,
    Notice,
    Result,
    RunFinished,
    RunStarted,
)
from anomalyd.sinks.notes import Note, Notes
from anomalyd.sinks.wording import (
    anomaly_lines,
    log_lines,
    shape_lines,
    suspects_line,
    top_service,
    trace_lines,
)
from anomalyd.units import rfc3339

log = logging.getLogger(__name__)

DRIFT = "drift"
"""Under which the alert of drift is remembered; no incident has that id."""
ALERTS = "/api/v2/alerts"
BATCH = 64
_INVALID_ALERT = frozenset({400, 422})

Alert = dict[str, Any]


class Alertmanager:
    """What is open is remembered, so `refresh` goes on after a restart and after an outage."""

    name = "alertmanager"

    def __init__(self, settings: config.AlertmanagerSink, context: Context) -> None:
        self.every: float | None = settings.resend_delay
        self._settings = settings
        self._context = context
        self._notes = Notes(context, self.name)
        self._lifetime = 4 * max(context.interval, settings.resend_delay)
        self._session: aiohttp.ClientSession | None = None
        self._away: set[str] = set()

    async def start(self) -> None:
        self._session = answers.open_session(self._settings, "sinks.alertmanager")

    async def deliver(self, notice: Notice) -> Result:
        match notice:
            case RunStarted():
                return OK
            case RunFinished(run):
                return await self._resolve_run(run)
            case IncidentChanged(run, incident):
                return await self._change(run, incident, notice)
            case DriftChanged():
                return await self._drift(notice)

    async def refresh(self, now: float) -> Result:
        """Send all that fires or was lately resolved; forget what was resolved longer ago."""
        alerts: list[Alert] = []
        for key, note in self._notes.items():
            resolved_at = note["resolved_at"]
            if resolved_at is None or now - resolved_at <= self._settings.resolved_for:
                alerts += self._alerts(note, now)
            else:
                self._notes.delete(key)
        self._notes.prune(now)
        return await self._send(alerts)

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _change(self, run: Run, incident: Incident, notice: IncidentChanged) -> Result:
        note = self._notes.get(incident.id)
        if note is None and not incident.open:
            return OK
        if note is None:
            note = self._opened(run, incident)
        severities = [labels["severity"] for labels in note["labels"]]
        if incident.open and incident.severity not in severities:
            note["labels"].append({**note["labels"][0], "severity": incident.severity})
        note["annotations"] = self._annotations(incident, notice)
        return await self._settle(incident.id, note, incident.ended_at)

    async def _drift(self, notice: DriftChanged) -> Result:
        """One alert for as long as staging differs from production."""
        note = self._notes.get(DRIFT)
        if note is None or (notice.many and note["ended_at"] is not None):
            if not notice.many:
                return OK
            labels = {
                "alertname": "AnomalydDrift",
                **self._settings.labels,
                "severity": "warning",
            }
            note = _note("", labels, notice.changed_at, self._settings.generator_url)
        if notice.many:
            description = "\n".join(notice.differences)
            note["annotations"] = {
                "summary": _utf8(notice.summary),
                "description": _utf8(description),
            }
        return await self._settle(DRIFT, note, None if notice.many else notice.changed_at)

    async def _resolve_run(self, run: Run) -> Result:
        """Resolve what a finished run left open: its closing was dropped from a full queue."""
        now = self._context.clock()
        result = OK
        for key, note in self._notes.items():
            if note["run_id"] == run.id and note["ended_at"] is None:
                settled = await self._settle(key, note, run.finished_at or now)
                result = settled if not settled.ok else result
        return result

    async def _settle(self, key: str, note: Note, ended_at: float | None) -> Result:
        """Remember, then send: an answer may be lost, what may have been sent must be known."""
        now = self._context.clock()
        note["ended_at"] = ended_at
        note["resolved_at"] = None if ended_at is None else note["resolved_at"] or now
        self._notes.put(key, note)
        result = await self._send(self._alerts(note, now))
        if result.status in _INVALID_ALERT:
            self._notes.delete(key)
        return result

    def _opened(self, run: Run, incident: Incident) -> Note:
        labels = {
            "alertname": "AnomalydIncident",
            "run": run.name,
            "service": top_service(incident),
            **self._settings.labels,
            "severity": incident.severity,
            "incident": incident.id,
            "run_id": run.id,
        }
        link = self._settings.generator_url or self._context.run_url(run.id)
        return _note(run.id, labels, incident.started_at, link)

    def _annotations(self, incident: Incident, notice: IncidentChanged) -> dict[str, str]:
        found = notice.found
        annotations = {
            "summary": incident.summary,
            "description": "\n".join(anomaly_lines(incident)),
            "suspects": suspects_line(incident).removeprefix("suspects: "),
            "traces": "\n".join(f"{line} {link}".rstrip() for line, link in trace_lines(found)),
            "logs": "\n".join(log_lines(found)),
            "shape": "\n".join(shape_lines(notice.shape)),
            "severity_now": incident.severity,
            "run_url": self._context.run_url(incident.run_id) or "",
        }
        return {name: _utf8(text) for name, text in annotations.items() if text}

    def _alerts(self, note: Note, now: float) -> list[Alert]:
        ended_at = note["ended_at"]
        ends_at = now + self._lifetime if ended_at is None else min(ended_at, now)
        alert: Alert = {
            "annotations": note["annotations"],
            "startsAt": rfc3339(note["starts_at"]),
            "endsAt": rfc3339(max(ends_at, note["starts_at"])),
        }
        if note["generator_url"]:
            alert["generatorURL"] = note["generator_url"]
        return [{"labels": labels, **alert} for labels in note["labels"]]

    async def _send(self, alerts: Sequence[Alert]) -> Result:
        """To every Alertmanager at once; one is enough, and one worth a retry makes all so."""
        if not alerts:
            return OK
        urls = self._settings.urls
        async with asyncio.TaskGroup() as group:
            tasks = {
                url: group.create_task(self._send_to(url, alerts), name=f"alertmanager {url}")
                for url in urls
            }
        results = {url: task.result() for url, task in tasks.items()}
        accepted = [result for result in results.values() if result.ok]
        if accepted:
            self._say_away({url: result for url, result in results.items() if not result.ok})
            return accepted[0]
        return min(results.values(), key=lambda result: not result.retryable)

    async def _send_to(self, url: str, alerts: Sequence[Alert]) -> Result:
        """All batches, though one be refused: its valid alerts were taken all the same."""
        worst = OK
        for start in range(0, len(alerts), BATCH):
            result = await self._post(url, alerts[start : start + BATCH])
            if result.retryable:
                return result
            worst = result if not result.ok else worst
        return worst

    async def _post(self, url: str, batch: Sequence[Alert]) -> Result:
        if self._session is None:
            raise RuntimeError("start was not awaited")
        try:
            answer = await answers.ask(self._session, "POST", f"{url}{ALERTS}", json=batch)
        except http.NETWORK_ERRORS as error:
            return _placed(url, answers.unreachable(error))
        result = answers.judge(answer, self._context.clock())
        if result.status in (401, 403):
            mend = "it refuses our credentials: set sinks.alertmanager.auth"
            result = Result(False, False, f"{mend} ({result.detail})", status=result.status)
        return _placed(url, result)

    def _say_away(self, failed: Mapping[str, Result]) -> None:
        for url in failed.keys() - self._away:
            log.warning("sink alertmanager: %s; another one accepts", failed[url].detail)
        for url in self._away - failed.keys():
            log.warning("sink alertmanager: %s accepts again", url)
        self._away = set(failed)


def _note(run_id: str, labels: Mapping[str, str], starts_at: float, link: str | None) -> Note:
    """Of an alert that was never sent."""
    return {
        "run_id": run_id,
        "labels": [clean_labels(labels)],
        "starts_at": starts_at,
        "ended_at": None,
        "resolved_at": None,
        "generator_url": link if link and is_uri(link) else None,
    }


def clean_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Names as every Alertmanager accepts them, values as valid UTF-8, empty ones left out."""
    return {_label_name(name): _utf8(value) for name, value in _filled(labels.items())}


def is_uri(text: str) -> bool:
    """Whether Alertmanager takes `text` as generatorURL; it answers 422 to anything else."""
    if not text.isascii() or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _filled(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in pairs if value]


def _label_name(name: str) -> str:
    cleaned = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    return cleaned if re.match(r"[a-zA-Z_]", cleaned) else f"_{cleaned}"


def _utf8(text: str) -> str:
    return text.encode(errors="replace").decode()


def _placed(url: str, result: Result) -> Result:
    if result.ok:
        return result
    detail = f"{url} {result.detail}"
    return Result(False, result.retryable, detail, result.retry_after, result.status)
