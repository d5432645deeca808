from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.conftest import production, staging
from tests.daemon.process import FAST_WINDOW, Process, fast, until, with_baseline, written
from tests.daemon.shop import Shop

__all__ = ["production", "staging"]


@pytest.fixture
def tree(staging: Shop, production: Shop, tmp_path: Path) -> dict[str, Any]:
    """Settings with a baseline and little to show, so that a run of seconds can pass."""
    made = fast(staging.url, production.url, tmp_path / "state")
    for signal, detect in zip(made["signals"]["custom"], ("2000%", "90 pp"), strict=True):
        signal["detect"] = detect
    with_baseline(made)
    return made


@pytest.fixture
def config(tree: dict[str, Any], tmp_path: Path) -> str:
    return str(written(tmp_path / "c.yaml", tree))


@pytest.fixture
def demanding(tree: dict[str, Any], tmp_path: Path) -> str:
    """A configuration by which no run of seconds can pass, however slowly it is stopped."""
    for signal, detect in zip(tree["signals"]["custom"], ("6%", "0.6 pp"), strict=True):
        signal["detect"] = detect
    return str(written(tmp_path / "c.yaml", tree))


@dataclass(frozen=True)
class Gate:
    """A named pipe with commands in front of it: each goes on until it is let through."""

    path: Path
    descriptor: int

    def command(self, status: int = 0) -> tuple[str, ...]:
        return ("sh", "-c", f"read line < '{self.path}'; exit {status}")

    def open(self) -> None:
        """Let one command through, now or when it comes."""
        os.write(self.descriptor, b"\n")


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    path = tmp_path / "gate"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR)
    yield Gate(path, descriptor)
    os.close(descriptor)


def asked_times(staging: Shop) -> list[float]:
    """Of windows that staging was asked about, oldest first."""
    asked = (one for one in staging.asked("query") if "avg_over_time(latency" in one["query"])
    return sorted(float(one["time"]) for one in asked)


async def windows_pass(staging: Shop, process: Process, windows: int) -> None:
    """Wait until staging has been asked about so many windows from now on."""

    def passed() -> bool:
        later = [time for time in asked_times(staging) if time > since]
        return len({round(time / FAST_WINDOW) for time in later}) >= windows

    since = max(asked_times(staging), default=0.0)
    await until(passed, f"{windows} windows pass", process)
