"""What a real Prometheus sends of many pods, recorded once and cut to any number of series."""

from __future__ import annotations

import asyncio
import struct
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import cramjam
import numpy as np
from aiohttp import web

from anomalyd.model import Floats
from anomalyd.sources.remote_write import inflated
from anomalyd.sources.slices import cut
from bench import exposition
from tests.fakes.receiver import serving
from tests.fakes.sender import held
from tests.servers import prometheus

ROUTES = 62
EXPOSED = ROUTES * 16
"""Series of each pod; with what Prometheus adds of itself, a thousand."""
POD, NAMED = b"\n\x03pod\x12", b"http_request"
"""The name of a label as it is on the wire, and what the names of all that is exposed hold."""
PODS_PER_APP = 2
PER_BODY = 2_000
RECORDING_SECONDS = 900.0
CONFIG = """
global: {{scrape_interval: 1m, scrape_timeout: 1m}}
scrape_configs:
- job_name: pods
  static_configs:
{targets}
remote_write:
- url: http://{address}/write
  queue_config: {{max_samples_per_send: 2000, batch_send_deadline: 1s, capacity: 20000}}
"""
TARGET = '  - {{targets: ["{address}"], labels: {{__metrics_path__: "/{pod}", '
TARGET += 'app: "app-{app}", pod: "app-{app}-{pod}"}}}}'


@dataclass(frozen=True, slots=True)
class Recording:
    """keys: the bytes of each series' labels as they came, one pod after another. values:
    float64[n], of its sample."""

    keys: list[bytes]
    values: Floats

    def first(self, series: int) -> Recording:
        """So many at most, of whole pods."""
        if series < len(self.keys):
            cut_off = pod_of(self.keys[series])
            while series and pod_of(self.keys[series - 1]) == cut_off:
                series -= 1
        return Recording(self.keys[:series], self.values[:series])

    def bodies(self) -> list[Body]:
        """As remote_write sends them, `PER_BODY` series in each."""
        firsts = range(0, len(self.keys), PER_BODY)
        return [Body.of(self.keys[a : a + PER_BODY], self.values[a : a + PER_BODY]) for a in firsts]


@dataclass(frozen=True, slots=True)
class Body:
    """A WriteRequest to be stamped. at: intp[n], where the sample of each series begins in it."""

    plain: bytes
    at: np.ndarray
    values: Floats

    @classmethod
    def of(cls, keys: Sequence[bytes], values: Floats) -> Body:
        sample = b"\x12\x10\x09" + struct.pack("<d", 1.0) + b"\x10" + bytes(6)
        parts = [held(1, key + sample) for key in keys]
        ends = np.cumsum([len(part) for part in parts])
        return cls(b"".join(parts), ends - len(sample), values)

    def stamped(self, seconds: float, scrape: int) -> bytes:
        """Its samples at a time, of counters that grew by as much with each scrape; in snappy."""
        raw = np.frombuffer(self.plain, np.uint8).copy()
        milliseconds = round(seconds * 1000)
        grown = self.values + scrape * (1 + self.values // 64)
        eight = np.ascontiguousarray(grown, "<f8").view(np.uint8).reshape(-1, 8)
        raw[(self.at + 3)[:, None] + np.arange(8)] = eight
        for byte in range(6):
            high = 0x80 if byte < 5 else 0
            raw[self.at + 12 + byte] = milliseconds >> 7 * byte & 0x7F | high
        return bytes(cramjam.snappy.compress_raw(raw.tobytes()))


def pod_of(key: bytes) -> bytes:
    """The value of that label."""
    at = key.index(POD) + len(POD)
    return key[at + 1 : at + 1 + key[at]]


async def recorded(series: int) -> Recording:
    """What a real Prometheus sends of as many pods as have `series` series."""
    pods = -(-series // EXPOSED)
    pods += pods % PODS_PER_APP
    text = exposition.body(ROUTES).replace('service="shop",', "")
    async with _target(text, pods) as (address, found, enough):
        targets = "\n".join(
            TARGET.format(address=address, app=pod // PODS_PER_APP, pod=pod) for pod in range(pods)
        )
        with tempfile.TemporaryDirectory() as folder:
            config = CONFIG.format(targets=targets, address=address)
            with prometheus(Path(folder), config):
                await asyncio.wait_for(enough.wait(), RECORDING_SECONDS)
    return grouped(found)


def grouped(found: Mapping[bytes, float]) -> Recording:
    """Pods in the order in which the first of each came: senders send in parallel."""
    of_pods: dict[bytes, list[bytes]] = {}
    for key in found:
        of_pods.setdefault(pod_of(key), []).append(key)
    keys = [key for of_pod in of_pods.values() for key in of_pod]
    return Recording(keys, np.array([found[key] for key in keys]))


@asynccontextmanager
async def _target(
    text: str, pods: int
) -> AsyncIterator[tuple[str, dict[bytes, float], asyncio.Event]]:
    """Exposes the same of every pod, and keeps the first sample of each series that is sent."""
    found: dict[bytes, float] = {}
    came: Counter[bytes] = Counter()
    enough = asyncio.Event()

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=text)

    async def write(request: web.Request) -> web.Response:
        if not enough.is_set():
            slices = cut(inflated(await request.read(), 2**30))
            for key, value in zip(slices.keys, slices.values.tolist(), strict=True):
                if key not in found:
                    found[key] = value
                    came[pod_of(key)] += NAMED in key
            if len(came) == pods and min(came.values()) == EXPOSED:
                enough.set()
        return web.Response(status=204)

    app = web.Application(client_max_size=2**30)
    app.add_routes([web.post("/write", write), web.get("/{pod}", metrics)])
    async with serving(app) as url:
        yield url.removeprefix("http://"), found, enough


def save(recording: Recording, file: Path) -> None:
    parts = [np.asarray(recording.values, "<f8").tobytes(), *recording.keys]
    file.write_bytes(b"".join(struct.pack("<I", len(part)) + part for part in parts))


def load(file: Path) -> Recording:
    parts = []
    with file.open("rb") as read:
        while size := read.read(4):
            parts.append(read.read(struct.unpack("<I", size)[0]))
    return Recording(parts[1:], np.frombuffer(parts[0], "<f8"))
