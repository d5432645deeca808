"""Classic histograms that a target offers beside its native ones: they must not count twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anomalyd.model import Labels
from anomalyd.signals.native.names import SUFFIXES


class Twins:
    """Raw series of classic histograms, by the native one that may stand for them.

    Of labels the hash is kept: what is found by it is compared, and a million names are not stored
    twice.
    """

    def __init__(self) -> None:
        self._raw: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self._raw)

    def note(self, raw: int, labels: Labels) -> Labels | None:
        """What the native series would be called; None of what is no part of a histogram."""
        native = native_of(labels)
        if native is not None:
            self._raw.setdefault(hash(native), []).append(raw)
        return native

    def of(self, natives: Iterable[Labels], labels: Sequence[Labels]) -> list[int]:
        """Raw series that stand for `natives`; labels: of raw series as they are now."""
        return [
            raw
            for native in natives
            for raw in self._raw.get(hash(native), ())
            if native_of(labels[raw]) == native
        ]

    def forget(self, raw: int, labels: Labels) -> None:
        """A raw series that is gone, by what it was called."""
        native = native_of(labels)
        if native is None:
            return
        found = self._raw.get(hash(native), [])
        if raw in found:
            found.remove(raw)
        if not found:
            self._raw.pop(hash(native), None)


def native_of(labels: Labels) -> Labels | None:
    """Name and labels of the native histogram that a classic one's series is part of."""
    name = labels.get("__name__")
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return Labels.of({**dict(labels), "__name__": name.removesuffix(suffix), "le": ""})
    return None
