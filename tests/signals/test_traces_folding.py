"""Which parts of an operation's name are of one request only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.signals.traces.folding import LONGEST, fold


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("GET /users/42", "GET /users/{id}"),
        ("/api/v2/users/42/orders/9f86d081884c7d65", "/api/v2/users/{id}/orders/{id}"),
        ("GET /a/550e8400-e29b-41d4-a716-446655440000?x=1", "GET /a/{id}"),
        ("/t/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/t/{id}"),
        ("/d/2024-01-05/x", "/d/{id}/x"),
        ("/img/123.png", "/img/{id}.png"),
        ("/users/ann@example.com/cart", "/users/{id}/cart"),
        ("process order 0xdeadbeef", "process order {id}"),
        ("step-12", "step-{id}"),
        ("shard_7", "shard_{id}"),
    ],
)
def test_what_is_of_one_request_is_folded(name: str, folded: str) -> None:
    assert fold(name) == folded


@pytest.mark.parametrize(
    "name",
    [
        "",
        "GET /users/{id}",
        "GET /users/:user1/cart",
        "pkg.v1.Service/Method",
        "oauth2 login",
        "HTTP/1.1 proxy",
        "kafka.topic.1 send",
        "deadbeef",
        "CreatePaymentIntentV2HandlerFunction",
        "/very_long_name_without_any_digit_in_it",
    ],
)
def test_words_and_versions_stay(name: str) -> None:
    assert fold(name) == name


@given(st.text(max_size=300))
def test_folding_again_changes_nothing_more_and_no_name_grows_long(name: str) -> None:
    once = fold(name)
    assert fold(once) == once or len(name) > LONGEST
    assert len(once) <= 2.5 * LONGEST
