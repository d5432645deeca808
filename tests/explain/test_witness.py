"""What traces show of an incident, by the run's own windows before it."""

from __future__ import annotations

import numpy as np
import pytest

from anomalyd.explain.graph import Graph
from anomalyd.explain.signs import LATE
from anomalyd.explain.suspects import suspects
from anomalyd.explain.witness import LONGEST, WINDOWS, Witness
from anomalyd.model import Kind, Told, Traced, TracedKey
from anomalyd.signals.traces.store import Limits
from tests.explain.anomalies import anomaly

WINDOW = 30.0
SINCE = 20 * WINDOW
"""When the incidents of these tests begin; twenty windows of the run are before it."""

CALLS = Graph({"web": ["cart"], "cart": ["pricing"]})
OWN = {name: TracedKey(Told.OWN_TIME, name) for name in ("web", "cart", "pricing")}
FAILS = {name: TracedKey(Told.OWN_FAILURES, name) for name in OWN}
WAIT = TracedKey(Told.WAIT, "cart", "pricing")
EARLY = TracedKey(Told.ENDS, "cart", "", "GET /cart")
WHOLE = TracedKey(Told.ENDS, "cart", "pricing", "GET /cart")

CALM = dict.fromkeys(OWN.values(), 0.010) | dict.fromkeys(FAILS.values(), 0.002)
CALM |= {WAIT: 0.001}


def window(values: dict[TracedKey, float], rate: float = 40.0) -> Traced:
    numbers = np.array(list(values.values()))
    return Traced(0.0, tuple(values), numbers, np.full(len(numbers), rate))


def heard(during: dict[TracedKey, float], before: dict[TracedKey, float] | None = None) -> Witness:
    """Of a run whose first twenty windows are calm and whose next five are as told."""
    witness = Witness("")
    for number in range(1, 26):
        usual = CALM if before is None else before
        witness.hear(number * WINDOW, window(usual if number <= 20 else {**usual, **during}))
    return witness


def named(witness: Witness, anomalies, graph: Graph = CALLS) -> list[str]:
    return [one.service for one in suspects(anomalies, graph, witness.signs(SINCE))]


def test_own_time_says_whose_a_delay_is() -> None:
    slow = [anomaly(name, since=SINCE) for name in ("web", "cart")]
    assert named(heard({OWN["cart"]: 1.000}), slow) == ["cart"]
    assert named(heard({OWN["pricing"]: 1.000}), slow) == ["pricing"]
    assert named(heard({OWN["web"]: 0.700, OWN["cart"]: 0.300}), slow) == ["web", "cart"]


def test_own_times_far_below_a_delay_are_not_why() -> None:
    slow = [anomaly(name, since=SINCE) for name in ("web", "cart", "pricing")]
    assert named(heard({OWN["web"]: 0.050}), slow) == ["pricing", "web"]


def test_a_wait_for_what_sends_no_spans_is_told_of_whom_it_is_for() -> None:
    key = TracedKey(Told.WAIT, "pricing", "db")
    witness = heard({key: 1.000}, {**CALM, key: 0.005})
    found = suspects([anomaly("pricing", since=SINCE)], CALLS, witness.signs(SINCE))
    assert found[0].service == "db"
    assert found[0].reason.startswith("wait of calls from pricing ")


def test_own_failures_say_whose_errors_are() -> None:
    failing = [anomaly(name, Kind.ERRORS, since=SINCE) for name in ("web", "cart", "pricing")]
    assert named(heard({FAILS["cart"]: 0.2}), failing)[0] == "cart"
    assert named(heard({FAILS["pricing"]: 0.2}), failing) == ["pricing"]


def test_who_ends_requests_early_is_why_others_are_called_less() -> None:
    usual = {**CALM, WHOLE: 1.0}
    witness = heard({WHOLE: 0.5, EARLY: 0.5}, usual)
    less = [anomaly("pricing", Kind.TRAFFIC, since=SINCE, effect=-0.5)]
    found = suspects(less, CALLS, witness.signs(SINCE))
    assert found[0].service == "cart"
    assert "GET /cart ends after nothing +50 pp" in found[0].reason


def test_traces_are_not_heard_of_what_they_say_nothing_of() -> None:
    leak = [anomaly("web", Kind.RESOURCE, since=SINCE)]
    assert named(heard({OWN["pricing"]: 1.000}), leak) == ["web"]
    slow, apart = [anomaly("web", since=SINCE)], Graph({"web": ["cart"], "billing": ["ledger"]})
    strange = TracedKey(Told.OWN_TIME, "ledger")
    witness = heard({strange: 1.0}, {**CALM, strange: 0.01})
    assert named(witness, slow, apart) == ["web"]


def test_what_traces_show_does_not_open_an_incident() -> None:
    assert suspects([], CALLS, heard({OWN["cart"]: 1.000}).signs(SINCE)) == ()


@pytest.mark.parametrize("windows", [0, 5], ids=["nothing", "too little"])
def test_with_little_to_compare_with_traces_say_nothing(windows: int) -> None:
    witness = Witness("")
    for number in range(1, windows + 1):
        witness.hear(number * WINDOW, window(CALM))
    witness.hear((windows + 1) * WINDOW, window({**CALM, OWN["cart"]: 0.1}))
    assert witness.signs(windows * WINDOW) == []


def test_a_sign_begins_where_its_first_window_does() -> None:
    [sign] = heard({OWN["cart"]: 1.000}).signs(SINCE)
    assert (sign.since, sign.step) == (SINCE, LATE)
    assert Limits().hold == LATE


def test_an_incident_of_hours_is_looked_at_for_its_first() -> None:
    witness = heard({OWN["cart"]: 1.000})
    before = witness.signs(SINCE)
    for number in range(26, 26 + round(LONGEST / WINDOW)):
        witness.hear(number * WINDOW, window({**CALM, OWN["cart"]: 1.000}))
    after = witness.signs(SINCE)
    witness.hear(1000 * WINDOW, window({**CALM, OWN["web"]: 5.0}))
    assert witness.signs(SINCE) == after
    assert [one.service for one in after] == [one.service for one in before]


def test_runs_are_told_apart_and_windows_come_once() -> None:
    ours, theirs = (
        TracedKey(Told.OWN_TIME, "web", run="7"),
        TracedKey(Told.OWN_TIME, "web", run="8"),
    )
    witness = Witness("7")
    for number in range(1, 26):
        slow = number > 20
        made = window({ours: 0.010, theirs: 0.500 if slow else 0.010})
        witness.hear(number * WINDOW, made)
        witness.hear(number * WINDOW, made)
    assert witness.signs(SINCE) == []
    assert len(witness.dump()["times"]) == 25


def test_what_is_remembered_is_bounded_and_comes_back() -> None:
    witness = heard({OWN["cart"]: 1.000})
    again = Witness("")
    again.load(witness.dump())
    assert again.signs(SINCE) == witness.signs(SINCE)
    for number in range(26, 26 + 2 * WINDOWS):
        again.hear(number * WINDOW, window(CALM))
    assert len(again.dump()["times"]) == WINDOWS
    empty = Witness("")
    empty.load(Witness("").dump())
    assert empty.signs(SINCE) == []
