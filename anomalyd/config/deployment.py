"""Checks of the deployment that a run tests: targets, restarts, versions, probes, certificates."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field
from pydantic import model_validator as whole

from anomalyd.config.endpoints import Endpoint
from anomalyd.config.types import Duration, Excuse, Regex, Section, Url

Wish = bool | Literal["auto"]
"""`auto`: where what tells of it is there; what was asked for and is not there is no pass."""


def _version(value: object) -> object:
    numbers = value.values() if isinstance(value, dict) else [value]
    for one in numbers:
        if isinstance(one, bool | int | float):
            raise ValueError(f"{one!r} is not text; put it in quotes")
    return value


class VersionConfig(Section):
    """`expected`: of all services that `services` matches, or by service. `by`: what tells it, the
    first that tells one of an instance counts."""

    expected: Annotated[str | dict[str, str] | None, BeforeValidator(_version)] = None
    by: tuple[Literal["build_info", "target_info", "image"], ...] = Field(
        ("build_info", "target_info", "image"), min_length=1
    )
    services: Regex = ".*"


class Probe(Endpoint):
    """`body`: text that the answer contains; `server_name`: that the certificate is for, the host
    of the URL if not set; `min_days`: for which it must still be valid."""

    url: Url
    method: Literal["GET", "HEAD", "POST", "OPTIONS"] = "GET"
    status: int = Field(200, ge=100, le=599)
    body: str | None = Field(None, min_length=1)
    body_regex: Regex | None = None
    server_name: str | None = Field(None, min_length=1)
    min_days: float = Field(7.0, ge=0, le=3650)

    @whole(mode="after")
    def _check(self) -> Self:
        if self.method == "HEAD" and (self.body or self.body_regex):
            raise ValueError("HEAD has no body; leave out body, or use GET")
        return self


class DeploymentIgnore(Excuse):
    """Failed checks that do not count, with the reason and until when."""

    kind: Regex = ".*"
    place: Regex = ".*"


class DeploymentConfig(Section):
    """`scrapes`: of a target that must fail in a row before it is down."""

    targets: Wish = "auto"
    scrapes: int = Field(3, ge=1, le=100)
    restarts: Wish = "auto"
    version: VersionConfig = VersionConfig()
    probes: tuple[Probe, ...] = Field((), max_length=50)
    every: Duration = Field(30.0, ge=1, le=3600)
    ignore: tuple[DeploymentIgnore, ...] = ()
