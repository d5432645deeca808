"""A target that is down is told from one that was taken away, and from a missed scrape."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from anomalyd.deployment import targets
from anomalyd.deployment.told import Span
from anomalyd.model import CheckState, DeploymentCheck
from tests.deployment.world import NAMES, SPAN, START, STEP, Given, labels, up

NAN = math.nan


def checked(*given: Given, span: Span = SPAN, every: float = STEP) -> DeploymentCheck:
    """The check of a service with so many instances."""
    made = up({labels("cart", f"10.0.0.{n}:80"): one for n, one in enumerate(given)}, every)
    (found,) = targets.checks(made, NAMES, span, scrapes=3)
    return found


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("is up all along", {-15: 1}),
        ("misses one scrape", {-15: 1, 300: 0, 315: 1}),
        ("misses two scrapes", {-15: 1, 300: 0, 330: 1}),
        ("misses many scrapes, but never three in a row", {-15: 1, 300: 0, 330: 1, 345: 0, 375: 1}),
        ("is scaled away", {-15: 1, 300: NAN}),
        ("is shut down and then taken away", {-15: 1, 300: 0, 345: NAN}),
        ("comes in the midst", {-15: NAN, 300: 1}),
        ("was down in the warm-up", {-15: 0, 45: 1}),
        ("was down until two scrapes after the warm-up", {-15: 0, 90: 1}),
    ],
)
def test_it_passes_when_a_target(what: str, given: Given) -> None:
    assert checked({-15: 1}, given).state is CheckState.PASSED


@pytest.mark.parametrize(
    ("what", "given", "said"),
    [
        ("misses three scrapes", {-15: 1, 300: 0, 345: 1}, "cart was down at 10.0.0.1:80 from"),
        ("is down to the end", {-15: 1, 300: 0}, "cart is down at 10.0.0.1:80 since"),
        ("is down from before the start", {-15: 0}, "cart is down at 10.0.0.1:80 since"),
        ("is down for long before it is taken away", {-15: 1, 200: 0, 400: NAN}, "was down"),
        ("goes away while down, and comes back down", {-15: 1, 300: 0, 345: NAN, 400: 0}, "down"),
    ],
)
def test_it_fails_when_a_target(what: str, given: Given, said: str) -> None:
    found = checked({-15: 1}, given)
    assert found.state is CheckState.FAILED
    assert said in found.detail
    assert found.mend


def test_it_says_when_it_began() -> None:
    found = checked({-15: 1}, {-15: 1, 300: 0})
    assert found.at == pytest.approx(START + 300, abs=STEP)
    assert "08:05:00 UTC" in found.detail


def test_scrapes_are_counted_and_not_seconds() -> None:
    one_missed_of_a_slow_target = {-15: 1, 300: 0, 360: 1}
    assert checked({-15: 1}, one_missed_of_a_slow_target, every=60).state is CheckState.PASSED
    assert checked({-15: 1}, {-15: 1, 300: 0, 480: 1}, every=60).state is CheckState.FAILED


def test_several_that_are_down_are_one_check_of_their_service() -> None:
    found = checked({-15: 1, 400: 0}, {-15: 1, 300: 0}, {-15: 1})
    assert "cart was down at 10.0.0.1:80, 10.0.0.0:80, first at 08:05" in found.detail


@pytest.mark.parametrize(("since", "state"), [(570, CheckState.PASSED), (480, CheckState.FAILED)])
def test_while_the_run_goes_on_a_target_may_yet_turn_out_to_be_shut_down(
    since: float, state: CheckState
) -> None:
    goes_on = replace(SPAN, ended=False)
    assert checked({-15: 1, since: 0}, span=goes_on).state is state
    assert checked({-15: 1, since: 0}).state is CheckState.FAILED


def test_at_once_only_what_is_down_now_counts() -> None:
    now = Span(START, START + 615, STEP, at_once=True)
    assert checked({-15: 1, 300: 0, 400: 1}, span=now).state is CheckState.PASSED
    assert checked({-15: 1, 500: 0}, span=now).state is CheckState.FAILED
