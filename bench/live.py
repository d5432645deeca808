"""The whole daemon as it is run, at 10,000, 100,000 and a million series that are pushed.

`anomalyd serve` in a process of its own judges a run; another process sends it what a real
Prometheus was recorded to send, one scrape after another, in real time. What it costs is read off
its own /metrics. The peer is a real Prometheus that is sent the same bodies and evaluates the same
signals once per scrape.
"""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import live_bodies, live_peer, live_state
from bench.live_bodies import Recording
from bench.measure import Figure, Spread, Target
from tests.servers import free_port
from tests.tools import binary

SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
MOST_PERCENT = 7
MOST_LAG_MS = 50
DEADLINE_SECONDS = 120.0
NEEDED = 0.9
"""Of the series; sums and what Prometheus tells of its scrapes no signal reads."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between scrapes of a pod, ticks, and windows; how many windows are measured."""

    scrape: float = 15.0
    step: float = 5.0
    window: float = 60.0
    measured: int = 2

    @property
    def before(self) -> float:
        """Until rates are known, the run has begun and a window of it was judged."""
        return 2.5 * self.window

    @property
    def scrapes(self) -> int:
        return math.ceil((self.before + self.measured * self.window) / self.scrape) + 2


QUICK = Pace(scrape=1.0, step=0.5, window=4.0, measured=1)


@dataclass(frozen=True, slots=True)
class Measured:
    """percent: of a core, per window. memory: MB at the end of each. lags: seconds from each tick's
    time, when all that it waits for is sent, until it is judged. answers: seconds per body."""

    percent: list[float]
    memory: list[float]
    lags: list[float]
    answers: list[float]
    signal_series: float


def run(quick: bool) -> Iterator[Figure]:
    if binary("prometheus") is None:
        print("live: left out, there is no Prometheus; `make tools` fetches one")
        return
    sizes, pace = ({"1k": 1_000}, QUICK) if quick else (SIZES, Pace())
    recording = asyncio.run(live_bodies.recorded(max(sizes.values())))
    for label, series in sizes.items():
        part = recording.first(series)
        ours = measured(part, pace)
        theirs = live_peer.measured(part, pace.scrape)
        yield from figures(label, len(part.keys), pace, ours, theirs)


def figures(
    label: str, series: int, pace: Pace, ours: Measured, theirs: live_peer.Measured
) -> Iterator[Figure]:
    which = f"{series} series every {pace.scrape:g} s, {ours.signal_series:.0f} signal series"
    peer = "a real Prometheus that takes the same and evaluates the signals once per scrape"
    yield Figure(
        f"live.{label}.cpu",
        f"the whole daemon while a run is judged: {which}; its /metrics read with every tick",
        "% of a core",
        Spread.of(ours.percent),
        peer,
        Spread.of(theirs.cpu_seconds, 100 / pace.scrape),
        Target(MOST_PERCENT) if label == "1M" else None,
    )
    yield Figure(
        f"live.{label}.memory",
        f"its resident set: {which}",
        "MB",
        Spread.of(ours.memory),
        peer,
        Spread.of([theirs.memory]),
    )
    for name, quantile in (("p50", 0.5), ("p99", 0.99)):
        yield Figure(
            f"live.{label}.lag.{name}",
            f"from a tick's time, when its last samples are sent, until it is judged: {which}",
            "ms",
            Spread.of([float(np.quantile(ours.lags, quantile))], 1e3),
            "the same Prometheus evaluating the signals, on the wall's clock",
            Spread.of([float(np.quantile(theirs.evaluations, quantile))], 1e3),
            Target(MOST_LAG_MS) if name == "p99" else None,
        )
    yield Figure(
        f"live.{label}.answer.p99",
        f"from sending a body of {live_bodies.PER_BODY} samples to its answer: {which}",
        "ms",
        Spread.of([float(np.quantile(ours.answers, 0.99))], 1e3),
        "the same Prometheus",
        Spread.of([float(np.quantile(theirs.answers, 0.99))], 1e3),
    )


def measured(recording: Recording, pace: Pace, profile: Path | None = None) -> Measured:
    """profile: where cProfile's statistics of the daemon go, if they are wanted."""
    under = [] if profile is None else ["-m", "cProfile", "-o", str(profile)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        config = live_state.prepare(recording, folder, port, pace)
        file = folder / "recording"
        live_bodies.save(recording, file)
        command = [sys.executable, *under, "-m", "anomalyd", "serve", "-c", str(config)]
        with (folder / "log").open("wb") as log:
            daemon = Child(subprocess.Popen(command, stderr=log), port, folder / "log")
        stack.callback(daemon.end)
        daemon.wait("it listens", lambda: daemon.get("/metrics") is not None)
        begin = math.ceil(time.time() / pace.scrape + 1) * pace.scrape
        arguments = (f"127.0.0.1:{port}", file, begin, pace.scrape, pace.scrapes)
        sending = subprocess.Popen(
            [sys.executable, "-m", "bench.live_sender", *map(str, arguments)],
            stdout=subprocess.PIPE,
        )
        stack.callback(sending.kill)
        return _observed(daemon, sending, len(recording.keys), begin, pace)


def _observed(
    daemon: Child, sending: subprocess.Popen[bytes], series: int, begin: float, pace: Pace
) -> Measured:
    _until(begin + 1.5 * pace.window)
    daemon.wait("it is ready", lambda: daemon.get("/-/ready") is not None)
    daemon.post("/api/v1/runs", {"name": "bench"})
    _until(begin + pace.before)
    before = daemon.metrics()
    percent, memory, lags = [], [], []
    for _ in range(pace.measured):
        since, began = daemon.metrics(), time.monotonic()
        lags += [daemon.lag(pace.step) for _ in range(round(pace.window / pace.step))]
        now = daemon.metrics()
        used = now["process_cpu_seconds_total"] - since["process_cpu_seconds_total"]
        percent.append(100 * used / (time.monotonic() - began))
        memory.append(now["process_resident_memory_bytes"] / 1e6)
    said, _ = sending.communicate(timeout=DEADLINE_SECONDS)
    if sending.returncode:
        raise RuntimeError("not every body was taken")
    judged = now["anomalyd_evidence_windows_total"] - before["anomalyd_evidence_windows_total"]
    known = now['anomalyd_raw_series{source="staging"}']
    if judged < 1 or known < NEEDED * series:
        raise RuntimeError(f"{judged} windows of {known} series were judged: this measures nothing")
    signals = now['anomalyd_signal_series{environment="staging"}']
    first = round(pace.before / pace.scrape) * -(-series // live_bodies.PER_BODY)
    return Measured(percent, memory, lags, json.loads(said)[first:], signals)


class Child:
    """A daemon at work, by its API."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.url, self._log = process, f"http://127.0.0.1:{port}", log

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def get(self, path: str, body: bytes | None = None) -> bytes | None:
        """None where it does not answer, or refuses."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return bytes(answer.read())
        except (urllib.error.URLError, OSError):
            return None

    def post(self, path: str, body: dict[str, Any]) -> None:
        if self.get(path, json.dumps(body).encode()) is None:
            raise RuntimeError(f"{path} was refused")

    def metrics(self) -> dict[str, float]:
        """Raises RuntimeError where there are none, with what the daemon said last."""
        text = self.get("/metrics")
        if text is None:
            raise RuntimeError(f"/metrics is not answered: {self._state()}")
        lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (one.rpartition(" ") for one in lines)}

    def lag(self, step: float) -> float:
        """Seconds that the next tick took beyond its time; a step and more if it was not over by
        the one after it."""
        due = (math.floor(time.time() / step) + 1) * step
        _until(due + 0.9 * step)
        found = self.metrics()["anomalyd_tick_lag_seconds"]
        return found if found < 0.9 * step else max(found, step)

    def wait(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not holds():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"it was too long until {what}: {self._state()}")
            time.sleep(0.1)

    def _state(self) -> str:
        ended = self.process.poll()
        state = "the daemon is at work" if ended is None else f"the daemon ended with {ended}"
        return f"{state}; it said: {self._log.read_text(encoding='utf-8')[-2000:]}"


def _until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))
