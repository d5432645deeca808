"""What SIGINT, SIGTERM and SIGHUP mean to `watch`, by how often they came."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Use it as a context manager around everything that waits.

    While the command runs, the first signal tells its process group to end, the second kills it;
    either way the run is judged by what was seen. One signal more, or any before the command was
    started, sets `leave`.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._group: int | None = None
        self._ended = False
        self._told = 0
        self.count = 0
        self.leave = asyncio.Event()

    def __enter__(self) -> Interrupts:
        loop = asyncio.get_running_loop()
        for number in NUMBERS:
            loop.add_signal_handler(number, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in NUMBERS:
            loop.remove_signal_handler(number)

    def started(self, group: int) -> None:
        """The command runs, in a process group of its own."""
        self._group = group

    def ended(self) -> None:
        self._ended = True

    def kill(self) -> None:
        """End what is left of the command."""
        self._send(signal.SIGKILL)

    def _interrupt(self) -> None:
        self.count += 1
        if self._group is None:
            self.leave.set()
            return
        self._told += 1
        if self._ended and self._told == 1:
            self._say("the run is being judged; once more leaves without its verdict")
        elif self._ended or self._told > 2:
            self.leave.set()
        elif self._told == 1:
            self._say("interrupted: the command is told to end; once more kills it")
            self._send(signal.SIGINT)
        else:
            self._say("the command is killed; once more leaves without a verdict")
            self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self._group is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._group, number)
