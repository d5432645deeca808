"""Spans from the socket to RED rows, by HTTP and gRPC, and what they hold of memory.

The sender is a process of its own, `python -m bench.spans send <protocol> <address> <folder>`, so
that CPU time is the receiver's alone. `python -m bench.spans memory <minutes> <folder>` prints the
MB by which a process grew that took a million spans a minute.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from anomalyd import config
from anomalyd.api import otlp
from anomalyd.api.access import Access
from anomalyd.config import EnvironmentConfig, OtlpSpans
from anomalyd.model import Environment
from anomalyd.push import Receiver
from anomalyd.signals import presets
from anomalyd.signals.identity import Canonical
from anomalyd.signals.quantities import SPANS
from anomalyd.signals.table import SignalTable
from anomalyd.signals.traces.evaluate import SpanEvaluator
from anomalyd.sources.base import Side
from anomalyd.sources.otlp.receiver import Otlp
from anomalyd.sources.otlp.source import SpanSource
from anomalyd.sources.otlp.traces import Decoder
from bench.measure import Figure, Spread, Target, alternate, resident_mb
from bench.span_bodies import LATEST, PER_TRACE, as_json, bodies, plain

PER_SECOND = 1_000_000 / 60
MOST_NS = 1_250
"""0.8 M spans/s."""
STEP, WINDOW = 5.0, 30.0
TICK_LATE = 20.0
"""Seconds after the last span at which everything of it is read."""
MOST_BODY = 2**28
PROTOCOLS = ("http", "json", "grpc")


def run(quick: bool) -> Iterator[Figure]:
    many, traces, repeats = (3, 64, 1) if quick else (12, 1024, 5)
    with tempfile.TemporaryDirectory() as folder:
        written = write(bodies(many, traces), Path(folder))
        for protocol in PROTOCOLS:
            for packed in (False, True):
                yield figure(protocol, packed, written, traces * PER_TRACE, repeats)
        yield memory(quick, written)


def figure(protocol: str, packed: bool, folder: Path, of_each: int, repeats: int) -> Figure:
    form = form_of(protocol)
    given = [path.read_bytes() for path in files(folder, form, packed)]
    spans = of_each * len(given)
    ours = [asyncio.run(received(protocol, packed, folder)) for _ in range(repeats)]
    (theirs,) = alternate(repeats, lambda: plain(given, form, packed))
    how = {"http": "OTLP/HTTP, protobuf", "json": "OTLP/HTTP, JSON", "grpc": "OTLP/gRPC"}[protocol]
    peer = "json.loads" if form == "json" else "opentelemetry-proto classes"
    return Figure(
        f"spans.{protocol}{'.gzip' if packed else ''}",
        f"{how}{', gzip' if packed else ''}: {spans} spans in {len(given)} requests, from the "
        "socket to the rows of http, operations and edges, a tick every 5 s of them",
        "ns per span",
        Spread.of(ours, 1e9 / spans),
        f"{peer} and a plain loop, no network",
        theirs.times(1e9 / spans),
        Target(MOST_NS) if protocol == "http" and not packed else None,
    )


class Listening:
    """What the listeners ask of a daemon. Its clock goes by the spans that came."""

    def __init__(self) -> None:
        """begun: CPU seconds when the first request had come."""
        self.source = source()
        self._receiver = Otlp({Environment.STAGING: self.source}, MOST_BODY)
        self.begun = 0.0
        self.bodies = 0

    def now(self) -> float:
        return LATEST + self.bodies

    def receiver(self, section: str) -> Receiver:
        self.begun = self.begun or time.process_time()
        self.bodies += 1
        return self._receiver


def source() -> SpanSource:
    signals = presets.resolve(["http", "operations", "edges"], {SPANS: frozenset()})
    evaluator = SpanEvaluator(
        SignalTable(signals, 10**6), Canonical(("service_name",)), WINDOW, STEP
    )
    side = Side(Environment.STAGING, EnvironmentConfig(otlp=OtlpSpans()), None, {}, None)
    return SpanSource(side, evaluator, OtlpSpans(), config.Otlp(queue=10**8))


def form_of(protocol: str) -> str:
    return "json" if protocol == "json" else "protobuf"


async def received(protocol: str, packed: bool, folder: Path) -> float:
    """CPU seconds of this process from the first request to the rows of the last window."""
    listening = Listening()
    async with AsyncExitStack() as stack:
        access = Access("127.0.0.1:0")
        if protocol == "grpc":
            from anomalyd.api import otlp_grpc

            entering = otlp_grpc.listening(listening, access, MOST_BODY)
        else:
            entering = otlp.listening(listening, access)
        host, port = await stack.enter_async_context(entering)
        sender = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.spans", "send", protocol, f"{host}:{port}", str(folder)),
            *(["gzip"] if packed else []),
        )
        await ticks(listening, sender)
        taken = time.process_time() - listening.begun
    if listening.bodies != len(files(folder, form_of(protocol), packed)):
        raise RuntimeError("not every request came")
    return taken


async def ticks(listening: Listening, sender: asyncio.subprocess.Process) -> None:
    """A tick every 5 s of the spans' own time, the last after all have come."""
    ended, rows, at = False, 0, LATEST
    while not ended:
        ended = sender.returncode is not None
        await asyncio.sleep(0.01)
        until = listening.now() + (TICK_LATE if ended else 0.0)
        while at + STEP <= until:
            at += STEP
            rows += len((await listening.source.collect(at)).rows)
    if await sender.wait() or not rows:
        raise RuntimeError("the spans did not become rows")


def write(made: list[bytes], folder: Path) -> Path:
    """Every body in protobuf, and a quarter of them in JSON, which takes long to make."""
    written = [("protobuf", number, body) for number, body in enumerate(made)]
    few = made[: max(len(made) // 4, 1)]
    written += [("json", number, as_json(body)) for number, body in enumerate(few)]
    for form, number, body in written:
        path = folder / f"{number:03}.{form}"
        path.write_bytes(body)
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(body, 6))
    return folder


def files(folder: Path, form: str, packed: bool) -> list[Path]:
    return sorted(folder.glob(f"*.{form}{'.gz' if packed else ''}"))


def send(protocol: str, address: str, folder: Path, packed: bool) -> None:
    form = form_of(protocol)
    if protocol == "grpc":
        send_grpc(address, [path.read_bytes() for path in files(folder, form, False)], packed)
    else:
        given = [path.read_bytes() for path in files(folder, form, packed)]
        asyncio.run(send_http(address, given, form, packed))


async def send_http(address: str, given: list[bytes], form: str, packed: bool) -> None:
    import io

    import aiohttp

    kind = "application/json" if form == "json" else "application/x-protobuf"
    headers = {"Content-Type": kind, **({"Content-Encoding": "gzip"} if packed else {})}
    async with aiohttp.ClientSession(headers=headers) as session:
        for body in given:
            url = f"http://{address}/v1/traces"
            async with session.post(url, data=io.BytesIO(body)) as answer:
                if answer.status != 200 or len(await answer.read()) > 2:
                    raise RuntimeError(f"{answer.status}: not every span was taken")


def send_grpc(address: str, given: list[bytes], packed: bool) -> None:
    import grpc

    compression = grpc.Compression.Gzip if packed else grpc.Compression.NoCompression
    with grpc.insecure_channel(address, compression=compression) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        for body in given:
            if export(body):
                raise RuntimeError("not every span was taken")


def memory(quick: bool, folder: Path) -> Figure:
    minutes = 1 if quick else 10
    ours, theirs = (grown(what, str(minutes), str(folder)) for what in ("memory", "kept"))
    return Figure(
        "memory.spans",
        f"growth of the resident set at 1M spans a minute, after {minutes} minutes of them",
        "MB",
        Spread.of([ours]),
        "the same spans kept as opentelemetry-proto objects, scaled",
        Spread.of([theirs]),
    )


def grown(*what: str) -> float:
    command = [sys.executable, "-m", "bench.spans", *what]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def taken_for(minutes: int, folder: Path) -> float:
    """MB by which this process grows: bodies come again under other ids and later times."""
    decoder, fed = Decoder(), source()
    given = (path.read_bytes() for path in files(folder, "protobuf", False)[:8])
    decoded = [decoder.protobuf(body, LATEST).spans for body in given]
    decoded = [replace(spans, weight=np.ones(len(spans))) for spans in decoded]
    now, number, rows = LATEST, 0, 0
    before = resident_mb(os.getpid())
    next_tick = now + STEP
    while now < LATEST + 60 * minutes:
        spans = decoded[number % len(decoded)]
        shift = round((now - LATEST) * 1e9)
        salt = np.uint64(number // len(decoded) << 40)
        fed.take(replace(spans, trace=spans.trace ^ salt, start=spans.start + shift), now)
        now, number = now + len(spans) / PER_SECOND, number + 1
        if now >= next_tick:
            rows += len(asyncio.run(fed.collect(next_tick)).rows)
            next_tick += STEP
    if not rows:
        raise RuntimeError("the spans did not become rows")
    return resident_mb(os.getpid()) - before


def kept_for(minutes: int, folder: Path) -> float:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    made = [path.read_bytes() for path in files(folder, "protobuf", False)]
    before = resident_mb(os.getpid())
    kept = [ExportTraceServiceRequest.FromString(body) for body in made]
    grew = resident_mb(os.getpid()) - before
    spans = sum(
        len(scope.spans)
        for request in kept
        for resource in request.resource_spans
        for scope in resource.scope_spans
    )
    return grew * minutes * 1e6 / spans


def main(arguments: list[str]) -> None:
    match arguments:
        case ["send", protocol, address, folder, *packed]:
            send(protocol, address, Path(folder), bool(packed))
        case ["memory", minutes, folder]:
            print(taken_for(int(minutes), Path(folder)))
        case ["kept", minutes, folder]:
            print(kept_for(int(minutes), Path(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
