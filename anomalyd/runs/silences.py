"""Silences added at run time, beside those of the config."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from anomalyd.model import Matcher


@dataclass(frozen=True, slots=True)
class Silence:
    """Series that may not decide: `signal` is a regular expression on the whole signal name,
    `match` selects by labels, `until` ends it (unix seconds). As `silences` in the config.
    """

    id: str
    signal: str
    match: tuple[Matcher, ...]
    reason: str
    until: float
    created_at: float

    @classmethod
    def new(
        cls, *, signal: str, match: tuple[Matcher, ...], reason: str, until: float, now: float
    ) -> Silence:
        """The same silence again has the same id, so that a repeated request adds nothing."""
        selected = f"{signal}\0{','.join(map(str, match))}\0{until!r}"
        digest = blake2b(selected.encode(), digest_size=5).hexdigest()
        return cls(digest, signal, match, reason, until, now)
