"""What differs, in which order, what follows from what, and what somebody said of it."""

from __future__ import annotations

import math

import pytest

from anomalyd.facts import Fact
from anomalyd.model import Environment
from anomalyd.parity.asking import Collected
from anomalyd.parity.difference import Difference
from anomalyd.parity.differences import Parity, Rule, compare
from anomalyd.parity.kinds import BY_NAME, KINDS, Measure, Part, differ, kind_of

STAGING, PRODUCTION = Environment.STAGING, Environment.PRODUCTION
Told = tuple[str, str, str] | tuple[str, str, str, float]


def side(name: Environment, *told: Told, offered: set[Part] | None = None) -> Collected:
    """Facts as (kind, place, value, number); the service is the place's first word."""
    facts = [
        Fact(one[0], one[1], name, one[2], f"query of {one[1]}", _service(one[1]), _number(one))
        for one in told
    ]
    return Collected(name, facts, set(Part) if offered is None else offered)


def _service(place: str) -> str:
    return place.split("/")[0].split(" ")[0]


def _number(told: Told) -> float:
    return told[3] if len(told) == 4 else math.nan


def of(staging: list[Told], production: list[Told], *rules: Rule, now: float = 0.0) -> Parity:
    return compare([side(STAGING, *staging)], [side(PRODUCTION, *production)], rules, now)


def named(rows: tuple[Difference, ...]) -> list[str]:
    return [f"{row.kind.name} {row.place}" for row in rows]


def test_equal_facts_leave_no_row() -> None:
    found = of([("replicas", "cart", "2")], [("replicas", "cart", "2")])
    assert (found.differences, found.equal) == ((), 1)


def test_the_worst_comes_first() -> None:
    found = of(
        [("server-flag", "--a", "1"), ("cpu-limit", "cart/app", "1"), ("metric", "b", "present")],
        [("server-flag", "--a", "2"), ("cpu-limit", "cart/app", "2")],
    )
    assert named(found.drift) == ["cpu-limit cart/app", "metric b", "server-flag --a"]


def test_numbers_that_are_further_apart_are_worse() -> None:
    found = of(
        [("replicas", "a", "9", 9.0), ("replicas", "b", "1", 1.0)],
        [("replicas", "a", "10", 10.0), ("replicas", "b", "10", 10.0)],
    )
    assert named(found.drift) == ["replicas b", "replicas a"]


@pytest.mark.parametrize(
    ("kind", "staging", "production", "differs"),
    [
        ("throttling", 0.01, 0.05, False),
        ("throttling", 0.01, 0.10, True),
        ("data", 60.0, 100.0, False),
        ("data", 40.0, 100.0, True),
        ("hit-ratio", 0.9, 0.75, True),
        ("cpu-limit", 0.1 + 0.2, 0.3, False),
        ("replicas", 2.0, 3.0, True),
    ],
)
def test_a_measurement_differs_beyond_its_slack(
    kind: str, staging: float, production: float, differs: bool
) -> None:
    found = of([(kind, "a", str(staging), staging)], [(kind, "a", str(production), production)])
    assert bool(found.drift) == differs


def test_what_belongs_to_a_missing_service_is_told_with_it() -> None:
    found = of(
        [],
        [
            ("service", "cart", "present"),
            ("replicas", "cart", "2"),
            ("edge", "gateway → cart", "present"),
            ("targets", "cart", "2"),
        ],
    )
    assert named(found.drift) == ["service cart"]
    assert found.drift[0].detail == "and 3 facts that belong to it"


def test_a_metric_that_is_missing_is_told_once() -> None:
    production = side(PRODUCTION, ("metric", "python_info", "present"))
    told = "python_info of cart"
    production.facts += [
        Fact("runtime", "cart python_info version", PRODUCTION, "3.12", told, "cart"),
        Fact("label", "python_info version", PRODUCTION, "present", told),
    ]
    found = compare([side(STAGING)], [production], [], 0.0)
    assert named(found.drift) == ["metric python_info"]


def test_a_fact_that_is_missing_says_more_than_its_metric() -> None:
    production = side(PRODUCTION, ("metric", "kube_hpa_spec_max_replicas", "present"))
    found = "kube_hpa_spec_max_replicas"
    production.facts.append(Fact("hpa-max", "cart", PRODUCTION, "9", found, "cart"))
    assert named(compare([side(STAGING)], [production], [], 0.0).drift) == ["hpa-max cart"]


def test_a_part_that_only_one_environment_offers_is_a_note() -> None:
    one = side(STAGING, ("replicas", "cart", "2"))
    other = side(PRODUCTION, offered={Part.METRICS})
    found = compare([one], [other], [], 0.0)
    assert found.differences == ()
    assert found.notes == (
        "kube-state-metrics: only staging offers it; nothing to compare it with",
    )


def test_what_could_not_be_read_is_a_row() -> None:
    one, other = side(STAGING), side(PRODUCTION)
    other.notes["rules"] = "production fails (HTTP 500)"
    (row,) = compare([one], [other], [], 0.0).drift
    assert (row.kind.name, row.place, row.detail) == (
        "not-compared",
        "rules",
        "production fails (HTTP 500)",
    )


def test_two_mixes_are_one_row_with_their_distance() -> None:
    found = of(
        [("traffic-share", "cart a", "80.0%", 0.8), ("traffic-share", "cart b", "20.0%", 0.2)],
        [("traffic-share", "cart a", "50.0%", 0.5), ("traffic-share", "cart b", "50.0%", 0.5)],
    )
    (row,) = found.drift
    assert row.place == "cart operations"
    assert row.detail == "30% of the calls would have to go elsewhere"
    assert row.staging is not None
    assert row.staging.value == "a 80.0%, b 20.0%"


def test_mixes_that_are_close_are_the_same() -> None:
    found = of(
        [("traffic-share", "cart a", "55%", 0.55), ("traffic-share", "cart b", "45%", 0.45)],
        [("traffic-share", "cart a", "50%", 0.5), ("traffic-share", "cart b", "50%", 0.5)],
    )
    assert found.drift == ()


def test_an_expected_difference_does_not_count_and_says_why() -> None:
    rule = Rule("replicas", ".*", "staging is smaller", expected=True)
    found = of([("replicas", "cart", "2")], [("replicas", "cart", "10")], rule)
    assert found.drift == ()
    (row,) = found.differences
    assert (row.state, row.reason) == ("expected", "staging is smaller")


def test_a_declared_value_holds_only_while_it_is_so() -> None:
    rule = Rule("replicas", "cart", "smaller", expected=True, staging="2", production="10")
    assert of([("replicas", "cart", "2")], [("replicas", "cart", "10")], rule).drift == ()
    assert of([("replicas", "cart", "1")], [("replicas", "cart", "10")], rule).drift != ()


def test_an_ignored_difference_counts_again_when_its_time_is_up() -> None:
    rule = Rule("replicas", ".*", "known", expected=False, until=100.0)
    differing = ([("replicas", "cart", "2")], [("replicas", "cart", "10")])
    assert of(*differing, rule, now=99.0).differences[0].state == "ignored"
    later = of(*differing, rule, now=101.0)
    assert named(later.drift) == ["replicas cart"]
    assert later.expired == ("replicas at .*: known",)


def test_a_rule_is_of_the_whole_place() -> None:
    rule = Rule("replicas", "car", "part of a name", expected=True)
    assert of([("replicas", "cart", "2")], [("replicas", "cart", "9")], rule).drift != ()


def test_listed_facts_are_compared_to_the_letter_and_each_for_itself() -> None:
    one = side(STAGING, ("throttling", "cart", "1%", 0.01))
    other = side(PRODUCTION, ("throttling", "cart", "2%", 0.02), ("service", "a", "present"))
    other.facts.append(Fact("replicas", "a", PRODUCTION, "2", "list", "a"))
    one.listed = other.listed = True
    found = compare([one], [other], [], 0.0)
    assert set(named(found.drift)) == {"throttling cart", "service a", "replicas a"}


def test_every_kind_has_a_weight_and_says_what_to_do() -> None:
    assert len(BY_NAME) == len(KINDS)
    for kind in KINDS:
        assert 0 < kind.weight <= 100
        assert kind.mend
        assert (kind.slack > 0) == (kind.measure is not Measure.EXACT)


@pytest.mark.parametrize(("staging", "told"), [(60.0, False), (51.0, False), (49.0, True)])
def test_a_load_is_told_where_it_is_less_than_half_of_the_other(staging, told):
    one, other = (
        Fact("load", "all services", side, f"{value:g} req/s", "", "", value)
        for side, value in ((Environment.STAGING, staging), (Environment.PRODUCTION, 100.0))
    )
    assert differ(kind_of("load"), one, other) is told
