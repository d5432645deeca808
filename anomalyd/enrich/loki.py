"""Log lines of a service from Loki (`query_range`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from anomalyd.clients.asking import Asker, escaped, nanoseconds
from anomalyd.config import Loki
from anomalyd.config.enriching import SERVICE
from anomalyd.query import Trouble

LINE = 1000
"""Characters of a line that are looked at."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The newest lines of a time, and how many seconds of it they cover: all of it, unless there
    were more lines than were asked for."""

    texts: Sequence[str]
    seconds: float


class _Stream(msgspec.Struct):
    values: list[list[msgspec.Raw]] = msgspec.field(default_factory=list)


class _Data(msgspec.Struct):
    kind: str = msgspec.field(default="", name="resultType")
    result: list[_Stream] | None = None


class _Answer(msgspec.Struct):
    data: _Data | None = None


class LokiLines:
    """`lines` raises QueryError."""

    def __init__(self, settings: Loki, asker: Asker) -> None:
        self._settings, self._asker = settings, asker

    async def lines(self, service: str, start: float, end: float) -> Lines:
        """Those of `service` within [start, end), the newest first."""
        most = self._settings.lines
        params = [
            ("query", self._settings.query.replace(SERVICE, escaped(service))),
            ("start", nanoseconds(start)),
            ("end", nanoseconds(end)),
            ("limit", str(most)),
            ("direction", "backward"),
        ]
        body = await self._asker.get("/loki/api/v1/query_range", params)
        data = self._asker.read(body, _Answer).data
        if data is None or data.kind != "streams":
            kind = data.kind if data is not None else "nothing"
            raise self._asker.trouble(
                Trouble.WRONG_TYPE,
                f"answers {kind or 'nothing'}, not log lines; enrich.loki.query must select lines",
            )
        found = sorted(self._values(data), reverse=True)[:most]
        covered = end - found[-1][0] / 1e9 if len(found) >= most else end - start
        return Lines([text for _, text in found], max(covered, 1e-3))

    async def reached(self) -> str:
        """What to say of a server that answers."""
        await self._asker.get("/loki/api/v1/labels", ())
        return f"Loki at {self._asker.url}"

    def _values(self, data: _Data) -> list[tuple[int, str]]:
        """A value is [nanoseconds as text, line], with structured metadata after it since 2.9."""
        found = []
        for stream in data.result or ():
            for value in stream.values:
                if len(value) < 2:
                    raise self._asker.trouble(Trouble.BROKEN, "answers a line without its time")
                at, text = (self._asker.read(bytes(part), str) for part in value[:2])
                if not at.isdecimal():
                    raise self._asker.trouble(Trouble.BROKEN, f"answers a line at {at[:40]!r}")
                found.append((int(at), text[:LINE]))
        return found
