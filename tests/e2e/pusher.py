"""A Prometheus that scrapes a target and pushes; it can be killed and goes on where it was."""

from __future__ import annotations

import signal
import subprocess
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.servers import free_port
from tests.tools import need

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 900ms}}
scrape_configs: [{{job_name: shop, static_configs: [{{targets: ["{target}"]}}]}}]
remote_write:
  - url: {receiver}
    queue_config: {{batch_send_deadline: 500ms, min_backoff: 30ms, max_backoff: 500ms}}
"""


class Pusher:
    def __init__(self, directory: Path, config: str) -> None:
        self.directory = directory
        directory.mkdir()
        (directory / "prometheus.yml").write_text(config, encoding="utf-8")
        self.url = f"http://127.0.0.1:{free_port()}"
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = [
            str(need("prometheus")),
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        with (self.directory / "log").open("ab") as log:
            self.child = subprocess.Popen(arguments, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.child is not None:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()

    def own(self, metric: str) -> float:
        """One of its own metrics, summed."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric))


@asynccontextmanager
async def pushing(directory: Path, target: str, receiver: str) -> AsyncIterator[Pusher]:
    """target: host and port that are scraped; receiver: the URL that is pushed to."""
    made = Pusher(directory, CONFIG.format(target=target, receiver=receiver))
    made.start()
    try:
        yield made
    finally:
        made.kill()
