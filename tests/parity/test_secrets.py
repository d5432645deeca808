"""Secrets are masked by the name of their key and by their shape, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.parity.secrets import Mask

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "path",
    [
        ["db_password"],
        ["DB_PASSWORD"],
        ["spring.datasource.password"],
        ["apiKey"],
        ["clientSecret"],
        ["secrets", "user"],
        ["env", "GITHUB_TOKEN", "value"],
        ["SENTRY_DSN"],
    ],
)
def test_a_key_that_names_a_secret_hides_its_value(path: list[str]) -> None:
    text, secret = Mask().value(path, "hunter2")
    assert secret
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "path",
    [
        ["tokenExpirySeconds"],
        ["secretName"],
        ["password_file"],
        ["max_tokens_limit"],
        ["monkey"],
        ["author"],
        ["passenger"],
    ],
)
def test_a_key_that_only_sounds_like_one_does_not(path: list[str]) -> None:
    assert Mask().value(path, "3600") == ("3600", False)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"x {JWT}", JWT),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("postgres://shop:hunter2@db/shop", "hunter2"),
        ("Server=db;Password=hunter2;Timeout=5", "hunter2"),
        ("--db-password=hunter2", "hunter2"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc", "abc"),
        ("ghp_0123456789abcdefghij", "ghp_0123456789abcdefghij"),
        ("9f86d081884c7d659a2feaa0c55ad015", "9f86d081884c7d659a2feaa0c55ad015"),
        ("aB3dE6gH9jK2mN5pQ8sT1vW4yZ7xC0", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7xC0"),
    ],
)
def test_the_shape_of_a_secret_hides_it(text: str, secret: str) -> None:
    masked, _ = Mask().value(["setting"], text)
    assert secret not in masked
    assert "‹secret " in masked


@pytest.mark.parametrize(
    "text",
    [
        "https://user-service.shop.svc.cluster.local:8080/path",
        "org.springframework.boot.autoconfigure.SpringApplication",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "this-is-a-perfectly-ordinary-name-of-a-feature",
        "sum by (service) (rate(http_requests_total[5m]))",
        "/usr/lib/jvm/java-17-openjdk-amd64/bin/java",
    ],
)
def test_an_ordinary_value_stays(text: str) -> None:
    assert Mask().value(["setting"], text) == (text, False)


def test_the_word_after_an_option_that_names_a_secret_is_hidden() -> None:
    words = Mask().words(["--user", "me", "--api-key", "hunter2"])
    assert words[:3] == ["--user", "me", "--api-key"]
    assert "hunter2" not in words[3]


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_secrets_have_the_same_tag_only_if_they_are_the_same(one: str, other: str) -> None:
    mask = Mask(b"key")
    assert (mask.tag(one) == mask.tag(other)) == (one == other)


def test_a_tag_is_of_no_use_beyond_its_comparison() -> None:
    assert Mask().tag("hunter2") != Mask().tag("hunter2")
