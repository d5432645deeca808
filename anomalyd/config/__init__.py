"""Every setting with its default, bounds and check; the only reader of YAML.

`load` names every error of a file at once, each with its dotted path. `${NAME}` in a value is
replaced from the process environment; a secret may instead be read from the file that its
`*_file` twin names, which must be there. Secrets are `SecretStr`: they print as asterisks.
"""

from __future__ import annotations

from anomalyd.config.deployment import (
    DeploymentConfig,
    DeploymentIgnore,
    Probe,
    VersionConfig,
)
from anomalyd.config.endpoints import (
    Auth,
    BasicAuth,
    Endpoint,
    Otlp,
    OtlpMetrics,
    OtlpSpans,
    Receiver,
    Relabel,
    RemoteWrite,
    Scrape,
    ScrapeTarget,
    Secretive,
    Tls,
)
from anomalyd.config.enriching import Enrich, Jaeger, Loki, Received, Tempo
from anomalyd.config.environments import (
    EnvironmentConfig,
    Environments,
    JaegerSpans,
    TempoMetrics,
)
from anomalyd.config.judging import (
    BaselineConfig,
    Detect,
    Judgement,
    Limits,
    Retention,
    RiskConfig,
    Runs,
    Silence,
)
from anomalyd.config.outputs import (
    AlertmanagerSink,
    Api,
    GrafanaSink,
    LogSink,
    Reports,
    Sinks,
    Telemetry,
    WebhookSink,
)
from anomalyd.config.parity import ParityConfig, ParityExpect, ParityFiles, ParityIgnore
from anomalyd.config.reading import load, parse
from anomalyd.config.signals import (
    Identity,
    Load,
    Match,
    Override,
    RatioConfig,
    Rewrite,
    SignalConfig,
    Signals,
)
from anomalyd.config.tree import Config
from anomalyd.config.types import (
    Capacity,
    Change,
    ConfigError,
    Duration,
    Matchers,
    Regex,
    Section,
    Selector,
    Share,
    Url,
    Window,
)

__all__ = [
    "AlertmanagerSink",
    "Api",
    "Auth",
    "BaselineConfig",
    "BasicAuth",
    "Capacity",
    "Change",
    "Config",
    "ConfigError",
    "DeploymentConfig",
    "DeploymentIgnore",
    "Detect",
    "Duration",
    "Endpoint",
    "Enrich",
    "EnvironmentConfig",
    "Environments",
    "GrafanaSink",
    "Identity",
    "Jaeger",
    "JaegerSpans",
    "Judgement",
    "Limits",
    "Load",
    "LogSink",
    "Loki",
    "Match",
    "Matchers",
    "Otlp",
    "OtlpMetrics",
    "OtlpSpans",
    "Override",
    "ParityConfig",
    "ParityExpect",
    "ParityFiles",
    "ParityIgnore",
    "Probe",
    "RatioConfig",
    "Received",
    "Receiver",
    "Regex",
    "Relabel",
    "RemoteWrite",
    "Reports",
    "Retention",
    "Rewrite",
    "RiskConfig",
    "Runs",
    "Scrape",
    "ScrapeTarget",
    "Secretive",
    "Section",
    "Selector",
    "Share",
    "SignalConfig",
    "Signals",
    "Silence",
    "Sinks",
    "Telemetry",
    "Tempo",
    "TempoMetrics",
    "Tls",
    "Url",
    "VersionConfig",
    "WebhookSink",
    "Window",
    "load",
    "parse",
]
