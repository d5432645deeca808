"""One environment's Prometheus, asked politely: one thing after another, and not too many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from anomalyd.facts import Fact
from anomalyd.model import Environment, Labels, Matcher, Selector
from anomalyd.parity.kinds import Part
from anomalyd.query import QueryError, Trouble, Vector, parse_labels
from anomalyd.signals.identity import Canonical

Form = Sequence[tuple[str, str]]
Series = list[tuple[Labels, float]]

NOT_OFFERED = (Trouble.NOT_FOUND, Trouble.FORBIDDEN)
"""A server without that path, or a proxy that keeps it to itself."""
AWAY = (Trouble.UNREACHABLE, Trouble.TLS, Trouble.UNAUTHORIZED)
"""Nothing can be had at all."""


class Api(Protocol):
    """What is needed of a client; it raises QueryError and nothing else."""

    async def read(self, path: str, form: Form = ()) -> Any:
        """`data` of what a GET of `path` answers, as plain values."""
        ...

    async def instant(self, query: str, time: float | None = None) -> Vector: ...


@dataclass(slots=True)
class Collected:
    """What one environment told. offered: the parts it has. notes: part → why it was not asked or
    did not answer. listed: somebody wrote the facts down, and each stands for itself."""

    side: Environment
    facts: list[Fact] = field(default_factory=list)
    offered: set[Part] = field(default_factory=set)
    notes: dict[str, str] = field(default_factory=dict)
    listed: bool = False


class Look:
    """One environment while it is looked at; what is found goes into `collected`.

    queries: how many are asked at most. span: how far back traffic and data are looked at, seconds.
    names, labels: metrics, and the labels of each, once `metrics` was collected.
    Raises QueryError where the environment is away.
    """

    def __init__(
        self,
        side: Environment,
        api: Api,
        matchers: tuple[Matcher, ...],
        canonical: Canonical,
        queries: int,
        span: float,
    ) -> None:
        self.side, self.canonical, self.matchers, self.span = side, canonical, matchers, span
        self.collected = Collected(side)
        self.names: frozenset[str] = frozenset()
        self.labels: dict[str, frozenset[str]] = {}
        self._api, self._left = api, queries

    def add(
        self,
        kind: str,
        place: str,
        value: str,
        found: str,
        service: str = "",
        number: float = float("nan"),
    ) -> None:
        self.collected.facts.append(Fact(kind, place, self.side, value, found, service, number))

    def offers(self, part: Part) -> None:
        self.collected.offered.add(part)

    def select(self, metric: str, *more: Matcher) -> str:
        """`metric` within this environment."""
        return str(Selector(metric, (*self.matchers, *more)))

    def any_with(self, *more: Matcher) -> str:
        """A selector of all series in this environment that `more` accepts."""
        return "{" + ",".join(map(str, (*self.matchers, *more))) + "}"

    async def read(self, part: Part, path: str, form: Form = ()) -> Any | None:
        """None where it is not offered."""
        if not self._may_ask(part):
            return None
        try:
            return await self._api.read(path, form)
        except QueryError as error:
            self._refused(part, error)
            return None

    async def ask(self, part: Part, query: str) -> Series:
        """What an instant query yields now, nothing where it fails."""
        if not self._may_ask(part):
            return []
        try:
            answer = await self._api.instant(query)
            return [
                (parse_labels(key), float(value))
                for key, value in zip(answer.keys, answer.values, strict=True)
            ]
        except QueryError as error:
            self._refused(part, error)
            return []

    def _may_ask(self, part: Part) -> bool:
        if self._left <= 0:
            self.collected.notes[part] = "parity.queries is used up; raise it"
        self._left -= 1
        return self._left >= 0

    def _refused(self, part: Part, error: QueryError) -> None:
        """What the server does not have is no difference; what it could not answer may be one."""
        if error.kind in AWAY:
            raise error
        if error.kind not in NOT_OFFERED:
            self.collected.notes[part] = str(error)


def distinct(values: Sequence[str]) -> str:
    """Several replicas in one word, whatever their number: `2`, or `1, 2` in the midst of a
    rollout."""
    return ", ".join(sorted({value or "none" for value in values}))
