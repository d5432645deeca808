"""What is asked for, what is found by itself, what is excused, what stays."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from anomalyd.config import DeploymentConfig
from anomalyd.deployment import checks, timeline
from anomalyd.deployment.checks import MOST, Wanted, excused, merged, of_history
from anomalyd.deployment.timeline import History, Watched
from anomalyd.deployment.told import Span, clock
from anomalyd.model import CheckKind, CheckState, DeploymentCheck
from tests.deployment.world import NAMES, SPAN, START, labels, up

FAILED = DeploymentCheck(CheckKind.TARGETS, "cart", CheckState.FAILED, "is down", START + 100)


def wanted(of_run: str = "", /, **settings: object) -> Wanted:
    return Wanted(DeploymentConfig.model_validate(settings), NAMES, of_run)


def test_nothing_found_and_nothing_asked_for_is_not_mentioned() -> None:
    assert of_history(History(), wanted(), SPAN) == []


@pytest.mark.parametrize("kind", ["targets", "restarts"])
def test_what_is_asked_for_and_is_not_there_is_no_pass(kind: str) -> None:
    (found,) = of_history(History(), wanted(**{kind: True}), SPAN)
    assert (found.kind, found.state) == (CheckKind(kind), CheckState.UNKNOWN)
    assert f"deployment.{kind} is set" in found.detail


def test_what_is_switched_off_is_neither_followed_nor_checked() -> None:
    off = wanted(targets=False, restarts=False)
    assert off.kinds == []
    assert of_history(up({labels("cart"): {-15: 0}}), off, SPAN) == []


def test_a_version_that_comes_with_the_run_stands_before_the_configured_one() -> None:
    configured = {"version": {"expected": "v1"}}
    expected = wanted("v2", **configured).expected
    assert expected is not None
    assert expected.of("cart") == "v2"
    (found,) = (one for one in of_history(History(), wanted("v2"), SPAN))
    assert "v2 is expected" in found.detail


def test_versions_by_service_stay_as_configured() -> None:
    expected = wanted("v2", version={"expected": {"cart": "v1"}}).expected
    assert expected is not None
    assert (expected.of("cart"), expected.of("db")) == ("v1", "")


def test_only_what_may_tell_a_version_is_asked_for_it() -> None:
    assert Watched.IMAGE not in wanted().kinds
    assert wanted("v2", version={"by": ["image"]}).kinds[-1] is Watched.IMAGE
    assert Watched.BUILD not in wanted("v2", version={"by": ["image"]}).kinds


def unseen(seen: float | None, span: Span, asks: Wanted) -> list[str]:
    history = up({labels("cart"): {-15: 1}}) if seen is not None else History()
    history.until = START + seen if seen is not None else None
    found = of_history(history, asks, span, "staging is away")
    return [one.detail for one in found if "could not be seen" in one.detail]


@pytest.mark.parametrize(
    ("seen", "ended", "many"),
    [(590, True, 0), (560, True, 1), (560, False, 0), (300, False, 1)],
)
def test_an_end_that_could_not_be_seen_is_no_pass(seen: float, ended: bool, many: int) -> None:
    found = unseen(seen, replace(SPAN, ended=ended), wanted())
    since = clock(START + seen)
    expected = [f"from {since} to 08:10:00 UTC: staging is away"] * many
    assert [told.partition("be seen ")[2] for told in found] == expected


@pytest.mark.parametrize(
    ("asks", "seen", "many"),
    [
        (wanted(), None, 0),
        (wanted(), 10, 1),
        (wanted(targets=True), None, 1),
        (wanted(restarts=True), None, 1),
        (wanted("v2.4"), None, 1),
    ],
    ids=["auto", "seen-in-the-warm-up", "targets", "restarts", "version"],
)
def test_a_short_run_that_was_never_looked_at_is_no_pass_where_it_was_asked_or_seen(
    asks: Wanted, seen: float | None, many: int
) -> None:
    assert len(unseen(seen, replace(SPAN, until=START + 90), asks)) == many


RULE = {"kind": "targets", "place": "c.*", "reason": "is moved", "until": "2027-01-31T00:00:00Z"}


@pytest.mark.parametrize(
    ("rule", "now", "state"),
    [
        (RULE, START, CheckState.IGNORED),
        (RULE, START + 365 * 86400, CheckState.FAILED),
        (RULE | {"place": "db"}, START, CheckState.FAILED),
        (RULE | {"kind": "version"}, START, CheckState.FAILED),
    ],
)
def test_an_excuse_holds_for_what_it_names_until_it_expires(
    rule: dict[str, str], now: float, state: CheckState
) -> None:
    config = DeploymentConfig.model_validate({"ignore": [rule]})
    (found,) = excused([FAILED], config, now)
    assert found.state is state
    assert ("ignored: is moved" in found.detail) is (state is CheckState.IGNORED)


PROBE = replace(FAILED, kind=CheckKind.PROBE, place="http://staging")


@pytest.mark.parametrize("now", [CheckState.PASSED, CheckState.UNKNOWN, None])
def test_a_probe_that_failed_once_stays_failed(now: CheckState | None) -> None:
    after = [] if now is None else [replace(PROBE, state=now, detail="now", at=None)]
    assert merged([PROBE], after) == (PROBE,)


def test_a_probe_that_fails_still_is_told_since_when() -> None:
    first, again = (replace(PROBE, at=at, detail=f"at {at:g}") for at in (100.0, 130.0))
    assert merged([first], [again]) == (first,)


def test_what_is_asked_for_anew_is_as_it_now_is() -> None:
    passed = replace(FAILED, state=CheckState.PASSED)
    assert merged([FAILED], [passed]) == (passed,)


def test_what_fails_on_is_told_as_it_now_is() -> None:
    now = replace(FAILED, detail="was down until 08:05")
    assert merged([FAILED], [now]) == (now,)


def test_what_was_unknown_and_is_seen_now_is_forgotten() -> None:
    unknown = replace(FAILED, state=CheckState.UNKNOWN)
    passed = replace(FAILED, state=CheckState.PASSED)
    assert merged([unknown], [passed]) == (passed,)


def test_the_order_is_that_of_reading_whatever_was_found_first() -> None:
    pairs = zip(CheckState, CheckKind, strict=False)
    found = [replace(FAILED, state=state, kind=kind) for state, kind in pairs]
    orders = {merged((), list(order)) for order in itertools.permutations(found)}
    assert orders == {tuple(found)}


def test_failures_are_kept_where_there_are_too_many_checks() -> None:
    many = [replace(FAILED, place=f"s{n}", state=CheckState.PASSED) for n in range(MOST)]
    kept = merged((), [*many, FAILED])
    assert len(kept) == MOST
    assert kept[0] == FAILED
    assert checks.MOST == MOST


def test_series_that_there_was_no_room_for_are_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "MOST_SERIES", 1)
    history = up({labels("cart"): {-15: 1}, labels("db"): {-15: 1}})
    first, second = of_history(history, wanted(), SPAN)
    assert (first.place, first.state) == ("cart", CheckState.PASSED)
    assert (second.kind, second.state) == (CheckKind.TARGETS, CheckState.UNKNOWN)
    assert second.detail.startswith("1 series of up were left out")
    off = wanted(targets=False)
    assert of_history(history, off, SPAN) == []
