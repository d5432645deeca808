"""Rendering from the daemon: the JSON at once, the rest in a process with a time limit."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from anomalyd.report import FORMATS, ReportError, write
from anomalyd.report.document import Document

logger = logging.getLogger(__name__)


async def render(
    document: Document,
    directory: Path,
    formats: Iterable[str],
    *,
    timeout: float = 120.0,  # seconds
    cache_dir: Path | None = None,
) -> list[Path]:
    """Write the JSON, then render `formats` from it in a subprocess; the paths that are there.

    A failure is one logged warning: a report is never a reason for a run to be without a verdict.
    `cache_dir` is where matplotlib keeps its font cache, for a service without a home.
    """
    wanted = {*formats, "json"}
    try:
        written = await asyncio.to_thread(write, document, directory, ["json"])
        rest = [form.name for form in FORMATS if form.name in wanted - {"json"}]
        if rest:
            written += await _subprocess(written[0], rest, timeout, cache_dir)
    except ReportError as error:
        logger.warning("report not written: %s", error)
        return [p for p in _paths(directory, wanted) if p.exists()]
    return written


async def _subprocess(
    source: Path, formats: list[str], timeout: float, cache_dir: Path | None
) -> list[Path]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "anomalyd.report",
        str(source),
        "--formats",
        ",".join(formats),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **({"MPLCONFIGDIR": str(cache_dir)} if cache_dir else {})},
    )
    try:
        async with asyncio.timeout(timeout):
            out, err = await process.communicate()
    except TimeoutError:
        raise ReportError(f"{source}: rendering took longer than {timeout:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = err.decode(errors="replace").strip().splitlines()[-1:] or ["no output"]
        raise ReportError(f"{source}: rendering exited with {process.returncode}: {last[0]}")
    return [Path(line) for line in out.decode().splitlines()]


def _paths(directory: Path, formats: set[str]) -> list[Path]:
    return [directory / form.filename for form in FORMATS if form.name in formats]
