"""Child processes of the demo: started on a leash, ended by their own pid."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import IO

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 15.0


class DemoError(Exception):
    """One sentence for the user: which part of the demo did not work, and why."""


async def spawn(
    module: str, *arguments: str, stderr: IO[bytes] | int | None = None
) -> asyncio.subprocess.Process:
    """Start `python -m module` with its stdout in a pipe; it ends when this process does."""
    paths = [str(PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "anomalyd.demo.leash",
        module,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ask it to end, and kill it if it does not within `STOP_SECONDS`."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
