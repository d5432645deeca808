"""Where decisions go out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anomalyd import config
from anomalyd.sinks.alertmanager import Alertmanager
from anomalyd.sinks.base import Context, Sink
from anomalyd.sinks.grafana import Grafana
from anomalyd.sinks.log import Log
from anomalyd.sinks.webhook import Webhook

Factory = Callable[[Any, Context], Sink]

SINKS: tuple[tuple[str, Factory], ...] = (
    ("grafana", Grafana),
    ("alertmanager", Alertmanager),
    ("webhook", Webhook),
    ("log", Log),
)
"""A sink's name is that of its section under `sinks`; its factory takes that section."""


def build(settings: config.Sinks, context: Context) -> list[Sink]:
    """The sinks that have a section in the configuration, in the order of `SINKS`."""
    sections = [(getattr(settings, name), factory) for name, factory in SINKS]
    return [factory(section, context) for section, factory in sections if section is not None]
