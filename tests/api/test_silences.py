"""Silences that are added while the daemon runs."""

from __future__ import annotations

import pytest

from anomalyd.model import Matcher
from tests.api.daemon import START

ASKED = {
    "signal": "latency",
    "match": 'service="cart",env!="b"',
    "reason": "being rewritten",
    "duration": "2h",
}


async def test_a_silence_is_added_listed_and_ended(api):
    status, silence = await api.call("POST", "/api/v1/silences", ASKED)
    assert status == 201
    assert silence["until"] == "2027-01-15T10:00:00.000Z"
    assert silence["match"] == ASKED["match"]
    (stored,) = api.daemon.store.silences(START)
    assert stored.match == (Matcher("service", "=", "cart"), Matcher("env", "!=", "b"))
    assert stored.until == START + 7200
    _, body = await api.call("GET", "/api/v1/silences")
    assert body == {"silences": [silence]}
    status, _ = await api.call("DELETE", f"/api/v1/silences/{silence['id']}")
    assert status == 204
    status, body = await api.call("DELETE", f"/api/v1/silences/{silence['id']}")
    assert (status, body["error"]["code"]) == (404, "unknown_silence")
    assert api.daemon.store.silences(START) == []


async def test_a_silence_until_a_time(api):
    asked = {"reason": "moved", "until": "2027-01-31T00:00:00+01:00"}
    status, silence = await api.call("POST", "/api/v1/silences", asked)
    assert status == 201
    assert silence["until"] == "2027-01-30T23:00:00.000Z"
    assert silence["signal"] == ".*"


async def test_a_silence_that_ended_is_not_listed(api):
    await api.call("POST", "/api/v1/silences", ASKED)
    api.daemon.clock += 7200
    _, body = await api.call("GET", "/api/v1/silences")
    assert body == {"silences": []}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"duration": None}, "set until (a time) or duration (like 2h), one of them"),
        ({"until": "2027-02-01T00:00:00Z"}, "set until (a time) or duration (like 2h), one of"),
        ({"duration": "2"}, "duration: '2' is not a duration"),
        ({"duration": "99999999999w"}, "duration: "),
        ({"signal": "("}, "signal: broken regular expression"),
        ({"match": 'service=~"(a+)+"'}, "match: 'service=~\"(a+)+\"': '(a+)+' repeats a group"),
        ({"match": "cart"}, "match: 'cart' is not a matcher like env=\"staging\""),
        ({"reason": ""}, "reason: String should have at least 3 characters"),
        ({"until": "2027-02-01T00:00:00", "duration": None}, "until needs a time zone"),
        ({"until": "soon", "duration": None}, "until: Input should be a valid datetime"),
        ({"until": "2026-01-01T00:00:00Z", "duration": None}, "until: 2026-01-01T00:00:00.000Z ha"),
        ({"colour": "red"}, "the body does not fit: Object contains unknown field `colour`"),
    ],
)
async def test_a_silence_that_does_not_fit_says_what(api, fields, message):
    asked = {name: value for name, value in (ASKED | fields).items() if value is not None}
    status, body = await api.call("POST", "/api/v1/silences", asked)
    assert (status, body["error"]["code"]) == (400, "bad_request")
    assert body["error"]["message"].startswith(message)
    assert api.daemon.store.silences(0.0) == []
