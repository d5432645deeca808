"""ExportTraceServiceRequest, in protobuf and in JSON, to spans."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from anomalyd.model import Labels
from anomalyd.protobuf import DecodeError
from anomalyd.sources.otlp import json_spans, objects
from anomalyd.sources.otlp.attributes import KnownFacts, resource_labels
from anomalyd.sources.otlp.columns import UNREADABLE, Columns, Decoded, checked, replaced
from anomalyd.sources.otlp.cut import cut
from anomalyd.sources.otlp.walk import walk

_REMEMBERED, _REMEMBERED_BYTES = 4096, 16_384


class Malformed(Exception):
    """A body that is not what its content type says, as a sentence for its sender."""


class Decoder:
    """Reads bodies; what it remembers of attributes and resources only makes it quicker."""

    def __init__(self) -> None:
        self._facts = KnownFacts()
        self._resources: dict[bytes, Labels | None] = {}

    def protobuf(self, body: bytes, now: float) -> Decoded:
        """now: unix seconds. Raises Malformed."""
        try:
            buffer, resources = cut(body)
        except DecodeError:
            raise Malformed("the body is no ExportTraceServiceRequest in protobuf") from None
        columns, good = walk(buffer, self._facts)
        if not good.all():
            others = np.flatnonzero(~good)
            begin, end = buffer.begin[others], buffer.end[others]
            read = objects.read(buffer.texts(begin, end - begin), self._facts)
            columns = replaced(columns, others, read)
        groups = [(self._labels(one, resource_labels), size) for one, size in resources]
        return self._checked(columns, groups, now)

    def json(self, body: bytes, now: float) -> Decoded:
        """now: unix seconds. Raises Malformed."""
        try:
            message = json_spans.parse(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"the body is no ExportTraceServiceRequest in JSON: {error}") from None
        spans: list[json_spans.Span | None] = []
        groups = []
        for one in message.resource_spans or ():
            before = len(spans)
            for scope in one.scope_spans or ():
                spans += scope.spans or ()
            known = self._labels(bytes(one.resource), json_spans.resource_labels)
            groups.append((known, len(spans) - before))
        return self._checked(json_spans.columns(spans), groups, now)

    def _checked(
        self, columns: Columns, groups: Sequence[tuple[Labels | None, int]], now: float
    ) -> Decoded:
        """groups: labels of each resource, None of one that cannot be read, and its spans."""
        resources = dict.fromkeys(labels or Labels() for labels, _ in groups)
        rows = {labels: row for row, labels in enumerate(resources)}
        sizes = [size for _, size in groups]
        of_groups = np.array([rows[labels or Labels()] for labels, _ in groups], dtype=np.intp)
        unreadable = np.array([labels is None for labels, _ in groups], dtype=bool)
        columns.fault[np.repeat(unreadable, sizes)] = UNREADABLE
        resource = np.repeat(of_groups, sizes)
        return checked(columns, resource, tuple(rows), now)

    def _labels(self, raw: bytes, read: Callable[[bytes], Labels]) -> Labels | None:
        """Of a serialised resource; None if it cannot be read."""
        if raw in self._resources:
            return self._resources[raw]
        try:
            labels = read(raw)
        except (DecodeError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        if len(raw) <= _REMEMBERED_BYTES:
            if len(self._resources) >= _REMEMBERED:
                self._resources.clear()
            self._resources[raw] = labels
        return labels
