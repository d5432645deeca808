"""How other systems are reached and what they send: addresses, secrets, TLS, receivers."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    Field,
    SecretStr,
    field_validator,
)
from pydantic import model_validator as whole

from anomalyd.config.types import (
    CONTROL,
    NOT_SENT,
    Duration,
    Listen,
    Regex,
    Section,
    Share,
    Url,
)
from anomalyd.signals.relabel import LABEL_NAME, TARGET, Rule

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110, section 5.6.2."""


class BasicAuth(Section):
    username: str
    password: SecretStr | None = None
    password_file: Path | None = None

    @whole(mode="after")
    def _check(self) -> Self:
        self._one_secret("password")
        return self

    def secret(self) -> str:
        return self._secret("password") or ""


class Auth(Section):
    """Who we are to a server: basic or bearer. The secret is read anew for each session."""

    basic: BasicAuth | None = None
    bearer: SecretStr | None = None
    bearer_file: Path | None = None

    @whole(mode="after")
    def _check(self) -> Self:
        self._one_secret("bearer")
        self._in_a_header("bearer")
        if self.basic and (self.bearer or self.bearer_file):
            raise ValueError("set basic or bearer, not both")
        return self

    def authorization(self) -> str | None:
        """The value of the Authorization header, or None. Raises OSError."""
        token = self._secret("bearer", sent=True)
        if token:
            return f"Bearer {token}"
        if self.basic:
            pair = f"{self.basic.username}:{self.basic.secret()}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        return None


class Tls(Section):
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure_skip_verify: bool = False


class Endpoint(Section):
    """How to reach one HTTP system."""

    auth: Auth = Auth()
    tls: Tls = Tls()
    headers: dict[str, str] = Field(default_factory=dict)
    timeout: Duration = Field(10.0, gt=0, le=300)

    @field_validator("headers")
    @classmethod
    def _no_secret(cls, headers: dict[str, str]) -> dict[str, str]:
        if any(name.lower() == "authorization" for name in headers):
            raise ValueError("headers are not kept secret; put Authorization under auth")
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of a header; write it like X-Tenant")
            if CONTROL.search(value):
                raise ValueError(f"the value of {name} {NOT_SENT}")
        return headers


class ScrapeTarget(Section):
    url: Url
    labels: dict[str, str] = Field(default_factory=dict)


class Scrape(Section):
    """Exposition text fetched directly, without a Prometheus."""

    targets: tuple[ScrapeTarget, ...] = Field(min_length=1)
    interval: Duration = Field(5.0, ge=0.1, le=300)
    body_limit: int = Field(32 * 2**20, ge=1024)


class Relabel(Section):
    """One rule of Prometheus's `relabel_configs`."""

    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: Regex = "(.*)"
    modulus: int | None = Field(None, ge=1)
    target_label: str | None = None
    replacement: str = "$1"
    action: Literal[
        "replace",
        "keep",
        "drop",
        "keepequal",
        "dropequal",
        "hashmod",
        "labelmap",
        "labeldrop",
        "labelkeep",
        "lowercase",
        "uppercase",
    ] = "replace"

    @whole(mode="after")
    def _check(self) -> Self:
        by_name = self.action in ("labelmap", "labeldrop", "labelkeep")
        if self.target_label is None and not by_name and self.action not in ("keep", "drop"):
            raise ValueError(f"{self.action} needs target_label")
        allowed = TARGET if self.action == "replace" else LABEL_NAME
        if self.target_label is not None and not allowed.fullmatch(self.target_label):
            raise ValueError(f"{self.target_label!r} is no name of a label")
        if self.action == "hashmod" and self.modulus is None:
            raise ValueError("hashmod needs modulus")
        if by_name and (self.source_labels or self.target_label):
            raise ValueError(f"{self.action} goes by regex alone; leave out the labels")
        return self

    def rule(self) -> Rule:
        return Rule(
            self.action,
            self.source_labels,
            self.separator,
            re.compile(self.regex, re.DOTALL),
            self.target_label or "",
            self.replacement,
            self.modulus or 1,
        )


class Receiver(Section):
    """What is pushed to us. late: how long a tick waits for samples that were taken before it."""

    body_limit: int = Field(32 * 2**20, ge=1024)
    late: Duration = Field(10.0, ge=0, le=300)
    relabel: tuple[Relabel, ...] = ()


class RemoteWrite(Receiver):
    """Samples that are pushed to us by Prometheus remote_write."""


class OtlpSpans(Section):
    """Spans that are pushed to us by OTLP. `environment`: values of `deployment.environment.name`
    that are of this environment. `sampling`: the share of its spans that is sent."""

    environment: tuple[str, ...] = ()
    sampling: Share = Field(1.0, gt=0, le=1)


class OtlpMetrics(Receiver):
    """Metrics that are pushed to us by OTLP; `environment` as of spans."""

    environment: tuple[str, ...] = ()


class Secretive(Endpoint):
    token: SecretStr | None = None
    token_file: Path | None = None

    @whole(mode="after")
    def _check(self) -> Self:
        self._one_secret("token")
        return self

    def secret(self) -> str | None:
        return self._secret("token")


class Otlp(Section):
    """Where spans are pushed to, if an environment has `otlp`."""

    http: Listen | None = "127.0.0.1:4318"
    grpc: Listen | None = "127.0.0.1:4317"
    body_limit: int = Field(20 * 2**20, ge=1024)
    queue: int = Field(200_000, ge=1)
