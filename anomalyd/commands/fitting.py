"""`anomalyd baseline fit`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from anomalyd.baseline.file import BaselineError
from anomalyd.config import Config
from anomalyd.refresh import FitError, Fitter


async def estimate(config: Config) -> dict[str, Any]:
    """Queries and samples that production would be asked for; nothing is read. Raises FitError."""
    async with Fitter(config) as fitter:
        found = await fitter.estimate()
    return {"queries": found.queries, "samples": found.samples, "series": found.series}


def render_estimate(data: dict[str, Any]) -> str:
    lines = [f"{data['queries']} range queries for {data['samples']} samples:"]
    return "\n".join(lines + [f"  {name}: {n} series" for name, n in data["series"].items()])


async def fit(config: Config) -> dict[str, Any]:
    """Fetch and fit, with progress on a terminal. Raises FitError."""
    async with Fitter(config) as fitter:
        with _bar("fetching") as fetched, _bar("fitting") as fitted:
            try:
                path, series = await fitter.fit(
                    lambda done, total, what: fetched.move(done, total),
                    lambda done, total: fitted.move(done, total),
                )
            except BaselineError as error:
                raise FitError(str(error)) from error
            except OSError as error:
                raise FitError(f"{config.state_dir}: {error.strerror}; free some space") from error
    return {"path": str(path), "series": series}


class _Bar:
    """A click progress bar whose length is known only once work begins; silent off a terminal."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar: Any = None
        self._done = 0

    def move(self, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            self._bar = click.progressbar(length=total, label=self._label, file=sys.stderr)
            self._bar.__enter__()
        self._bar.update(done - self._done)
        self._done = done

    def end(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)


@contextmanager
def _bar(label: str) -> Iterator[_Bar]:
    bar = _Bar(label)
    try:
        yield bar
    finally:
        bar.end()
