"""OTLP listeners over a receiver whose inlets keep what they take."""

from __future__ import annotations

from contextlib import asynccontextmanager

import aiohttp

from anomalyd.api import otlp, otlp_grpc
from anomalyd.api.access import Access
from anomalyd.model import Environment
from anomalyd.sources.otlp.receiver import Otlp

LIMIT = 2**19


class Inlet:
    """Takes `most` spans at once, until they are fetched."""

    def __init__(self, most: int = 10**6, ratio: float = 1.0, takes: tuple[str, ...] = ()) -> None:
        self.most, self.ratio, self.takes = most, ratio, frozenset(takes)
        self.kept = []

    def room(self, spans: int) -> bool:
        return sum(map(len, self.kept)) + spans <= self.most

    def take(self, spans, now: float) -> None:
        self.kept.append(spans)

    @property
    def operations(self) -> list[str]:
        """Of all spans, in the order in which they came."""
        return [spans.operations[row] for spans in self.kept for row in spans.operation]


def receiver(daemon, limit: int = LIMIT, **inlets: Inlet) -> None:
    """The daemon receives for these environments."""
    own = {Environment(name): inlet for name, inlet in inlets.items()}
    daemon.receivers["otlp"] = Otlp(own, limit)


@asynccontextmanager
async def http(daemon, token: str | None = None):
    """(url, a client's session) of the HTTP listener."""
    async with (
        otlp.listening(daemon, Access("127.0.0.1:0", token)) as (host, port),
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        yield f"http://{host}:{port}", session


@asynccontextmanager
async def grpc(daemon, token: str | None = None, limit: int = LIMIT):
    """host:port of the gRPC listener."""
    async with otlp_grpc.listening(daemon, Access("127.0.0.1:0", token), limit) as (host, port):
        yield f"{host}:{port}"
