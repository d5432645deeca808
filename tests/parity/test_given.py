"""Facts that somebody listed: every form says the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from anomalyd.parity.differences import compare
from anomalyd.parity.given import GivenError, collect
from anomalyd.parity.secrets import Mask

FORMS: list[Any] = [
    [
        {"kind": "cpu-limit", "place": "pricing/app", "staging": "500m", "production": 2},
        {"kind": "version", "place": "cart", "staging": "v1.10", "production": "v1.1"},
        {"kind": "memory-limit", "place": "cart/app", "staging": "1Gi", "production": "1024Mi"},
        {"kind": "replicas", "place": "mail", "production": 2},
    ],
    {
        "staging": [
            {"kind": "cpu-limit", "place": "pricing/app", "value": "500m"},
            {"kind": "version", "place": "cart", "value": "v1.10"},
            {"kind": "memory-limit", "place": "cart/app", "value": "1Gi"},
        ],
        "production": [
            {"kind": "cpu-limit", "place": "pricing/app", "value": "2000m"},
            {"kind": "version", "place": "cart", "value": "v1.1"},
            {"kind": "memory-limit", "place": "cart/app", "value": "1024Mi"},
            {"kind": "replicas", "place": "mail", "value": 2},
        ],
    },
    {
        "staging": {
            "cpu-limit": {"pricing/app": "500m"},
            "version": {"cart": "v1.10"},
            "memory-limit": {"cart/app": "1Gi"},
        },
        "production": {
            "cpu-limit": {"pricing/app": 2},
            "version": {"cart": "v1.1"},
            "memory-limit": {"cart/app": "1024Mi"},
            "replicas": {"mail": 2},
        },
    },
    {
        "facts": [
            {"side": "staging", "kind": "cpu-limit", "place": "pricing/app", "value": 0.5},
            {"side": "prod", "kind": "cpu-limit", "place": "pricing/app", "value": 2},
            {"side": "stage", "kind": "version", "place": "cart", "value": "v1.10"},
            {"side": "production", "kind": "version", "place": "cart", "value": "v1.1"},
            {"side": "production", "kind": "replicas", "place": "mail", "value": 2},
        ]
    },
    {
        "cpu-limit": {"pricing/app": {"staging": "500m", "production": "2"}},
        "version": {"cart": {"staging": "v1.10", "production": "v1.1"}},
        "replicas": {"mail": {"production": 2}},
    },
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(form: Any, tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(form), encoding="utf-8")
    staging, production = collect(path, Mask())
    found = compare([staging], [production], [], 0.0)
    assert {(row.kind.name, row.place) for row in found.drift} == {
        ("cpu-limit", "pricing/app"),
        ("version", "cart"),
        ("replicas", "mail"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "write facts as JSON, YAML or TOML"),
        ("[]", "holds no facts; write a list like"),
        ("3", "3 is no list of facts"),
        ("[3]", "3 is no fact; write kind, place and values"),
        ('[{"kind": "a", "place": "b"}]', "says nothing of staging or production"),
        ('{"a": 3}', "a says nothing of staging or production"),
        ('{"staging": [3]}', "3 is no fact"),
    ],
)
def test_what_is_no_list_of_facts_is_one_sentence(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GivenError) as raised:
        collect(path, Mask())
    assert said in str(raised.value)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(GivenError, match=r"cannot be read: No such file"):
        collect(tmp_path / "absent.yaml", Mask())


def test_listed_secrets_are_masked(tmp_path: Path) -> None:
    path = tmp_path / "facts.yaml"
    path.write_text("[{kind: setting, place: a.env DB_PASSWORD, staging: one1, production: two2}]")
    staging, production = collect(path, Mask())
    told = f"{staging} {production}"
    assert "one1" not in told
    assert "two2" not in told
    assert compare([staging], [production], [], 0.0).drift
