"""Classic histograms that a target offers beside its native ones: they must not count twice."""

from __future__ import annotations

from collections.abc import Container, Sequence

from anomalyd.model import Labels
from anomalyd.signals.native.names import SUFFIXES


class Twins:
    """Raw series of classic histograms, by the name of the native one that may stand for them."""

    def __init__(self) -> None:
        self._raw: dict[str, set[int]] = {}

    def note(self, raw: int, labels: Labels) -> Labels | None:
        """What the native series would be called; None of what is no part of a histogram."""
        native = native_of(labels)
        if native is not None:
            self._raw.setdefault(native.get("__name__"), set()).add(raw)
        return native

    def of(self, natives: Container[Labels], name: str, labels: Sequence[Labels]) -> list[int]:
        """Raw series that stand for `natives`, all of which are called `name`.

        labels: of raw series as they are now.
        """
        return [raw for raw in self._raw.get(name, ()) if native_of(labels[raw]) in natives]


def native_of(labels: Labels) -> Labels | None:
    """Name and labels of the native histogram that a classic one's series is part of."""
    name = labels.get("__name__")
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return Labels.of({**dict(labels), "__name__": name.removesuffix(suffix), "le": ""})
    return None
