"""Types of settings as people write them, and what every section has in common."""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
)
from pydantic import model_validator as whole

from anomalyd import model, units
from anomalyd.signals.regex import checked_regex
from anomalyd.signals.selector import parse_matchers, parse_selector

T = TypeVar("T")


def _text(read: Callable[[str], T]) -> BeforeValidator:
    """Reads a setting that is written as text; YAML makes numbers and lists of some texts."""

    def read_text(value: object) -> T:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is not text; put it in quotes")
        return read(value)

    return BeforeValidator(read_text)


Duration = Annotated[float, BeforeValidator(units.parse_duration)]
Share = Annotated[float, BeforeValidator(units.parse_share)]
Change = Annotated[model.Change, BeforeValidator(units.parse_change)]
Window = Annotated[
    Annotated[float, Field(gt=0, le=3600)] | None,
    BeforeValidator(lambda text: None if text == "auto" else units.parse_duration(text)),
]
"""`auto` (None): max(4 x the slower environment's scrape interval, 30 s)."""
Selector = Annotated[model.Selector, _text(parse_selector)]
Matchers = Annotated[tuple[model.Matcher, ...], _text(parse_matchers)]


CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no value of a header may have: RFC 9110, section 5.5."""

NOT_SENT = "has a line break or another control character; write it on one line"


class ConfigError(Exception):
    """What is wrong with a config, one line per error: `dotted.path: what, and how to mend it`."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    def _one_secret(self, name: str) -> None:
        if getattr(self, name) is not None and getattr(self, f"{name}_file") is not None:
            raise ValueError(f"set {name} or {name}_file, not both")

    def _in_a_header(self, name: str) -> None:
        value: SecretStr | None = getattr(self, name)
        if value is not None and CONTROL.search(value.get_secret_value()):
            raise ValueError(f"{name} {NOT_SENT}")

    def _secret(self, name: str, *, sent: bool = False) -> str | None:
        """sent: as it is, in a header. Raises OSError."""
        path: Path | None = getattr(self, f"{name}_file")
        if path is not None:
            return secret_in(path, sent=sent)
        value: SecretStr | None = getattr(self, name)
        return value.get_secret_value() if value else None


def secret_in(path: Path, *, sent: bool) -> str:
    """Without blanks around it. sent: in a header. Raises OSError, also for what none may have."""
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise OSError(errno.EINVAL, "is not UTF-8 text", str(path)) from error
    if sent and CONTROL.search(secret):
        raise OSError(errno.EINVAL, NOT_SENT, str(path))
    return secret


def _url(text: str) -> str:
    if not re.match(r"https?://[^\s/]+", text):
        raise ValueError("is not a URL; write http://host:port or https://host/path")
    return text.rstrip("/")


def _capacity(value: object) -> float | str:
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except ValueError:
        return str(value)
    if not 0 < number < math.inf or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a capacity; write a number above zero or PromQL")
    return number


Regex = Annotated[str, _text(checked_regex)]
Url = Annotated[str, _text(_url)]
Capacity = Annotated[float | str, BeforeValidator(_capacity)]
Listen = Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$")]
"""`host:port` or `[address]:port`."""


class Excuse(Section):
    """What is not to count, why, and for how long."""

    reason: str = Field(min_length=3)
    until: datetime

    @whole(mode="after")
    def _check(self) -> Self:
        if self.until.tzinfo is None:
            raise ValueError("until needs a time zone, like 2027-01-31T00:00:00Z")
        return self
