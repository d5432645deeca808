"""`anomalyd outcome` and `anomalyd risk`: a daemon is asked, or a state directory."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from anomalyd import codec
from anomalyd.api.client import ServerClient
from anomalyd.commands.asking import PATIENCE_SECONDS, token
from anomalyd.config import Config
from anomalyd.model import Became, RecordedOutcome
from anomalyd.report.files import replace
from anomalyd.risk import drawing, telling
from anomalyd.risk.calibration import Enough
from anomalyd.risk.reliability import Reliability, reliability
from anomalyd.runs import outcomes
from anomalyd.runs.outcomes import NotRecordable
from anomalyd.runs.store import Store
from anomalyd.units import rfc3339

Answer = tuple[object, str]


class Keeper(Protocol):
    """Where outcomes are kept."""

    async def record(self, run_id: str, became: Became, note: str) -> RecordedOutcome: ...

    async def undo(self, run_id: str) -> RecordedOutcome | None: ...

    async def outcomes(self) -> Sequence[RecordedOutcome]: ...

    async def reliability(self) -> Reliability: ...


class Here:
    """In the state directory of a configuration; a daemon may be at work there. StoreError."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def record(self, run_id: str, became: Became, note: str) -> RecordedOutcome:
        with self._store() as store:
            return outcomes.record(store, run_id, became, time.time(), note)

    async def undo(self, run_id: str) -> RecordedOutcome | None:
        with self._store() as store:
            return outcomes.undo(store, run_id)

    async def outcomes(self) -> Sequence[RecordedOutcome]:
        with self._store() as store:
            return store.outcomes()

    async def reliability(self) -> Reliability:
        needed = Enough(self._config.risk.outcomes, self._config.risk.of_each)
        return reliability(await self.outcomes(), needed)

    def _store(self) -> Store:
        return Store.open(self._config.state_dir / "anomalyd.db")


class There:
    """At a daemon. Raises ServerAway, ServerRefused."""

    def __init__(self, options: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self._options, self._environ = options, environ

    async def record(self, run_id: str, became: Became, note: str) -> RecordedOutcome:
        asked = {"outcome": became.value, "note": note}
        data = await self._told("POST", f"/runs/{quote(run_id, safe='')}/outcome", asked)
        return codec.from_dict(RecordedOutcome, data)

    async def undo(self, run_id: str) -> RecordedOutcome | None:
        data = await self._told("DELETE", f"/runs/{quote(run_id, safe='')}/outcome")
        undone = data["undone"]
        return codec.from_dict(RecordedOutcome, undone) if undone is not None else None

    async def outcomes(self) -> Sequence[RecordedOutcome]:
        found = (await self._told("GET", "/outcomes"))["outcomes"]
        return [codec.from_dict(RecordedOutcome, one) for one in found]

    async def reliability(self) -> Reliability:
        return codec.from_dict(Reliability, await self._told("GET", "/risk"))

    async def _told(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        client = ServerClient(
            self._options["server"],
            token(self._options["token_file"], self._environ),
            patience_seconds=PATIENCE_SECONDS,
            longest_pause_seconds=PATIENCE_SECONDS / 4,
        )
        async with client:
            return await client.told(method, path, body)


async def outcome(keeper: Keeper, options: Mapping[str, Any]) -> Answer:
    """Raises UnknownRun, NotRecordable, StoreError, ServerAway, ServerRefused."""
    if options["as_list"]:
        known = await keeper.outcomes()
        lines = [_line(one) for one in known]
        return [codec.to_dict(one) for one in known], "\n".join(lines) or "no outcome is recorded"
    if options["undo"]:
        before = await keeper.undo(options["run"])
        if before is None:
            raise NotRecordable(f"no outcome of run {options['run']} is recorded: nothing to undo")
        return {"undone": codec.to_dict(before)}, f"taken back: {_line(before)}"
    done = await keeper.record(options["run"], Became(options["outcome"]), options["note"])
    return codec.to_dict(done), _line(done)


async def risk(keeper: Keeper, options: Mapping[str, Any]) -> Answer:
    """Raises StoreError, ServerAway, ServerRefused, ReportError."""
    found = await keeper.reliability()
    text = telling.terminal(found)
    if options["svg"] is not None:
        text += f"\n{_drawn(found, options['svg'])}"
    return telling.as_json(found), text


def _drawn(found: Reliability, path: Path) -> str:
    if found.recalibrated is None:
        return f"{path} is not written: there is nothing to draw yet"
    replace(path, drawing.document(drawing.diagram(found.recalibrated, "release risk")))
    return f"the diagram is in {path}"


def _line(one: RecordedOutcome) -> str:
    note = f"  {one.note}" if one.note else ""
    recorded = rfc3339(one.recorded_at)
    return f"{one.run_id}  {recorded}  {one.became.value}  risk {one.score:.0f}  {one.name}{note}"
