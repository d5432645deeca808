"""Every setting with its default, bounds and check; the only reader of YAML.

`load` names every error of a file at once, each with its dotted path. `${NAME}` in a value is
replaced from the process environment; a secret may instead be read from the file that its
`*_file` twin names, which must be there. Secrets are `SecretStr`: they print as asterisks.
"""

from __future__ import annotations

import base64
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic import model_validator as whole

from anomalyd import address, model, units
from anomalyd.signals.identity import Canonical
from anomalyd.signals.presets import PRESETS
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


class ConfigError(Exception):
    """What is wrong with a config, one line per error: `dotted.path: what, and how to mend it`."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    def _one_secret(self, name: str) -> None:
        if getattr(self, name) is not None and getattr(self, f"{name}_file") is not None:
            raise ValueError(f"set {name} or {name}_file, not both")

    def _secret(self, name: str) -> str | None:
        path: Path | None = getattr(self, f"{name}_file")
        if path is not None:
            return path.read_text(encoding="utf-8").strip()
        value: SecretStr | None = getattr(self, name)
        return value.get_secret_value() if value else None


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"broken regular expression: {error}") from error
    return text


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


Regex = Annotated[str, _text(_regex)]
Url = Annotated[str, _text(_url)]
Capacity = Annotated[float | str, BeforeValidator(_capacity)]


class BasicAuth(_Section):
    username: str
    password: SecretStr | None = None
    password_file: Path | None = None

    @whole(mode="after")
    def _check(self) -> Self:
        self._one_secret("password")
        return self

    def secret(self) -> str:
        return self._secret("password") or ""


class Auth(_Section):
    """Who we are to a server: basic or bearer. The secret is read anew for each session."""

    basic: BasicAuth | None = None
    bearer: SecretStr | None = None
    bearer_file: Path | None = None

    @whole(mode="after")
    def _check(self) -> Self:
        self._one_secret("bearer")
        if self.basic and (self.bearer or self.bearer_file):
            raise ValueError("set basic or bearer, not both")
        return self

    def authorization(self) -> str | None:
        """The value of the Authorization header, or None."""
        token = self._secret("bearer")
        if token:
            return f"Bearer {token}"
        if self.basic:
            pair = f"{self.basic.username}:{self.basic.secret()}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        return None


class Tls(_Section):
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure_skip_verify: bool = False


class Endpoint(_Section):
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
        return headers


class ScrapeTarget(_Section):
    url: Url
    labels: dict[str, str] = Field(default_factory=dict)


class Scrape(_Section):
    """Exposition text fetched directly, without a Prometheus."""

    targets: tuple[ScrapeTarget, ...] = Field(min_length=1)
    interval: Duration = Field(5.0, ge=0.1, le=300)
    body_limit: int = Field(32 * 2**20, ge=1024)


class EnvironmentConfig(Endpoint):
    """One environment: a Prometheus (`url`) or direct scrapes (`scrape`), exactly one of them."""

    url: Url | None = None
    scrape: Scrape | None = None
    matchers: Matchers = ()
    capacity: Capacity = 1.0

    @whole(mode="after")
    def _check(self) -> Self:
        if (self.url is None) == (self.scrape is None):
            raise ValueError("set url (a Prometheus) or scrape (targets), exactly one of them")
        return self


class Environments(_Section):
    staging: EnvironmentConfig
    production: EnvironmentConfig | None = None

    @field_validator("staging", "production")
    @classmethod
    def _check(cls, one: EnvironmentConfig | None) -> EnvironmentConfig | None:
        if one is not None and isinstance(one.capacity, str):
            if "$matchers" not in one.capacity:
                raise ValueError("capacity must contain $matchers, or be a number")
            if one.scrape is not None:
                raise ValueError("capacity must be a number where targets are scraped")
        return one


class Rewrite(_Section):
    match: Regex
    to: str

    @whole(mode="after")
    def _check(self) -> Self:
        try:
            Canonical((), [(self.match, self.to)])
        except ValueError as error:
            raise ValueError(
                f"to {self.to!r} does not fit match {self.match!r}: write $1 for what its first "
                "parentheses hold"
            ) from error
        return self


class Identity(_Section):
    """One name per service everywhere: the first of `service` that a series carries, rewritten."""

    service: tuple[str, ...] = Field(("service", "service_name", "app", "job"), min_length=1)
    rewrite: tuple[Rewrite, ...] = ()
    entry: str | None = None


class Match(_Section):
    """How production's series find staging's: labels to drop, labels to rename (from: to)."""

    drop: tuple[str, ...] = ("cluster", "namespace", "pod", "instance", "env", "environment")
    rename: dict[str, str] = Field(default_factory=dict)


class RatioConfig(_Section):
    bad: Selector
    total: Selector


class SignalConfig(_Section):
    """One declared signal; exactly one of histogram, ratio, rate, gauge, promql."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)
    kind: model.Kind
    unit: str = ""
    worse: model.Worse | None = None
    tolerate: Change | None = None
    detect: Change | None = None
    limit: float | None = None
    by: tuple[str, ...] = ("service",)
    histogram: Selector | None = None
    quantile: float = Field(0.95, gt=0, lt=1)
    ratio: RatioConfig | None = None
    rate: Selector | None = None
    gauge: Selector | None = None
    agg: Literal["sum", "avg", "max", "min"] = "avg"
    promql: str | None = None

    @whole(mode="after")
    def _check(self) -> Self:
        given = [k for k in ("histogram", "ratio", "rate", "gauge", "promql") if getattr(self, k)]
        if len(given) != 1:
            raise ValueError("set exactly one of histogram, ratio, rate, gauge, promql")
        if self.promql and "$matchers" not in self.promql:
            raise ValueError("promql must contain $matchers, so that it sees one environment only")
        if self.name == model.LOAD_SIGNAL:
            raise ValueError("the name load is taken by the condition; set it under `load`")
        sizes = [size for size in (self.tolerate, self.detect) if size is not None]
        is_ratio = self.ratio is not None or self.unit == "ratio" or self.kind is model.Kind.ERRORS
        if any(size.absolute for size in sizes) and not is_ratio:
            raise ValueError("pp is a change of a ratio; write tolerate and detect like 10%")
        return self

    def signal(self) -> model.Signal:
        """The signal with the defaults of its kind filled in."""
        errors = self.kind is model.Kind.ERRORS
        traffic = self.kind is model.Kind.TRAFFIC
        return model.Signal(
            name=self.name,
            kind=self.kind,
            definition=self._definition(),
            by=self.by,
            unit=self.unit or ("ratio" if self.ratio else ""),
            worse=self.worse or (model.Worse.BOTH if traffic else model.Worse.UP),
            tolerate=self.tolerate or model.Change(absolute=0.005)
            if errors
            else self.tolerate or model.Change(relative=0.05),
            detect=self.detect or (model.Change(absolute=0.05) if errors else model.Change(0.5)),
            limit=self.limit,
        )

    def _definition(self) -> model.Definition:
        if self.histogram:
            return model.HistogramQuantile(self.histogram, self.quantile)
        if self.ratio:
            return model.Ratio(self.ratio.bad, self.ratio.total)
        if self.rate:
            return model.Rate(self.rate)
        if self.gauge:
            return model.Gauge(self.gauge, self.agg)
        return model.PromQL(self.promql or "")


class Override(_Section):
    """What to change of a preset's signal; what is left out stays as the preset has it."""

    worse: model.Worse | None = None
    tolerate: Change | None = None
    detect: Change | None = None
    limit: float | None = None

    def of(self, signal: model.Signal) -> model.Signal:
        return replace(
            signal,
            worse=self.worse or signal.worse,
            tolerate=self.tolerate or signal.tolerate,
            detect=self.detect or signal.detect,
            limit=signal.limit if self.limit is None else self.limit,
        )


class Signals(_Section):
    presets: tuple[Literal["http", "process", "k6"], ...] = ("http", "process")
    custom: tuple[SignalConfig, ...] = ()
    override: dict[str, Override] = Field(default_factory=dict)

    @whole(mode="after")
    def _check(self) -> Self:
        names = [signal.name for signal in self.custom]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"signal names must be unique: {', '.join(twice)} is there twice")
        quantities = {one.name for preset in self.presets for one in PRESETS[preset]}
        unknown = sorted(self.override.keys() - (quantities - set(names)))
        if unknown:
            raise ValueError(
                f"override.{unknown[0]} is no signal of the chosen presets; they have "
                f"{', '.join(sorted(quantities)) or 'none'}; a custom signal is changed where it is"
            )
        return self


class Load(_Section):
    """Offered load at the entry, 1/s: a counter's rate or an expression that yields one number."""

    rate: Selector | None = None
    promql: str | None = None

    @whole(mode="after")
    def _check(self) -> Self:
        if (self.rate is None) == (self.promql is None):
            raise ValueError("set rate or promql, exactly one of them")
        if self.promql and "$matchers" not in self.promql:
            raise ValueError("promql must contain $matchers, so that it sees one environment only")
        return self


class BaselineConfig(_Section):
    days: float = Field(7.0, gt=0, le=400)
    step: Duration = Field(60.0, ge=0.5, le=3600)
    refresh: Duration = Field(6 * 3600.0, ge=1)
    concurrency: int = Field(1, ge=1, le=16)
    path: Path | None = None


class Judgement(_Section):
    """`coverage`: the share of production's series that a pass must have judged."""

    false_fail: Share = Field(0.01, gt=0, le=0.5)
    warmup: Duration = Field(60.0, ge=0)
    settle: Duration = Field(30.0, ge=0)
    keep_firing_for: Duration = Field(60.0, ge=0)
    coverage: Share = Field(0.8, ge=0, le=1)
    close_incident_after: Duration = Field(60.0, ge=0)
    shadow: bool = False


class Silence(_Section):
    """Series that may not decide, with the reason and until when; `match` selects by labels."""

    signal: str = ".*"
    match: Matchers = ()
    reason: str = Field(min_length=3)
    until: datetime

    @whole(mode="after")
    def _check(self) -> Self:
        _regex(self.signal)
        if self.until.tzinfo is None:
            raise ValueError("until needs a time zone, like 2027-01-31T00:00:00Z")
        return self


class Detect(_Section):
    """A run is under way while `promql` is above zero in staging; per value of `runs.label`."""

    promql: str
    name: str = "detected"


class Runs(_Section):
    label: str | None = None
    detect: Detect | None = None
    max_duration: Duration = Field(6 * 3600.0, gt=0)


class Secretive(Endpoint):
    token: SecretStr | None = None
    token_file: Path | None = None

    @whole(mode="after")
    def _check(self) -> Self:
        self._one_secret("token")
        return self

    def secret(self) -> str | None:
        return self._secret("token")


class GrafanaSink(Secretive):
    url: Url
    dashboard_uid: str | None = None
    panel_id: int | None = Field(None, ge=1)
    tags: tuple[str, ...] = ()
    budget: int = Field(50, ge=1, le=10_000)


class AlertmanagerSink(Endpoint):
    urls: tuple[Url, ...] = Field(min_length=1)
    labels: dict[str, str] = Field(default_factory=dict)
    resend_delay: Duration = Field(60.0, ge=0.2)
    resolved_for: Duration = Field(900.0, ge=0)
    generator_url: Url | None = None


class WebhookSink(Secretive):
    """`token` is the HMAC-SHA256 key of the X-Anomalyd-Signature header."""

    url: Url


class LogSink(_Section):
    level: Literal["info", "warning"] = "warning"


class Sinks(_Section):
    grafana: GrafanaSink | None = None
    alertmanager: AlertmanagerSink | None = None
    webhook: WebhookSink | None = None
    log: LogSink | None = LogSink()
    queue: int = Field(1000, ge=1)
    drain: Duration = Field(10.0, ge=0)


class Api(_Section):
    listen: str = Field("127.0.0.1:8642", pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$")
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


class Reports(_Section):
    formats: tuple[Literal["json", "junit", "markdown", "html"], ...] = (
        "json",
        "junit",
        "markdown",
        "html",
    )


class Telemetry(_Section):
    """`watch`: regexes of series (`signal{labels}`) always exported on /metrics."""

    otlp_endpoint: Url | None = None
    watch: tuple[Regex, ...] = ()
    series: int = Field(2000, ge=0, le=100_000)


class Limits(_Section):
    series: int = Field(200_000, ge=1, le=10_000_000)
    raw_series: int = Field(2_000_000, ge=1)
    query_series: int = Field(50_000, ge=1)
    label_bytes: int = Field(4096, ge=64)
    body_bytes: int = Field(256 * 2**20, ge=1024)


class Retention(_Section):
    runs: Duration = Field(90 * 86400.0, gt=0)
    history: Duration = Field(90 * 86400.0, gt=0)


class Config(_Section):
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
    silences: tuple[Silence, ...] = ()
    graph: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    sinks: Sinks = Sinks()
    api: Api = Api()
    reports: Reports = Reports()
    telemetry: Telemetry = Telemetry()
    limits: Limits = Limits()
    retention: Retention = Retention()
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @whole(mode="after")
    def _check(self) -> Self:
        sides = (self.environments.staging, self.environments.production)
        if not any(side is not None and side.scrape for side in sides):
            return self
        if self.load is not None and self.load.promql:
            raise ValueError("load.promql needs a Prometheus; write load.rate for scraped targets")
        for i, signal in enumerate(self.signals.custom):
            if signal.promql:
                raise ValueError(
                    f"signals.custom.{i}.promql needs a Prometheus; write histogram, ratio, rate "
                    "or gauge for scraped targets"
                )
        if self.runs.detect is not None and sides[0] is not None and sides[0].scrape:
            raise ValueError(
                "runs.detect needs a Prometheus for staging; start runs by `anomalyd runs start`"
            )
        return self


_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")


class _Loader(yaml.SafeLoader):
    """YAML in which a key that is set twice is an error; plain YAML would let the last one win."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"{key.value} is set twice; keep one of them",
                        problem_mark=key.start_mark,
                    )
                seen.add(key.value)
        return node


def load(path: Path, overrides: tuple[str, ...] = ()) -> Config:
    """Read and check a config file; `overrides` are `dotted.path=value`. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from error
    tree = _read(text, str(path))
    if not isinstance(tree, dict):
        raise ConfigError([f"{path}: must be a mapping, like `environments: ...`"])
    for override in overrides:
        _override(tree, override)
    config = parse(tree)
    unreadable = sorted(_unreadable(config))
    if unreadable:
        raise ConfigError(unreadable)
    return config


def parse(tree: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Config:
    """Check a config tree. Raises ConfigError naming every error with its dotted path."""
    unset: dict[str, str] = {}
    expanded = _expand(tree, environ, "", unset)
    errors = [f"{path}: the environment variable {name} is not set" for path, name in unset.items()]
    try:
        config = Config.model_validate(expanded)
    except ValidationError as error:
        found = [(_path(one["loc"]), one) for one in error.errors(include_url=False)]
        errors += [
            _sentence(path, one)
            for path, one in found
            if path not in unset and not any(other.startswith(f"{path}.") for other, _ in found)
        ]
        raise ConfigError(sorted(errors)) from None
    errors += _shown_secrets(config)
    if errors:
        raise ConfigError(sorted(errors))
    return config


def _read(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigError([f"{where}: {place}{error.problem}"]) from error
    except yaml.YAMLError as error:
        raise ConfigError([f"{where}: {' '.join(str(error).split())}"]) from error
    except RecursionError as error:
        raise ConfigError([f"{where}: is nested too deeply"]) from error
    except ValueError as error:  # a date or number that YAML recognises and Python has not
        raise ConfigError([f"{where}: {error}; put it in quotes"]) from error


def _expand(node: Any, environ: Mapping[str, str], path: str, unset: dict[str, str]) -> Any:
    """`node` with every `${NAME}` replaced; `unset` gets the path and name of those not there."""
    if path.count(".") > DEEPEST:
        raise ConfigError([f"{path[:60]}…: is nested too deeply"])
    if isinstance(node, Mapping):
        return {
            key: _expand(value, environ, f"{path}.{key}".lstrip("."), unset)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_expand(v, environ, f"{path}.{i}", unset) for i, v in enumerate(node)]
    if not isinstance(node, str):
        return node

    def value_of(found: re.Match[str]) -> str:
        if found[1] not in environ:
            unset[path] = found[1]
        return environ.get(found[1], "")

    return _VARIABLE.sub(value_of, node)


DEEPEST = 20
"""Levels of settings: far more than there are; an alias of YAML may lead into itself."""

_SAID = {
    "missing": "is required",
    "invalid_key": "a name must be text; put it in quotes",
    "model_type": "must hold settings; write them below it, or leave it out",
    "model_attributes_type": "must hold settings; write them below it, or leave it out",
    "dict_type": "must be a mapping, like {name: value}",
    "tuple_type": "must be a list, like [one, two]",
    "too_short": "must not be empty",
    "string_type": "must be text; put it in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
}
"""What is wrong, by pydantic's name for it; other messages of pydantic are good as they are."""


def _sentence(path: str, detail: Any) -> str:
    message = str(detail["msg"]).removeprefix("Value error, ")
    message = re.sub(r"^(Input|String|Value) should (be|have|match)", r"must \2", message)
    message = _SAID.get(detail["type"], message)
    if detail["type"] == "extra_forbidden":
        message = _unknown(detail["loc"])
    return f"{path}: {message}" if path else message


def _unknown(loc: tuple[str | int, ...]) -> str:
    """What an unknown setting may have been meant to be: one of its section."""
    section: Any = Config
    for part in loc[:-1]:
        if isinstance(part, str) and section is not None and part in section.model_fields:
            section = _section_of(section.model_fields[part].annotation)
    known = sorted(section.model_fields) if section is not None else []
    near = get_close_matches(str(loc[-1]), known, n=1)
    return f"unknown setting; {'did you mean ' + near[0] if near else 'known: ' + ', '.join(known)}"


def _section_of(annotation: Any) -> Any:
    """The model in a field's annotation, as `Section` in `tuple[Section, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, _Section):
        return annotation
    return next((found for one in get_args(annotation) if (found := _section_of(one))), None)


def _path(loc: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in loc if not _is_union_branch(part))


def _is_union_branch(part: object) -> bool:
    return isinstance(part, str) and ("[" in part or part in {"float", "str"})


def _leaves(node: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every setting that holds no others, with its dotted path."""
    if isinstance(node, BaseModel):
        for name, value in node:
            yield from _leaves(value, f"{path}.{name}".lstrip("."))
    elif isinstance(node, tuple):
        for i, value in enumerate(node):
            yield from _leaves(value, f"{path}.{i}")
    else:
        yield path, node


def _shown_secrets(config: Config) -> Iterator[str]:
    """Passwords in URLs: a URL is shown in logs and reports."""
    for path, value in _leaves(config):
        if isinstance(value, str) and re.match(r"https?://[^/]*@", value):
            yield f"{path}: holds a user or password; put them under auth, where they are kept"


def _unreadable(config: Config) -> Iterator[str]:
    """What is wrong with the files that settings name: secrets and certificates."""
    for path, value in _leaves(config):
        if path.endswith("_file") and isinstance(value, Path):
            try:
                if not value.read_text(encoding="utf-8").strip():
                    yield f"{path}: {value} is empty"
            except OSError as error:
                yield f"{path}: {value} cannot be read: {error.strerror}"
            except UnicodeDecodeError:
                yield f"{path}: {value} is not text"


def _override(tree: dict[str, Any], override: str) -> None:
    path, separator, text = override.partition("=")
    *parents, last = keys = path.strip().split(".")
    if not separator or not all(keys):
        raise ConfigError([f"--set {path}: write it as dotted.path=value"])
    for key in parents:
        below = {} if tree.get(key) is None else tree[key]
        if not isinstance(below, dict):
            raise ConfigError([f"--set {path}: {key} holds a value, not settings"])
        tree[key] = below
        tree = below
    tree[last] = _read(text, f"--set {path}")
