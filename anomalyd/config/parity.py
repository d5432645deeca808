"""Comparing the environments: what is looked at, what is meant to differ, what is left alone."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from anomalyd.config.types import Duration, Excuse, Regex, Section


class ParityFiles(Section):
    """Two directories of settings."""

    staging: Path
    production: Path


class ParityIgnore(Excuse):
    """Differences that do not count, with the reason and until when."""

    kind: Regex = ".*"
    place: Regex = ".*"


class ParityExpect(Section):
    """Differences that are meant: any, or only while both values are as declared."""

    kind: Regex
    place: Regex = ".*"
    reason: str = Field(min_length=3)
    staging: str | None = None
    production: str | None = None


class ParityConfig(Section):
    files: ParityFiles | None = None
    expect: tuple[ParityExpect, ...] = ()
    ignore: tuple[ParityIgnore, ...] = ()
    with_runs: bool = True
    refresh: Duration = Field(600.0, ge=10, le=7 * 86400)
    span: Duration = Field(3600.0, ge=60, le=7 * 86400)
    queries: int = Field(1000, ge=10, le=100_000)
