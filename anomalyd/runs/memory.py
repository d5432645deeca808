"""Small durable facts of one sink, such as the ids of its annotations."""

from __future__ import annotations

from anomalyd.runs import schema
from anomalyd.runs.database import Database, Row, delete, put


class SinkMemory:
    """The keys of one sink; written through before `put` returns (`sinks.base.Memory`)."""

    def __init__(self, database: Database, sink: str) -> None:
        self._database = database
        self._sink = sink

    def get(self, key: str) -> str | None:
        rows = self._database.select(schema.MEMORY, {"sink": self._sink, "key": key})
        return str(rows[0]["value"]) if rows else None

    def put(self, key: str, value: str) -> None:
        row: Row = {"sink": self._sink, "key": key, "value": value}
        self._database.write([put(schema.MEMORY, row)])

    def delete(self, key: str) -> None:
        self._database.write([delete(schema.MEMORY, self._sink, key)])

    def items(self, prefix: str) -> list[tuple[str, str]]:
        """Sorted by key."""
        rows = self._database.select(schema.MEMORY, {"sink": self._sink}, order="key")
        pairs = [(str(row["key"]), str(row["value"])) for row in rows]
        return [(key, value) for key, value in pairs if key.startswith(prefix)]
