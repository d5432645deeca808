"""What systemd hears on its notify socket."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from anomalyd.notify import Notifier


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The address as systemd writes it, and the manager's end of it."""
    abstract = f"anomalyd-test-{uuid4()}"
    path = str(tmp_path / "notify")
    shown, bound = (path, path) if request.param == "file" else (f"@{abstract}", f"\0{abstract}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(bound)
        end.settimeout(5)
        yield shown, end


@pytest.mark.parametrize(
    ("tell", "heard"),
    [
        pytest.param(Notifier.ready, "READY=1", id="started"),
        pytest.param(lambda n: n.ready("2 runs"), "READY=1\nSTATUS=2 runs", id="started, and how"),
        pytest.param(Notifier.stopping, "STOPPING=1", id="stopping"),
        pytest.param(Notifier.watchdog, "WATCHDOG=1", id="alive"),
        pytest.param(lambda n: n.status("no run"), "STATUS=no run", id="status"),
        pytest.param(
            lambda n: n.status("a\nREADY=1"), "STATUS=a READY=1", id="a status cannot add a field"
        ),
    ],
)
def test_the_manager_hears(
    manager: tuple[str, socket.socket], tell: Callable[[Notifier], None], heard: str
) -> None:
    shown, end = manager
    tell(Notifier({"NOTIFY_SOCKET": shown}))
    assert end.recv(4096).decode() == heard


def test_a_reload_carries_the_monotonic_time_it_began(manager: tuple[str, socket.socket]) -> None:
    shown, end = manager
    before = time.monotonic_ns() // 1000
    Notifier({"NOTIFY_SOCKET": shown}).reloading()
    first, second = end.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    key, _, microseconds = second.partition("=")
    assert key == "MONOTONIC_USEC"
    assert before <= int(microseconds) <= time.monotonic_ns() // 1000


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        pytest.param({"WATCHDOG_USEC": "30000000"}, 15.0, id="half of the limit"),
        pytest.param({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "own"}, 2.0, id="for us"),
        pytest.param({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, None, id="for another"),
        pytest.param({}, None, id="no watchdog"),
        pytest.param({"WATCHDOG_USEC": "0"}, None, id="switched off"),
        pytest.param({"WATCHDOG_USEC": "soon"}, None, id="not a number"),
    ],
)
def test_the_watchdog_is_fed_at_half_its_limit(
    environ: dict[str, str], interval: float | None
) -> None:
    own = {key: value.replace("own", str(os.getpid())) for key, value in environ.items()}
    assert Notifier({"NOTIFY_SOCKET": "/run/notify", **own}).watchdog_interval == interval


def test_without_a_manager_nothing_is_sent_and_nothing_watched(
    caplog: pytest.LogCaptureFixture,
) -> None:
    notifier = Notifier({"WATCHDOG_USEC": "4000000"})
    notifier.ready("running")
    notifier.watchdog()
    assert notifier.watchdog_interval is None
    assert not caplog.records


def test_a_manager_that_went_away_is_a_warning_and_not_an_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    assert "systemd was not notified of READY=1" in caplog.text
