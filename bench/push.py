"""Prometheus remote_write: over HTTP to signals, and the whole of a pushed environment."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import cramjam
import numpy as np
from aiohttp import web

from anomalyd.config import EnvironmentConfig, Limits
from anomalyd.model import Environment, Floats
from anomalyd.push import Post
from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SeriesTable, SignalTable
from anomalyd.sources.base import Side, Wanted
from anomalyd.sources.decode import Identity, decode_fully
from anomalyd.sources.pushed import PushedSource
from anomalyd.sources.remote_write import RemoteWrite, inflated
from anomalyd.sources.seen import Seen
from anomalyd.sources.slices import _ends
from bench import exposition, sending, whole
from bench.evaluate import SIGNALS
from bench.measure import Figure, Spread, Target
from bench.whole import SCALED_TO, SCRAPE, WINDOW
from bench.worlds import START, STEP
from tests.api.daemon import Daemon as Control
from tests.api.daemon import served
from tests.fakes import sender
from tests.fakes.receiver import serving
from tests.servers import prometheus
from tests.tools import binary

PER_BODY = 2_000
MOST_NANOSECONDS = 833
"""1.2 million samples per second of a core."""
CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: shop, static_configs: [{{targets: ["{address}"]}}]}}]
remote_write:
  - url: http://{address}/write
    queue_config: {{max_samples_per_send: 2000, batch_send_deadline: 1s, max_shards: 1}}
"""


def run(quick: bool) -> Iterator[Figure]:
    if binary("prometheus") is None:
        print("push: left out, there is no Prometheus; `make tools` fetches one")
    else:
        yield from over_http(quick)
    yield from everything(quick)


def over_http(quick: bool) -> Iterator[Figure]:
    plain = asyncio.run(recorded(40 if quick else 800))
    repeats, scrapes = (2, 3) if quick else (7, 20)
    samples = sum(len(_ends(np.frombuffer(one, np.uint8))) for one in plain)
    ours, theirs = [], []
    for _ in range(repeats):
        bodies = [
            bytes(cramjam.snappy.compress_raw(stamped(one, START + SCRAPE * nth)))
            for nth in range(1 + scrapes)
            for one in plain
        ]
        ours.append(asyncio.run(received(bodies, len(plain))) / samples / scrapes)
        identity = Identity(lambda _: 0)
        begun = time.process_time()
        for body in bodies[-len(plain) :]:
            decode_fully(inflated(body, 2**30), identity)
        theirs.append((time.process_time() - begun) / samples)
    yield Figure(
        "push.http",
        f"remote_write over HTTP to samples in their windows, and a tick per scrape: {len(plain)} "
        f"bodies of a real Prometheus, {samples} samples",
        "ns per sample",
        Spread.of(ours, 1e9),
        "every message parsed by protobuf's upb, without HTTP and signals",
        Spread.of(theirs, 1e9),
        Target(MOST_NANOSECONDS),
    )


def everything(quick: bool) -> Iterator[Figure]:
    for services in (20, 40) if quick else (200, 2_000):
        daemon = Pushed(services)
        windows = [daemon.window() for _ in range(2 + (2 if quick else 5))][2:]
        scale = SCALED_TO / len(daemon.rows) / WINDOW * 100
        yield Figure(
            f"push.1M from {len(daemon.rows)}",
            f"1M raw series pushed every {SCRAPE:g} s: decoding, storing, a tick every {STEP:g} s, "
            f"without the network; scaled from {len(daemon.rows)} raw and {len(daemon.table)} "
            "signal series",
            "% of a core",
            Spread.of([ours for ours, _ in windows], scale),
            "every message parsed by protobuf's upb alone",
            Spread.of([theirs for _, theirs in windows], scale),
            Target(whole.MOST_PERCENT),
        )


class Pushed(whole.Daemon):
    """The parts that a pushed environment goes through."""

    def __init__(self, services: int) -> None:
        self.receiver: RemoteWrite | None = None
        self.plain: list[bytes] = []
        super().__init__(services)

    def window(self) -> tuple[float, float]:
        """As in `whole`: the peer reads one scrape of them."""
        ours = 0.0
        for _ in range(round(WINDOW / SCRAPE)):
            bodies = self.bodies()
            begun = time.process_time()
            self.push(bodies)
            for tick in range(round(SCRAPE / STEP)):
                self.pipeline.process(self.evaluator.evaluate(self.now + tick * STEP))
            ours += time.process_time() - begun
            self.now += SCRAPE
        identity = Identity(lambda _: 0)
        begun = time.process_time()
        for body in bodies:
            decode_fully(inflated(body, 2**30), identity)
        theirs = round(WINDOW / SCRAPE) * (time.process_time() - begun)
        if not self.pipeline.courses["bench"].record.judged[-1]:
            raise RuntimeError("the run was not judged: this measures nothing")
        return ours, theirs

    def push(self, bodies: Sequence[bytes]) -> None:
        if self.receiver is None:
            self.receiver = receiver(self.evaluator)
        for body in bodies:
            self.receiver.receive(Post("staging", sender.HEADERS, body, self.now))

    def bodies(self) -> list[bytes]:
        self.grow()
        at = range(0, len(self.rows), PER_BODY)
        if not self.plain:
            series = [
                sender.series(dict(labels), [(1.0, round(START * 1000))])
                for labels in self.evaluator.series.labels
            ]
            self.plain = [sender.request(*series[first : first + PER_BODY]) for first in at]
        return [
            sender.packed(stamped(plain, self.now, self.values[first : first + PER_BODY]))
            for first, plain in zip(at, self.plain, strict=True)
        ]


def receiver(evaluator: Evaluator) -> RemoteWrite:
    config = EnvironmentConfig.model_validate({"remote_write": {}})
    side = Side(Environment.STAGING, config, None, {}, None, section="remote_write")
    wanted = Wanted(lambda _: True, Limits(), Path(tempfile.gettempdir()))
    seen = Seen(wanted.state_dir / "none" / "pushed.json", wanted.metrics)
    return RemoteWrite(
        {Environment.STAGING: PushedSource(side, evaluator, seen, wanted.metrics)}, 2**25
    )


async def received(bodies: Sequence[bytes], first: int) -> float:
    """CPU seconds of this process for all bodies after the `first` ones, which name the series."""
    table = SignalTable(SIGNALS, 10**6)
    evaluator = Evaluator(table, SeriesTable(10**6), Canonical(("service",)), WINDOW)
    with tempfile.TemporaryDirectory() as folder:
        control = Control(Path(folder))
        control.receivers = {"remote_write": receiver(evaluator)}
        async with served(control) as api:
            to = (f"127.0.0.1:{api.port}", "/api/v1/write/staging", Path(folder))
            send = partial(sending.send, *to, headers=sending.REMOTE_WRITE)
            await send(bodies[:first])
            begun = time.process_time()
            await send(bodies[first:])
            for nth in range(len(bodies) // first):
                evaluator.evaluate(START + SCRAPE * nth)
            taken = time.process_time() - begun
        control.store.close()
    if evaluator.out_of_order or evaluator.repeated:
        raise RuntimeError("samples were refused: this measures something else")
    return taken


async def recorded(routes: int) -> list[bytes]:
    """What a real Prometheus sends of one scrape of a target, inflated."""
    async with target(exposition.body(routes)) as (address, bodies, enough):
        with tempfile.TemporaryDirectory() as folder:
            with prometheus(Path(folder), CONFIG.format(address=address)):
                await asyncio.wait_for(enough.wait(), 120)
            return [inflated(body, 2**30) for body in bodies if len(body) > 10_000]


@asynccontextmanager
async def target(text: str) -> AsyncIterator[tuple[str, list[bytes], asyncio.Event]]:
    """Exposes the text once, and takes what is sent of it."""
    bodies: list[bytes] = []
    enough = asyncio.Event()
    wanted, came, shown = text.count("\n") - text.count("#"), 0, False

    async def metrics(_: web.Request) -> web.Response:
        nonlocal shown
        first, shown = not shown, True
        return web.Response(text=text if first else "")

    async def write(request: web.Request) -> web.Response:
        nonlocal came
        body = await request.read()
        came += len(_ends(np.frombuffer(inflated(body, 2**30), np.uint8)))
        bodies.append(body)
        if came >= wanted:
            enough.set()
        return web.Response(status=204)

    app = web.Application(client_max_size=2**30)
    app.add_routes([web.get("/metrics", metrics), web.post("/write", write)])
    async with serving(app) as url:
        yield url.removeprefix("http://"), bodies, enough


def stamped(plain: bytes, seconds: float, values: Floats | None = None) -> bytes:
    """The same series, all at another time, and of other values where they are given."""
    raw = np.frombuffer(plain, np.uint8).copy()
    ends = _ends(raw)
    milliseconds = round(seconds * 1000)
    for byte in range(6):
        high = 0x80 if byte < 5 else 0
        raw[ends - 6 + byte] = milliseconds >> 7 * byte & 0x7F | high
    if values is not None:
        eight = np.ascontiguousarray(values, "<f8").view(np.uint8).reshape(-1, 8)
        raw[(ends - 15)[:, None] + np.arange(8)] = eight
    return raw.tobytes()
