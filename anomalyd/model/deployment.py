"""What was found of the deployment that a run tests: an immutable input of its verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CheckKind(StrEnum):
    """In the order of reading."""

    TARGETS = "targets"
    RESTARTS = "restarts"
    VERSION = "version"
    PROBE = "probe"
    CERTIFICATE = "certificate"


class CheckState(StrEnum):
    """`unknown`: what was asked for could not be seen, which is no pass. `ignored`: it failed, and
    the configuration excuses it."""

    FAILED = "failed"
    UNKNOWN = "unknown"
    IGNORED = "ignored"
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class DeploymentCheck:
    """One thing that was looked at. place: a service, a URL, or a host; '' for all of staging.

    detail: what is so, one sentence. at: when it went wrong, unix seconds, None where it did not,
    or where that is not known. mend: what to do, '' where nothing is to do.
    """

    kind: CheckKind
    place: str
    state: CheckState
    detail: str
    at: float | None = None
    mend: str = ""
