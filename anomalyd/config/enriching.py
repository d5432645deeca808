"""What is fetched for incidents once they are decided: exemplar traces and log lines."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator
from pydantic import model_validator as whole

from anomalyd.config.endpoints import Endpoint
from anomalyd.config.types import Duration, Section, Url

SERVICE = "$service"
TRACE = "$trace_id"


def _link(link: str | None) -> str | None:
    if link is not None and TRACE not in link:
        raise ValueError(f"must contain {TRACE}, which stands for the id of the trace")
    return link


def _query(query: str) -> str:
    if SERVICE not in query:
        raise ValueError(f"must contain {SERVICE}, which stands for the service that is looked at")
    return query


class GrafanaExplore(Section):
    """Where Grafana shows a trace: `datasource` is the uid of the Tempo that it knows."""

    url: Url
    datasource: str


class Tempo(Endpoint):
    """`query`: conditions of TraceQL that a span of the service meets."""

    url: Url
    query: str = 'resource.service.name = "$service"'
    grafana: GrafanaExplore | None = None
    link: Url | None = None

    _check_query = field_validator("query")(_query)
    _check_link = field_validator("link")(_link)


class Received(Section):
    """Where the spans that are sent to us are shown, by the system that they go to as well."""

    grafana: GrafanaExplore | None = None
    link: Url | None = None

    _check_link = field_validator("link")(_link)


class Jaeger(Endpoint):
    """`service`: how Jaeger calls the service; `link`: its own page where not set."""

    url: Url
    service: str = SERVICE
    link: Url | None = None

    _check_service = field_validator("service")(_query)
    _check_link = field_validator("link")(_link)


class Loki(Endpoint):
    """`query`: LogQL that selects the lines of the service."""

    url: Url
    query: str = '{service_name="$service"}'
    lines: int = Field(2000, ge=10, le=5000)

    _check_query = field_validator("query")(_query)


class Enrich(Section):
    """`delay`: how long traces and lines may take to be found; `deadline`: for one incident."""

    tempo: Tempo | None = None
    jaeger: Jaeger | None = None
    received: Received = Received()
    loki: Loki | None = None
    delay: Duration = Field(15.0, ge=0, le=600)
    deadline: Duration = Field(30.0, gt=0, le=300)
    traces: int = Field(5, ge=1, le=20)
    templates: int = Field(10, ge=1, le=50)
    incidents: int = Field(20, ge=0, le=1000)
    body_limit: int = Field(16 * 2**20, ge=1024)

    @whole(mode="after")
    def _check(self) -> Self:
        if self.tempo is not None and self.jaeger is not None:
            raise ValueError("set tempo or jaeger, not both")
        return self

    @property
    def anything(self) -> bool:
        return any((self.tempo, self.jaeger, self.loki)) and self.incidents > 0
