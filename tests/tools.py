"""Finds the programs that tests run beside anomalyd: on PATH, else in .cache/tools."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "tools"

NAMES = {
    "prometheus": ("prometheus",),
    "prometheus-3": ("prometheus-3",),
    "promtool": ("promtool",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
    "amtool": ("amtool",),
}
"""A program to the names it goes by: upstream's, Debian's."""


def binary(name: str) -> Path | None:
    """The path of a program, or None."""
    for known in NAMES[name]:
        on_path = shutil.which(known)
        if on_path:
            return Path(on_path)
        unpacked = CACHE / "usr" / "bin" / known
        if os.access(unpacked, os.X_OK):
            return unpacked
    return None


def need(name: str) -> Path:
    """The path of a program; without it the test is skipped, or fails where CI=true."""
    found = binary(name)
    if found is None:
        reason = f"{name} is not on PATH nor in {CACHE.name}; run python -m tests.fetch_tools"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found
