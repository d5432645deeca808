"""How long an import takes, and what the daemon holds when nothing is going on."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.exposition import body
from bench.measure import Figure, Spread, Target, alternate, resident_mb
from tests.servers import free_port

PEER = "import numpy, aiohttp"
MOST_SECONDS, MOST_MB = 0.3, 80
TICKS = 3
DEADLINE_SECONDS = 30.0


def run(quick: bool) -> Iterator[Figure]:
    modules = ("anomalyd.cli", "anomalyd.daemon")
    statements = [PEER, *(f"import {module}" for module in modules)]
    for statement in statements:
        python(statement)  # compiled and in the page cache from here on
    works: list[Callable[[], object]] = [partial(python, one) for one in statements]
    peer, *ours = alternate(2 if quick else 7, *works, clock=of_children)
    for module, spread in zip(modules, ours, strict=True):
        yield Figure(
            f"import.{module.rpartition('.')[2]}",
            f"python -c 'import {module}', CPU of the whole process",
            "s",
            spread,
            PEER,
            peer,
            Target(MOST_SECONDS),
        )
    repeats = 1 if quick else 3
    yield Figure(
        "memory.idle",
        f"resident set of `anomalyd serve` after {TICKS} ticks over one scraped target",
        "MB",
        Spread.of([idle_daemon() for _ in range(repeats)]),
        PEER,
        Spread.of([idle_python() for _ in range(repeats)]),
        Target(MOST_MB),
    )


def of_children() -> float:
    """CPU seconds of all processes that were started here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def python(statement: str) -> None:
    subprocess.run([sys.executable, "-c", statement], check=True)


def idle_python() -> float:
    waiting = f"{PEER}; print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", waiting], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError(f"`{PEER}` failed")
        held = resident_mb(process.pid)
        process.communicate(b"\n")
    return held


def idle_daemon() -> float:
    """MB held by a daemon of its own, that was started and is stopped here."""
    with target() as url, tempfile.TemporaryDirectory() as folder:
        path, port = Path(folder) / "anomalyd.yaml", free_port()
        path.write_text(json.dumps(settings(url, port, folder)), encoding="utf-8")
        command = [sys.executable, "-m", "anomalyd", "serve", "-c", str(path)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                wait_for_ticks(process, port)
                return resident_mb(process.pid)
            finally:
                process.terminate()


def settings(url: str, port: int, folder: str) -> dict[str, object]:
    """A configuration; JSON is YAML."""
    scrape = {"targets": [{"url": url}], "interval": "0.5s"}
    return {
        "environments": {"staging": {"scrape": scrape}},
        "step": "0.5s",
        "state_dir": f"{folder}/state",
        "api": {"listen": f"127.0.0.1:{port}"},
    }


def wait_for_ticks(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while ticks(port) < TICKS:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the daemon did not start to tick")
        time.sleep(0.1)


def ticks(port: int) -> float:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            lines = answer.read().decode().splitlines()
    except (urllib.error.URLError, OSError):
        return 0.0
    found = [line for line in lines if line.startswith("anomalyd_ticks_total")]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


@contextmanager
def target() -> Iterator[str]:
    """An exporter of 20 routes on a free loopback port; yields its URL."""
    text = body(20).encode()

    class Exporter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Exporter) as server:
        thread = threading.Thread(target=server.serve_forever, name="exporter")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/metrics"
        finally:
            server.shutdown()
            thread.join()
