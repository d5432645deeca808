"""What an examination found, and how it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `detail`: what is so; `mend`: what to do, '' where nothing is to do."""

    subject: str
    status: Status
    detail: str
    mend: str = ""


def failed(checks: Sequence[Check]) -> bool:
    return any(check.status is Status.FAIL for check in checks)


def render(checks: Sequence[Check]) -> str:
    """One line per check, then what to mend, worst first, each once."""
    width = max((len(check.subject) for check in checks), default=0)
    lines = [f"{check.status:<4}  {check.subject:<{width}}  {check.detail}" for check in checks]
    mends = [
        f"  {check.subject}: {check.mend}"
        for status in (Status.FAIL, Status.WARN)
        for check in checks
        if check.status is status and check.mend
    ]
    if mends:
        return "\n".join([*lines, "", "To mend:", *dict.fromkeys(mends)]) + "\n"
    return "\n".join([*lines, "", "Nothing to mend."]) + "\n"


def as_json(checks: Sequence[Check]) -> dict[str, Any]:
    """`{"ok": bool, "checks": [{"subject", "status", "detail", "mend"}]}`."""
    return {
        "ok": not failed(checks),
        "checks": [
            {
                "subject": check.subject,
                "status": check.status.value,
                "detail": check.detail,
                "mend": check.mend,
            }
            for check in checks
        ],
    }
