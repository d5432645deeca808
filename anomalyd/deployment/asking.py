"""What staging's Prometheus says of targets, processes, containers and versions over a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from anomalyd.deployment.timeline import Track, Watched
from anomalyd.model import Matcher, Selector
from anomalyd.query import Matrix, parse_labels

MOST_POINTS = 5000
"""Of one series in one answer."""

INTERVAL_SECONDS = 15.0
"""Between scrapes, where that is not known."""

UP = "up"
STARTED = "process_start_time_seconds"
RESTARTED = "kube_pod_container_status_restarts_total"
WAITING = "kube_pod_container_status_waiting_reason"
RESOURCE = "target_info"
IMAGE = "kube_pod_container_info"
BUILD = "(.+_)?build_info"

METRICS = (UP, STARTED, RESTARTED, WAITING, RESOURCE, IMAGE)
"""Names that are followed, beside those that `BUILD` matches."""

VERSIONS = (Watched.BUILD, Watched.RESOURCE, Watched.IMAGE)


class Api(Protocol):
    """What is needed of a client; it raises QueryError and nothing else."""

    async def range(self, query: str, start: float, end: float, step: float) -> Matrix: ...


class Server:
    """Staging by its Prometheus. matchers: that select it. interval: seconds between scrapes."""

    def __init__(self, api: Api, matchers: tuple[Matcher, ...], interval: float) -> None:
        self._api, self._matchers, self.step = api, matchers, interval
        self.whole = True

    async def seen(
        self, kinds: Sequence[Watched], start: float, end: float
    ) -> dict[Watched, list[Track]]:
        """Each of `kinds` from `start` to `end`, unix seconds. Raises QueryError."""
        return {kind: await self._tracks(kind, start, end) for kind in kinds}

    async def _tracks(self, kind: Watched, start: float, end: float) -> list[Track]:
        step = max(self.step, (end - start) / MOST_POINTS)
        start = end - step * max(1, round((end - start) / step))
        # What is a time is asked for as a difference: an answer's numbers have seven digits.
        zero = round(end)
        found = await self._api.range(self._query(kind, zero), start, end, step)
        base = float(zero) if kind in (Watched.DOWN, Watched.STARTED) else 0.0
        named = kind is Watched.BUILD
        tracks = []
        for key, values in zip(found.keys, found.values, strict=True):
            labels = parse_labels(key)
            labels = labels if named else labels.without(["__name__"])
            tracks.append(Track(labels, found.times, values.astype(float) + base))
        return tracks

    def _query(self, kind: Watched, zero: int) -> str:
        up, started = self._select(UP), self._select(STARTED)
        return {
            Watched.UP: up,
            Watched.DOWN: f"(timestamp({up}) - {zero}) and ({up} == 0)",
            Watched.STARTED: f"{started} - {zero}",
            Watched.RESTARTED: self._select(RESTARTED),
            Watched.WAITING: self._select(WAITING),
            Watched.RESOURCE: self._select(RESOURCE, Matcher("service_version", "!=", "")),
            Watched.IMAGE: self._select(IMAGE),
            Watched.BUILD: self._select(
                "", Matcher("__name__", "=~", BUILD), Matcher("version", "!=", "")
            ),
        }[kind]

    def _select(self, metric: str, *more: Matcher) -> str:
        return str(Selector(metric, (*self._matchers, *more)))
