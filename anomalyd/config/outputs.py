"""Where decisions go out: sinks, API, reports, own telemetry."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import (
    Field,
    SecretStr,
)
from pydantic import model_validator as whole

from anomalyd import address
from anomalyd.config.endpoints import Endpoint, Secretive
from anomalyd.config.types import Duration, Listen, Regex, Section, Url


class GrafanaSink(Secretive):
    url: Url
    dashboard_uid: str | None = None
    panel_id: int | None = Field(None, ge=1)
    tags: tuple[str, ...] = ()
    budget: int = Field(50, ge=1, le=10_000)

    @whole(mode="after")
    def _sent(self) -> Self:
        self._in_a_header("token")
        return self

    def secret(self) -> str | None:
        return self._secret("token", sent=True)


class AlertmanagerSink(Endpoint):
    urls: tuple[Url, ...] = Field(min_length=1)
    labels: dict[str, str] = Field(default_factory=dict)
    resend_delay: Duration = Field(60.0, ge=0.2)
    resolved_for: Duration = Field(900.0, ge=0)
    generator_url: Url | None = None


class WebhookSink(Secretive):
    """`token` is the HMAC-SHA256 key of the X-Anomalyd-Signature header."""

    url: Url


class LogSink(Section):
    level: Literal["info", "warning"] = "warning"


class Sinks(Section):
    grafana: GrafanaSink | None = None
    alertmanager: AlertmanagerSink | None = None
    webhook: WebhookSink | None = None
    log: LogSink | None = LogSink()
    queue: int = Field(1000, ge=1)
    drain: Duration = Field(10.0, ge=0)


class Api(Section):
    listen: Listen = "127.0.0.1:8642"
    token: SecretStr | None = None
    token_file: Path | None = None
    external_url: Url | None = None

    @whole(mode="after")
    def _check(self) -> Self:
        self._one_secret("token")
        host, _ = address.parse_listen(self.listen)
        if not (self.token or self.token_file) and not address.is_loopback(host):
            raise ValueError(
                f"listen {self.listen} reaches other machines; set token (or token_file), or "
                "listen on 127.0.0.1"
            )
        return self

    def secret(self) -> str | None:
        return self._secret("token")


class Reports(Section):
    formats: tuple[Literal["json", "junit", "markdown", "html"], ...] = (
        "json",
        "junit",
        "markdown",
        "html",
    )


class Telemetry(Section):
    """`watch`: regexes of series (`signal{labels}`) always exported on /metrics."""

    otlp_endpoint: Url | None = None
    watch: tuple[Regex, ...] = ()
    series: int = Field(2000, ge=0, le=100_000)
