"""What Alertmanager may refuse, and what is never sent to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.sinks.alertmanager import clean_labels, is_uri
from tests.fakes.receiver import Receiver
from tests.sinks.alertmanagers import a_sink, alerts, changed
from tests.sinks.examples import (
    DictMemory,
    context,
)


@pytest.mark.parametrize(
    ("status", "headers", "retryable", "wait", "kept"),
    [
        (400, {}, False, None, False),
        (422, {}, False, None, False),
        (415, {}, False, None, True),
        (401, {}, False, None, True),
        (403, {}, False, None, True),
        (429, {"Retry-After": "9"}, True, 9.0, True),
        (500, {}, True, None, True),
    ],
)
async def test_a_refused_alert(
    heard: Receiver,
    status: int,
    headers: dict[str, str],
    retryable: bool,
    wait: float | None,
    kept: bool,
) -> None:
    """Only an alert that is itself invalid is never sent again."""
    memory = DictMemory()
    heard.script = [(status, '"no"', headers)]
    async with a_sink(heard.url, within=context(memory)) as sink:
        result = await sink.deliver(changed())
    assert (result.ok, result.retryable, result.retry_after) == (False, retryable, wait)
    assert bool(memory.kept) is kept
    if status in (401, 403):
        assert "set sinks.alertmanager.auth" in result.detail


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("https://anomalyd.example/runs/r1?x=%20y", True),
        ("http://10.0.0.1:8642", True),
        ("http://host/with space", False),
        ("http://host:99999/", False),
        ("/runs/r1", False),
        ("http://höst/", False),
    ],
)
async def test_generator_url_is_sent_only_if_it_is_a_uri(
    heard: Receiver, text: str, valid: bool
) -> None:
    assert is_uri(text) is valid
    if text.startswith("http"):
        async with a_sink(heard.url, generator_url=text) as sink:
            await sink.deliver(changed())
        assert ("generatorURL" in alerts(heard)[0]) is valid


@given(st.dictionaries(st.text(min_size=1), st.text(st.characters(exclude_categories=()))))
def test_labels_are_always_valid(labels: dict[str, str]) -> None:
    for name, value in clean_labels(labels).items():
        assert name.isascii()
        assert name.isidentifier()
        assert value.encode("utf-8")
