"""Real servers on free loopback ports, for the length of a `with`."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests import alertmanagers
from tests.tools import need

PORTS = range(12_000, 32_000)
"""Below the ephemeral ports of Linux, IANA and BSD."""


@contextmanager
def prometheus(tmp_path: Path, config_text: str, *flags: str, version: int = 2) -> Iterator[str]:
    """A Prometheus with its data in `tmp_path`/data; yields its base URL once it is ready.

    version: 3 where what it answers is of no older one; 2 for whichever there is.
    """
    program = need("prometheus-3" if version == 3 else "prometheus")
    config = tmp_path / "prometheus.yml"
    config.write_text(config_text, encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    arguments = [
        str(program),
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={address}",
        *flags,
    ]
    with _process(arguments, tmp_path / "prometheus.log", f"http://{address}/-/ready"):
        yield f"http://{address}"


@contextmanager
def alertmanager(tmp_path: Path, config_text: str, *flags: str) -> Iterator[str]:
    """An Alertmanager without peers; yields its base URL once it is ready."""
    program = need("alertmanager")
    config = tmp_path / "alertmanager.yml"
    config.write_text(config_text, encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    arguments = [
        *alertmanagers.command(program),
        f"--config.file={config}",
        f"--storage.path={tmp_path / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        *flags,
    ]
    with _process(arguments, tmp_path / "alertmanager.log", f"http://{address}/-/ready"):
        yield f"http://{address}"


def free_port() -> int:
    """A port that nothing listens on.

    It is not one of those that the kernel hands out: another process would be given it for a
    connection before ours listens there.
    """
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as server, suppress(OSError):
            server.bind(("127.0.0.1", port))
            return port


@contextmanager
def _process(arguments: list[str], log: Path, ready: str, deadline: float = 60.0) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait(process, ready, time.monotonic() + deadline, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], ready: str, deadline: float, log: Path) -> None:
    while not _answers(ready):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args} is not ready:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
