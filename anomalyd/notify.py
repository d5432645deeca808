"""Tells systemd how the daemon is (sd_notify); without $NOTIFY_SOCKET every call does nothing.

Protocol: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)


class Notifier:
    """One service manager, found in the environment at construction.

    watchdog_interval: seconds between calls of `watchdog` (half of what the manager allows), or
    None where it watches another process or none.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_interval = _watchdog_interval(environ) if self._address else None

    def ready(self, status: str = "") -> None:
        """Start-up, or a reload, is complete."""
        self._send("READY=1", *_status(status))

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={microseconds}")

    def stopping(self, status: str = "") -> None:
        self._send("STOPPING=1", *_status(status))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(*_status(text))

    def watchdog(self) -> None:
        """Still alive; to be called every `watchdog_interval`."""
        self._send("WATCHDOG=1")

    async def keep_alive(self) -> None:
        """Tell systemd that the loop turns; a loop that hangs is restarted by it."""
        while self.watchdog_interval is not None:
            self.watchdog()
            await asyncio.sleep(self.watchdog_interval)

    def _send(self, *fields: str) -> None:
        if not self._address or not fields:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
                manager.connect(self._address)
                manager.sendall("\n".join(fields).encode())
        except OSError as error:
            log.warning("systemd was not notified of %s: %s", fields[0], error)


def _address(path: str) -> str:
    """`@name` is in the abstract namespace: its first byte is a zero."""
    if path.startswith("@"):
        return "\0" + path[1:]
    return path if path.startswith("/") else ""


def _status(text: str) -> list[str]:
    return [f"STATUS={' '.join(text.split())}"] if text else []


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    microseconds = environ.get("WATCHDOG_USEC", "")
    process = environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or (process and process != str(os.getpid())):
        return None
    return int(microseconds) / 2e6 or None
