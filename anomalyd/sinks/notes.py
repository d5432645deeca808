"""What a sink remembers across restarts: JSON objects in its own `Memory`."""

from __future__ import annotations

import json
from typing import Any

from anomalyd.sinks.base import Context

Note = dict[str, Any]

KEEP_SECONDS = 30 * 86400.0


class Notes:
    """Each note carries the time it was written (`at`)."""

    def __init__(self, context: Context, sink: str) -> None:
        self._memory = context.memory(sink)
        self._clock = context.clock

    def get(self, key: str) -> Note | None:
        text = self._memory.get(key)
        return json.loads(text) if text is not None else None

    def put(self, key: str, note: Note) -> None:
        self._memory.put(key, json.dumps({**note, "at": self._clock()}))

    def delete(self, key: str) -> None:
        self._memory.delete(key)

    def items(self, prefix: str = "") -> list[tuple[str, Note]]:
        return [(key, json.loads(text)) for key, text in sorted(self._memory.items(prefix))]

    def prune(self, now: float) -> None:
        """Forget what was not written to for `KEEP_SECONDS`: its run is long over."""
        for key, note in self.items():
            if note["at"] < now - KEEP_SECONDS:
                self.delete(key)
