"""docs/configuration.md has every setting, with the type, default, bounds and example it has."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic.fields import FieldInfo

from anomalyd import config
from anomalyd.config.environments import SPAN_METRICS_BUCKETS
from anomalyd.units import format_duration
from tests.settings import Setting, read, settings, tree_with

DOCS = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
ENDPOINT = re.compile(
    r"^(environments\.<environment>(\.(tempo|jaeger))?|sinks\.(grafana|alertmanager|webhook)"
    r"|enrich\.(tempo|jaeger|loki)|deployment\.probes\[\])"
    r"\.(?=(auth|tls|headers|timeout)\b)"
)
NOTHING = {"not set", "none", "by kind"}
SPAN_METRICS = "the spanmetrics connector's"
SECRETS = {
    "PASSWORD": "a",
    "TOKEN": "b",
    "GRAFANA_TOKEN": "c",
    "WEBHOOK_KEY": "d",
    "API_TOKEN": "e",
}


@dataclass(frozen=True)
class Row:
    path: str
    type: str
    default: str
    meaning: str
    example: str


def documented() -> list[Row]:
    """The rows of every table of settings, as they are written."""
    rows = []
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        found = re.fullmatch(r"\| `([^`]+)` \| (.*?) \| (.*?) \| (.*?) \| `(.*)` \|", line)
        if found:
            rows.append(Row(*found.groups()))
    return rows


def written(path: str) -> str:
    """A path as the page writes it: what sections share is written once."""
    path = re.sub(r"^environments\.(staging|production)\.", "environments.<environment>.", path)
    path = re.sub(
        r"^(environments\.<environment>)\.(remote_write|otlp_metrics)\.(?=body_limit|late|relabel)",
        r"\1.<receiver>.",
        path,
    )
    return ENDPOINT.sub("<endpoint>.", path)


ROWS = {row.path: row for row in documented()}
LEAVES = [setting for setting in settings() if not setting.holds_settings]


def of_every_setting(check: Callable[[Setting], None]) -> Callable[[], None]:
    """One test of all settings, which are many: it names each that fails, and why."""

    @functools.wraps(check)
    def checked() -> None:
        failures: list[Exception] = []
        for setting in LEAVES:
            try:
                check(setting)
            except Exception as failure:  # noqa: BLE001 - all are raised together below
                failure.add_note(f"of {setting.path}")
                failures.append(failure)
        if failures:
            raise ExceptionGroup(f"of {len(LEAVES)} settings", failures)

    del checked.__wrapped__  # pytest would take its argument for a fixture
    return checked


def test_every_setting_is_there_once() -> None:
    assert len(ROWS) == len(documented()) > 90
    assert set(ROWS) == {written(setting.path) for setting in LEAVES}


@of_every_setting
def test_the_default_is_as_stated(setting: Setting) -> None:
    said = ROWS[written(setting.path)].default
    default = setting.field.get_default(call_default_factory=True)
    if said == "required":
        assert setting.field.is_required()
    elif said == SPAN_METRICS:
        assert default == SPAN_METRICS_BUCKETS
    elif said in NOTHING:
        assert default in (None, "", (), {})
    else:
        assert not setting.field.is_required()
        value = yaml.safe_load(said.strip("`"))
        assert read(config.parse(tree_with(setting.path, value)), setting.path) == default


@of_every_setting
def test_the_example_is_valid_and_says_something(setting: Setting) -> None:
    example = yaml.safe_load(ROWS[written(setting.path)].example)
    assert list(example) == [setting.name]
    parsed = config.parse(tree_with(setting.path, example[setting.name]), SECRETS)
    default = setting.field.get_default(call_default_factory=True)
    assert setting.field.is_required() or read(parsed, setting.path) != default


def limits(field: FieldInfo) -> list[Any]:
    """The field's constraints, also those within a union."""
    found = list(field.metadata)
    for part in get_args(field.annotation):
        for one in get_args(part):
            found += one.metadata if isinstance(one, FieldInfo) else []
    return found


def stated(field: FieldInfo, kind: str) -> str:
    """The bounds of a field in the words of the page."""

    def number(value: Any) -> str:
        if kind == "duration":
            return format_duration(value)
        return f"{value * 100:g}%" if kind == "percentage" else f"{value:.15g}"

    found = limits(field)
    low, above, high, below = (
        next((f"{word}{number(getattr(one, name))}" for one in found if hasattr(one, name)), "")
        for name, word in (("ge", ""), ("gt", "above "), ("le", ""), ("lt", "below "))
    )
    if low:
        return f"{low} to {high}" if high else f"{low} or more"
    return ", ".join(part for part in (above, f"up to {high}" if high else "", below) if part)


@of_every_setting
def test_the_bounds_are_as_stated(setting: Setting) -> None:
    row = ROWS[written(setting.path)]
    kind = re.split(r"[ ,]", row.type)[0]
    expected = stated(setting.field, kind)
    assert expected in row.type
    if not expected and setting.name != "capacity":
        assert not re.search(r"\d (or more|to)|above|below|up to", row.type)
    for one in limits(setting.field):
        if hasattr(one, "min_length"):
            assert "not empty" in row.type or f"at least {one.min_length}" in row.type
        if hasattr(one, "max_length"):
            assert f"at most {one.max_length}" in row.type


KINDS = {
    "parse_duration": "duration",
    "parse_share": "percentage",
    "parse_change": "change",
}


@of_every_setting
def test_the_type_is_as_stated(setting: Setting) -> None:
    said, annotation = ROWS[written(setting.path)].type, str(setting.field.annotation)
    known = f"{annotation} {setting.field.metadata}"
    expected = next((word for name, word in KINDS.items() if name in known), None)
    if expected is None:
        expected = next(
            (
                word
                for sign, word in (
                    ("SecretStr", "secret"),
                    ("Path", "path"),
                    ("bool", "true or false"),
                    ("dict", "mapping"),
                    ("tuple[str", "list"),
                    ("tuple[typing.Literal", "list"),
                    ("datetime", "time"),
                    ("Selector", "selector"),
                )
                if sign in annotation
            ),
            "",
        )
    assert said.startswith(expected)
    for choice in choices(setting.field.annotation):
        assert f"`{choice}`" in said


def choices(annotation: Any) -> list[str]:
    """The values of a Literal or an enum, wherever they are in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(one.value) for one in annotation]
    if "Literal[" in str(annotation) and not any(get_args(one) for one in get_args(annotation)):
        return [one for one in get_args(annotation) if isinstance(one, str)]
    return [choice for one in get_args(annotation) for choice in choices(one)]
