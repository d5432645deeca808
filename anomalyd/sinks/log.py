"""One line in our own log per notice, as `key=value` pairs (logfmt)."""

from __future__ import annotations

import json
import logging

from anomalyd import config
from anomalyd.model import Incident, Outcome, Run, Verdict
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
from anomalyd.sinks.notes import Notes
from anomalyd.sinks.wording import top_service
from anomalyd.units import format_duration

log = logging.getLogger(__name__)


class Log:
    """Incidents and verdicts other than `pass` are told at the configured level, the rest at info.

    The same notice twice is one line: what was told is remembered, also over a restart.
    """

    name = "log"
    every: float | None = 3600.0

    def __init__(self, settings: config.LogSink, context: Context) -> None:
        self._level = logging.getLevelNamesMapping()[settings.level.upper()]
        self._notes = Notes(context, self.name)

    async def start(self) -> None: ...

    async def deliver(self, notice: Notice) -> Result:
        match notice:
            case RunStarted(run):
                self._tell(f"run:{run.id}", logging.INFO, "run started", _run(run))
            case RunFinished(run, verdict):
                level = logging.INFO if verdict.outcome is Outcome.PASS else self._level
                facts = {**_run(run), **_verdict(verdict)}
                self._tell(f"run:{run.id}", level, "run finished", facts)
            case DriftChanged():
                event = "drift appeared" if notice.many else "drift is gone"
                facts = {"differences": notice.many, "summary": notice.summary}
                self._tell("drift", self._level, event, facts)
            case IncidentChanged(_, incident):
                event = "incident opened" if incident.open else "incident closed"
                self._tell(f"incident:{incident.id}", self._level, event, _incident(incident))
        return OK

    async def refresh(self, now: float) -> Result:
        self._notes.prune(now)
        return OK

    async def stop(self) -> None: ...

    def _tell(self, key: str, level: int, event: str, facts: dict[str, object]) -> None:
        line = _line(event, facts)
        note = self._notes.get(key)
        if note is not None and note["line"] == line:
            return
        grown = note is not None and event == "incident opened"
        log.log(level, "%s", _line("incident grew", facts) if grown else line)
        self._notes.put(key, {"line": line})


def _line(event: str, facts: dict[str, object]) -> str:
    return " ".join([event, *(f"{key}={_value(value)}" for key, value in facts.items())])


def _value(value: object) -> str:
    text = str(value)
    plain = text and not any(c.isspace() or c in '"=\\' or not c.isprintable() for c in text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def _run(run: Run) -> dict[str, object]:
    return {"run": run.id, "name": run.name, "origin": run.origin}


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "verdict": verdict.outcome.value,
        "shadow": verdict.shadow,
        "incidents": len(verdict.incidents),
        "reasons": "; ".join(verdict.reasons),
    }


def _incident(incident: Incident) -> dict[str, object]:
    facts: dict[str, object] = {
        "incident": incident.id,
        "run": incident.run_id,
        "severity": incident.severity,
        "service": top_service(incident),
        "anomalies": len(incident.anomalies),
    }
    if incident.ended_at is not None:
        facts["lasted"] = format_duration(max(0.0, incident.ended_at - incident.started_at))
    return {**facts, "summary": incident.summary}
