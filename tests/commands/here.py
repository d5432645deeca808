"""Commands in the process of the tests: what they answer costs no start of a Python each.

For commands that only ask and answer. What installs signal handlers, serves or is interrupted is
started as a process of its own (`tests.daemon.process`), and so is one of every kind.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from click.testing import CliRunner

from anomalyd.cli import main


@dataclass(frozen=True)
class Ended:
    """Exit code, and stdout and stderr as lines."""

    code: int
    out: list[str]
    said: list[str]

    def has_said(self, words: str) -> bool:
        return any(words in line for line in self.said)


async def answered(*arguments: str) -> Ended:
    """In a thread, beside the servers of the test that it asks."""
    done = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    return Ended(done.exit_code, done.stdout.splitlines(), done.stderr.splitlines())
