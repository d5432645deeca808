"""The fit in a process of its own, so that judging never waits for it nor pays its memory.

The child reads one request as JSON from stdin and writes lines of JSON to stdout: progress, then
where the baseline is or one sentence of what is wrong. A traceback is a bug and goes to stderr.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomalyd import codec
from anomalyd.baseline.file import BaselineError, save
from anomalyd.baseline.history import Request, load_history
from anomalyd.baseline.rows import RowStore, Stored
from anomalyd.signals.identity import Canonical
from anomalyd.units import rfc3339

Progress = Callable[[int, int], None]
REPORT_EVERY = 256
COMMAND = ("-m", "anomalyd.baseline.process")


@dataclass(frozen=True, slots=True)
class FitRequest:
    """What to fit: stored rows under `rows`, of [start, end), to a baseline at `output`.

    The identity fields are those of `Canonical`, `rename` as pairs. capacity: units of capacity,
    or the rows of an expression that yields it. meta: a JSON object to keep with the baseline
    (created_at, source).
    """

    rows: str
    output: str
    requests: tuple[Request, ...]
    start: float
    end: float
    service_labels: tuple[str, ...]
    rewrite: tuple[tuple[str, ...], ...] = ()
    drop: tuple[str, ...] = ()
    rename: tuple[tuple[str, ...], ...] = ()
    capacity: float = 1.0
    capacity_rows: Stored | None = None
    meta: str = "{}"

    def canonical(self) -> Canonical:
        return Canonical(
            self.service_labels,
            [(match, to) for match, to in self.rewrite],
            self.drop,
            {pair[0]: pair[1] for pair in self.rename},
        )


async def refit(request: FitRequest, progress: Progress | None = None) -> Path:
    """Fit in a child process; `progress` is called with series done and in all.

    Returns where the baseline is. Raises BaselineError. The child is killed if this is cancelled.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *COMMAND,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    try:
        said = await _converse(child, request, progress)
        code = await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if "path" in said and code == 0:
        return Path(str(said["path"]))
    raise BaselineError(
        str(said.get("error", f"the baseline fit ended with status {code}; its log says why"))
    )


async def _converse(
    child: asyncio.subprocess.Process, request: FitRequest, progress: Progress | None
) -> dict[str, Any]:
    """Send the request; the last line that is not progress."""
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("the child was started without pipes")
    said: dict[str, Any] = {}
    try:
        child.stdin.write(codec.dumps(request).encode())
        await child.stdin.drain()
        child.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        return said
    async for line in child.stdout:
        message = json.loads(line)
        if "done" in message:
            if progress is not None:
                progress(message["done"], message["total"])
        else:
            said = message
    return said


def fit_stored(request: FitRequest, progress: Progress | None = None) -> int:
    """Fit and save in this process; how many series the baseline holds. Raises BaselineError."""
    from anomalyd.baseline.fit import FitInput, fit

    capacity = request.capacity_rows or request.capacity
    try:
        history = load_history(
            RowStore(Path(request.rows)),
            request.requests,
            request.start,
            request.end,
            request.canonical(),
            capacity,
        )
    except ValueError as error:
        raise BaselineError(f"the history cannot be fitted: {error}") from None
    baseline = fit(
        history.times,
        history.load,
        [
            FitInput(one.signal, one.keys, one.values, one.counts, one.answered)
            for one in history.signals.values()
        ],
        step=history.meta["step"],
        window=history.meta["window"],
        meta={**history.meta, **json.loads(request.meta)},
        progress=progress,
    )
    series = len(baseline.profiles.keys)
    if not series:
        raise BaselineError(
            f"no series has 8 windows or more between {rfc3339(request.start)} and "
            f"{rfc3339(request.end)} ({len(history.times)} windows were answered); fit a longer "
            "range"
        )
    save(baseline, Path(request.output))
    return series


def main() -> int:
    """The child: request on stdin, lines on stdout, exit status 0 or 1."""
    os.nice(10)
    last = 0

    def report(done: int, total: int) -> None:
        nonlocal last
        if done == total or done - last >= REPORT_EVERY:
            last = done
            print(json.dumps({"done": done, "total": total}), flush=True)

    try:
        request = codec.loads(FitRequest, sys.stdin.buffer.read())
        series = fit_stored(request, report)
    except (BaselineError, codec.CodecError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    print(json.dumps({"path": request.output, "series": series}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
