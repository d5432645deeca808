"""The two environments: what is asked of each of them, and what they send."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator
from pydantic import model_validator as whole

from anomalyd.config.endpoints import Endpoint, OtlpMetrics, OtlpSpans, RemoteWrite, Scrape
from anomalyd.config.types import Capacity, Duration, Matchers, Section, Share, Url

SPAN_METRICS_BUCKETS = (
    *(0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8),
    *(1.0, 1.4, 2.0, 5.0, 10.0, 15.0),
)
"""Seconds; what the Collector's spanmetrics connector has where it is not told others."""


class TempoMetrics(Endpoint):
    """Spans that a Tempo keeps, measured by TraceQL metrics. `filter`: conditions that those of
    this environment meet. `lag`: how long after they began spans are counted; Tempo hides the
    newest. `max_range`: the longest time that one query asks for."""

    url: Url
    filter: str = ""
    lag: Duration = Field(45.0, ge=0, le=600)
    max_range: Duration = Field(3 * 3600.0, ge=60, le=7 * 86400)
    body_limit: int = Field(64 * 2**20, ge=1024)


class JaegerSpans(Endpoint):
    """Traces that a Jaeger keeps, by searches. `services`: those that are searched for, all where
    it is empty; `tags` that a span of theirs must have. `environment`: values of
    `deployment.environment.name` that are of this environment. `interval`: of searches. `lag`: how
    long after they began spans are to be found. `limit`: traces that one search finds at most.
    `buckets`: seconds, of the histogram that Jaeger's own metrics are made of."""

    url: Url
    services: tuple[str, ...] = ()
    tags: dict[str, str] = Field(default_factory=dict)
    environment: tuple[str, ...] = ()
    sampling: Share = Field(1.0, gt=0, le=1)
    interval: Duration = Field(10.0, ge=1, le=300)
    lag: Duration = Field(20.0, ge=1, le=600)
    limit: int = Field(1500, ge=1, le=1500)
    buckets: tuple[float, ...] = SPAN_METRICS_BUCKETS
    body_limit: int = Field(64 * 2**20, ge=1024)


class EnvironmentConfig(Endpoint):
    """One environment: a Prometheus (`url`) or direct scrapes (`scrape`), spans that a Tempo or a
    Jaeger keeps, and what is pushed."""

    url: Url | None = None
    scrape: Scrape | None = None
    remote_write: RemoteWrite | None = None
    otlp: OtlpSpans | None = None
    otlp_metrics: OtlpMetrics | None = None
    tempo: TempoMetrics | None = None
    jaeger: JaegerSpans | None = None
    matchers: Matchers = ()
    capacity: Capacity = 1.0

    @property
    def has_others(self) -> bool:
        """Whether there is anything beside what keeps its traces."""
        return self.url is not None or self.scrape is not None or self.pushed

    @property
    def pushed(self) -> bool:
        """Whether anything is sent to us."""
        return self.remote_write is not None or self.otlp_pushed

    @property
    def otlp_pushed(self) -> bool:
        """Whether spans or metrics are sent to us by OTLP."""
        return self.otlp is not None or self.otlp_metrics is not None

    @whole(mode="after")
    def _check(self) -> Self:
        if self.url is not None and self.scrape is not None:
            raise ValueError("set url (a Prometheus) or scrape (targets), one of them")
        if self.tempo is not None and self.jaeger is not None:
            raise ValueError("set tempo or jaeger, not both")
        if not self.has_others and self.tempo is None and self.jaeger is None:
            raise ValueError(
                "set url (a Prometheus), scrape (targets), remote_write or otlp_metrics (samples "
                "pushed to us), otlp (spans pushed to us), tempo or jaeger (spans that it keeps)"
            )
        return self


class Environments(Section):
    staging: EnvironmentConfig
    production: EnvironmentConfig | None = None

    @property
    def pushed(self) -> bool:
        """Whether anything is sent to us."""
        return any(one is not None and one.pushed for one in (self.staging, self.production))

    @property
    def otlp(self) -> bool:
        """Whether anything is sent to us by OTLP."""
        return any(one is not None and one.otlp_pushed for one in (self.staging, self.production))

    @field_validator("staging", "production")
    @classmethod
    def _check(cls, one: EnvironmentConfig | None) -> EnvironmentConfig | None:
        if one is not None and isinstance(one.capacity, str):
            if "$matchers" not in one.capacity:
                raise ValueError("capacity must contain $matchers, or be a number")
            if one.url is None:
                raise ValueError("capacity must be a number where no Prometheus (url) is asked")
        return one

    @field_validator("production")
    @classmethod
    def _asked_or_sent(cls, one: EnvironmentConfig | None) -> EnvironmentConfig | None:
        if one is not None and one.pushed and one.url is not None:
            raise ValueError(
                "a Prometheus (url) is asked for its history; leave out what is pushed, or the url"
            )
        kept = None if one is None else "tempo" if one.tempo else "jaeger" if one.jaeger else None
        if one is not None and kept is not None and one.has_others:
            raise ValueError(
                f"{kept} is asked for its history, which production has from one place; leave out "
                f"the others, or {kept}"
            )
        return one
