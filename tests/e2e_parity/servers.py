"""Two real Prometheus servers that scrape a drawn pair of worlds, and their files."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.e2e_parity.world import World, exposition, write_files
from tests.servers import prometheus

SCRAPES = 8
"""That each target must have been scraped before it is looked at."""
DEADLINE = 60.0


@dataclass(frozen=True, slots=True)
class Pair:
    """config: a configuration that compares the two; directory: where their files are."""

    config: Path
    directory: Path


@contextmanager
def exposing(worlds: Mapping[str, World]) -> Iterator[str]:
    """The host and port at which `/<side>/<target>/<instance>` tells what a target has."""
    began = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, side, target, _ = self.path.split("/")
            body = exposition(worlds[side], target, 60 + time.monotonic() - began).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="exposing", daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def pair(worlds: tuple[World, World], directory: Path) -> Iterator[Pair]:
    """Both worlds scraped and written, with a configuration beside them."""
    with ExitStack() as stack:
        address = stack.enter_context(exposing({world.side: world for world in worlds}))
        urls = {}
        for world in worlds:
            write_files(world, directory / "files" / world.side)
            home = directory / world.side
            home.mkdir(parents=True)
            flags = [f"--{name}={value}" for name, value in world.server_flags.items()]
            (home / "rules.yml").write_text(json.dumps(_rules(world)), encoding="utf-8")
            config = json.dumps(_scrapes(world, address, home))
            urls[world.side] = stack.enter_context(prometheus(home, config, *flags))
        for world in worlds:
            _wait(urls[world.side], 1 + sum(one.instances for one in world.running))
        yield Pair(_configuration(urls, directory), directory)


def _configuration(urls: Mapping[str, str], directory: Path) -> Path:
    files = {side: str(directory / "files" / side) for side in urls}
    tree = {
        "environments": {side: {"url": url} for side, url in urls.items()},
        "parity": {"files": files, "span": "1m"},
    }
    path = directory / "anomalyd.yaml"
    path.write_text(json.dumps(tree), encoding="utf-8")
    return path


def _scrapes(world: World, address: str, home: Path) -> dict[str, object]:
    jobs = [_job(world, "kube", 1, "1s", address)]
    jobs += [
        _job(world, one.name, one.instances, one.interval, address, one.timeout)
        for one in world.running
    ]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(home / "rules.yml")],
        "scrape_configs": jobs,
    }


def _job(
    world: World, name: str, instances: int, interval: str, address: str, timeout: str = "1s"
) -> dict[str, object]:
    targets = [
        {
            "targets": [address],
            "labels": {
                "__metrics_path__": f"/{world.side}/{name}/{number}",
                "instance": f"{world.side}-{name}-{number}",
            },
        }
        for number in range(instances)
    ]
    return {
        "job_name": name,
        "scrape_interval": interval,
        "scrape_timeout": timeout,
        "honor_labels": True,
        "static_configs": targets,
    }


def _rules(world: World) -> dict[str, object]:
    rules = [{"record": name, "expr": expr} for name, expr in world.rules.items()]
    return {"groups": [{"name": "shop", "rules": rules}]}


def _wait(url: str, targets: int) -> None:
    """Until every target was scraped often enough for a rate."""
    query = f"count(count_over_time(up[1m]) >= {SCRAPES // 2})"
    deadline = time.monotonic() + DEADLINE
    while _value(url, query) < targets:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{url}: only {_value(url, query)} of {targets} targets are scraped")
        time.sleep(0.2)


def _value(url: str, query: str) -> float:
    with urllib.request.urlopen(
        f"{url}/api/v1/query?query={urllib.request.quote(query)}", timeout=10
    ) as answer:
        found = json.load(answer)["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0
