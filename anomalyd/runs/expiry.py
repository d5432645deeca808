"""Until when what was accepted holds: a version of what is tested, or a date."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from packaging.version import InvalidVersion, Version

LIKE_A_DATE = re.compile(r"\d{6,}|\d{4}-\d{1,2}(-\d{1,2})?|\d{1,2}\.\d{1,2}\.\d{4}")
"""What is compared as a version by nobody who wrote it."""


def checked(until: str, now: float = -math.inf) -> str:
    """The same, without spaces around it; '' is without an end. Raises ValueError, also where it is
    a date that is over at `now` (unix seconds)."""
    text = until.strip()
    ends = _date(text)
    if text and ends is None and (version_of(text) is None or LIKE_A_DATE.fullmatch(text)):
        raise ValueError(
            f"{until!r} is no version and no date; write one like v2.4, 2.4.0-rc.1, 2027-01-31 or "
            "2027-01-31T12:00:00Z"
        )
    if ends is not None and ends <= now:
        raise ValueError(f"{text} is past: write a date to come, or leave it out")
    return text


def is_version(until: str) -> bool:
    """Whether it ends with a version, and not with a date or never."""
    return bool(until) and _date(until) is None


def expired(until: str, now: float, version: str) -> bool:
    """Whether it is over at `now` (unix seconds) for a run of `version`, '' where not known.

    It ends with the first run of that version or a later one: a pre-release comes before its
    release, 2.4 is 2.4.0, build metadata does not make a version later than one without
    (https://semver.org, in the reading of https://peps.python.org/pep-0440). What cannot be
    compared does not end it. A date without a time is its first moment, in UTC.
    """
    if not until:
        return False
    ends = _date(until)
    if ends is not None:
        return now >= ends
    tested, end = version_of(version), version_of(until)
    return tested is not None and end is not None and _public(tested) >= _public(end)


def version_of(text: str) -> Version | None:
    """None where it is none that can be compared."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _public(version: Version) -> Version:
    return Version(version.public)


def _date(text: str) -> float | None:
    """Unix seconds, None where it is no date with its zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) == len("2027-01-31"):
        found = found.replace(tzinfo=UTC)
    return found.timestamp() if found.tzinfo is not None else None
