"""Secrets come in by value or by file, and never out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from anomalyd import config
from anomalyd.config import Config, ConfigError
from anomalyd.config.reading import section_of

SECRET = "hunter2-and-some-more"
LISTS = ("probes",)
"""Settings that are lists of sections."""


def secrets(section: type[config.Section] = Config, path: str = "") -> list[str]:
    """Dotted paths of all settings that are secrets."""
    found = []
    for name, field in section.model_fields.items():
        inner = section_of(field.annotation)
        if inner is not None:
            found += secrets(inner, f"{path}{name}.")
        elif "SecretStr" in str(field.annotation):
            found.append(f"{path}{name}")
    return found


def tree_with(path: str, value: Any) -> dict[str, Any]:
    """A valid tree with one setting more, and what its sections need."""
    tree: dict[str, Any] = {"environments": {"staging": {"url": "http://a"}}}
    below = tree
    *parents, last = path.split(".")
    keeps = {"tempo", "jaeger"} & set(parents)
    for parent in parents:
        if parent in LISTS:
            below = below.setdefault(parent, [{}])[0]
        else:
            below = below.setdefault(parent, {})
        asked = parent == "production" and not keeps
        if asked or parent in ("grafana", "webhook", "tempo", "jaeger", "loki", "probes"):
            below["url"] = "http://a"
        if parent == "alertmanager":
            below["urls"] = ["http://a"]
        if parent == "basic":
            below["username"] = "me"
    below[last] = value
    return tree


def owner(parsed: Config, path: str) -> config.Section:
    found: Any = parsed
    for part in path.split(".")[:-1]:
        found = inside(part, getattr(found, part))
    return found


def inside(part: str, value: Any) -> Any:
    return value[0] if part in LISTS else value


def test_the_secrets_are_all_found() -> None:
    assert len(secrets()) >= 13
    assert {"api.token", "sinks.webhook.token", "environments.production.auth.bearer"} <= set(
        secrets()
    )


@pytest.mark.parametrize("path", secrets())
def test_a_secret_is_kept_and_never_shown(path: str) -> None:
    parsed = config.parse(tree_with(path, SECRET))
    assert owner(parsed, path)._secret(path.rpartition(".")[2]) == SECRET
    for shown in (str(parsed), repr(parsed), parsed.model_dump_json(), str(parsed.model_dump())):
        assert SECRET not in shown
        assert "*****" in shown


@pytest.mark.parametrize("path", secrets())
def test_a_secret_can_come_from_a_file_that_is_read_anew(path: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("first\n")
    parsed = config.parse(tree_with(f"{path}_file", str(file)))
    name = path.rpartition(".")[2]
    assert owner(parsed, path)._secret(name) == "first"
    file.write_text(SECRET)
    assert owner(parsed, path)._secret(name) == SECRET


@pytest.mark.parametrize("path", secrets())
def test_a_secret_has_one_source(path: str) -> None:
    name = path.rpartition(".")[2]
    tree = tree_with(path, SECRET)
    inner: Any = tree
    for part in path.split(".")[:-1]:
        inner = inside(part, inner[part])
    inner[f"{name}_file"] = "secret"
    with pytest.raises(ConfigError, match=rf"set {name} or {name}_file, not both"):
        config.parse(tree)


def test_what_is_sent_is_basic_or_bearer() -> None:
    basic = config.BasicAuth(username="me", password=SecretStr(SECRET))
    assert config.Auth(basic=basic).authorization() == "Basic bWU6aHVudGVyMi1hbmQtc29tZS1tb3Jl"
    assert config.Auth(bearer=SecretStr(SECRET)).authorization() == f"Bearer {SECRET}"
    assert config.Auth().authorization() is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"step": 5},
        {"api": {"token": SECRET, "token_file": "x"}},
        {"api": {"token": [SECRET]}},
        {"api": SECRET},
        {"api": {"tokne": SECRET}},
        {"sinks": {"webhook": {"url": SECRET, "token": SECRET}}},
        {"sinks": {"webhook": {"url": f"http://me:{SECRET}@localhost", "token": SECRET}}},
        {"environments": {"staging": {"auth": {"bearer": SECRET, "basic": SECRET}}}},
        {"environments": {"staging": {"url": "x", "headers": {"Authorization": SECRET}}}},
    ],
)
def test_a_secret_is_not_in_the_errors_beside_it(wrong: dict[str, Any]) -> None:
    tree = {**tree_with("sinks.grafana.token", SECRET), **wrong}
    with pytest.raises(ConfigError) as raised:
        config.parse(tree)
    assert SECRET not in f"{raised.value} {raised.value!r} {raised.value.errors}"


@pytest.mark.parametrize(
    "override", [f"api..token={SECRET}", f"api.token=[{SECRET}", f"step.a={SECRET}"]
)
def test_a_secret_given_by_override_is_not_in_errors(tmp_path: Path, override: str) -> None:
    path = tmp_path / "anomalyd.yaml"
    path.write_text("environments: {staging: {url: http://localhost:9090}}")
    with pytest.raises(ConfigError) as raised:
        config.load(path, ("step=5s", override))
    assert SECRET not in str(raised.value.errors)
