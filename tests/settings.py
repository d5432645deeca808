"""Every setting of the configuration, as the tests of examples and of documentation walk them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from anomalyd import config
from anomalyd.config.reading import section_of


@dataclass(frozen=True)
class Setting:
    """`path` is dotted, `[]` where a list holds sections, `<name>` where a mapping does.

    holds_settings: it is a section, or a list or mapping of them.
    """

    path: str
    field: FieldInfo
    holds_settings: bool

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2].removesuffix("[]").removesuffix("<name>")


def settings(section: type[config.Section] = config.Config, prefix: str = "") -> Iterator[Setting]:
    """Every setting below `section`, sections before what they hold."""
    for name, field in section.model_fields.items():
        inner = section_of(field.annotation)
        kind = str(field.annotation)
        many = "[]" if "tuple[" in kind else ".<name>" if "dict[" in kind else ""
        yield Setting(f"{prefix}{name}", field, inner is not None)
        if inner is not None:
            yield from settings(inner, f"{prefix}{name}{many}.")


def values_at(tree: Any, path: str) -> list[Any]:
    """All values that a tree of settings has at a `Setting.path`."""
    found = [tree]
    for part in path.split("."):
        many = part.endswith("[]")
        key = part.removesuffix("[]")
        below: list[Any] = []
        for one in found:
            if not isinstance(one, dict):
                continue
            if key == "<name>":
                below += one.values()
            elif key in one:
                below += one[key] if many else [one[key]]
        found = below
    return found


NEEDED: Mapping[str, Mapping[str, Any]] = {
    "BasicAuth": {"username": "me"},
    "ScrapeTarget": {"url": "http://a"},
    "EnvironmentConfig": {"url": "http://a"},
    "Scrape": {"targets": [{"url": "http://a"}]},
    "Rewrite": {"match": "(.*)-staging", "to": "$1"},
    "Relabel": {"target_label": "service"},
    "RatioConfig": {"bad": "bad", "total": "total"},
    "SignalConfig": {"name": "mine", "kind": "latency", "gauge": "gauge"},
    "Load": {"rate": "requests_total"},
    "Silence": {"reason": "known", "until": "2027-01-31T00:00:00Z"},
    "ParityFiles": {"staging": "deploy/staging", "production": "deploy/production"},
    "ParityIgnore": {"reason": "known", "until": "2027-01-31T00:00:00Z"},
    "ParityExpect": {"kind": "replicas", "reason": "smaller"},
    "DeploymentIgnore": {"reason": "known", "until": "2027-01-31T00:00:00Z"},
    "Probe": {"url": "http://a"},
    "Detect": {"promql": "k6_vus"},
    "GrafanaSink": {"url": "http://a"},
    "AlertmanagerSink": {"urls": ["http://a"]},
    "WebhookSink": {"url": "http://a"},
    "Tempo": {"url": "http://a"},
    "TempoMetrics": {"url": "http://a"},
    "JaegerSpans": {"url": "http://a"},
    "GrafanaExplore": {"url": "http://a", "datasource": "tempo"},
    "Jaeger": {"url": "http://a"},
    "Loki": {"url": "http://a"},
}
"""What a section cannot be without, by its class."""

INSTEAD = {
    "scrape": "url",
    "remote_write": "url",
    "otlp": "url",
    "otlp_metrics": "url",
    "tempo": "url",
    "jaeger": "url",
    "histogram": "gauge",
    "quantile": "gauge",
    "ratio": "gauge",
    "rate": "gauge",
    "promql": "gauge",
}
"""A setting, and the needed one that it replaces."""


def tree_with(path: str, value: Any) -> dict[str, Any]:
    """A valid tree of settings that sets one, by its `Setting.path`."""
    tree: dict[str, Any] = {"environments": {"staging": {"url": "http://a"}}}
    _put(tree, config.Config, path.split("."), value)
    return tree


def _put(tree: dict[str, Any], section: Any, parts: list[str], value: Any) -> None:
    """Set the value at `parts` below `section`, with what the sections on the way need."""
    name, many = parts[0].removesuffix("[]"), parts[0].endswith("[]")
    for needed, given in NEEDED.get(section.__name__, {}).items():
        if INSTEAD.get(name) != needed and not (section is config.Load and name == "promql"):
            tree.setdefault(needed, given)
    if INSTEAD.get(name) in tree:
        del tree[INSTEAD[name]]
    if name == "quantile":
        tree["histogram"] = "histogram"
    if len(parts) == 1:
        tree[name] = value
        return
    inner = section_of(section.model_fields[name].annotation)
    below: dict[str, Any] = {} if many else tree.setdefault(name, {})
    if many:
        tree[name] = [below]
    rest = parts[1:]
    if rest[0] == "<name>":
        below, rest = below.setdefault("latency_p95", {}), rest[1:]
    _put(below, inner, rest, value)


def read(parsed: Any, path: str) -> Any:
    """What a parsed configuration has at a `Setting.path`: the first, where there are several."""
    for part in path.split("."):
        if part == "<name>":
            parsed = next(iter(parsed.values()))
        else:
            parsed = getattr(parsed, part.removesuffix("[]"))
            parsed = parsed[0] if part.endswith("[]") else parsed
    return parsed
