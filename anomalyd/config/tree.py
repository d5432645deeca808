"""The whole configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import (
    Field,
)
from pydantic import model_validator as whole

from anomalyd import address
from anomalyd.config.deployment import DeploymentConfig
from anomalyd.config.endpoints import Otlp
from anomalyd.config.enriching import Enrich
from anomalyd.config.environments import Environments
from anomalyd.config.judging import (
    BaselineConfig,
    Judgement,
    Limits,
    Retention,
    RiskConfig,
    Runs,
    Silence,
)
from anomalyd.config.outputs import Api, Reports, Sinks, Telemetry
from anomalyd.config.parity import ParityConfig
from anomalyd.config.signals import Identity, Load, Match, Signals
from anomalyd.config.types import Duration, Section, Window


class Config(Section):
    environments: Environments
    signals: Signals = Signals()
    load: Load | None = None
    step: Duration = Field(5.0, ge=0.1, le=300)
    window: Window = None
    state_dir: Path = Path(".anomalyd")
    identity: Identity = Identity()
    match: Match = Match()
    baseline: BaselineConfig = BaselineConfig()
    judgement: Judgement = Judgement()
    runs: Runs = Runs()
    parity: ParityConfig = ParityConfig()
    risk: RiskConfig = RiskConfig()
    deployment: DeploymentConfig = DeploymentConfig()
    silences: tuple[Silence, ...] = ()
    graph: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    learn_graph: bool = True
    enrich: Enrich = Enrich()
    sinks: Sinks = Sinks()
    api: Api = Api()
    otlp: Otlp = Otlp()
    reports: Reports = Reports()
    telemetry: Telemetry = Telemetry()
    limits: Limits = Limits()
    retention: Retention = Retention()
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @whole(mode="after")
    def _listens_near(self) -> Self:
        if self.api.token or self.api.token_file or not self.environments.otlp:
            return self
        for name in ("http", "grpc"):
            listen = getattr(self.otlp, name)
            if listen and not address.is_loopback(address.parse_listen(listen)[0]):
                raise ValueError(
                    f"otlp.{name} {listen} reaches other machines; set api.token (or "
                    "api.token_file), or listen on 127.0.0.1"
                )
        return self

    @whole(mode="after")
    def _check(self) -> Self:
        sides = (self.environments.staging, self.environments.production)
        if not any(side is not None and side.url is None for side in sides):
            return self
        if self.load is not None and self.load.promql:
            raise ValueError(
                "load.promql needs a Prometheus (url); write load.rate where samples come directly"
            )
        for i, signal in enumerate(self.signals.custom):
            if signal.promql:
                raise ValueError(
                    f"signals.custom.{i}.promql needs a Prometheus (url); write histogram, ratio, "
                    "rate or gauge where samples come directly"
                )
        if self.runs.detect is not None and self.environments.staging.url is None:
            raise ValueError(
                "runs.detect needs a Prometheus (url) for staging; start runs by "
                "`anomalyd runs start`"
            )
        return self
