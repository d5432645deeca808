"""A restart in the midst of a run is told from a deployment before it and from an autoscaler."""

from __future__ import annotations

import math

import pytest

from anomalyd.deployment import restarts
from anomalyd.deployment.timeline import History, Watched
from anomalyd.deployment.told import Span
from anomalyd.model import CheckState, DeploymentCheck
from tests.deployment.world import NAMES, SPAN, START, STEP, Given, history, labels, pod, track

NAN = math.nan
OLD = START - 86400


def processes(*given: Given) -> DeploymentCheck:
    """The check of a service by the starts of its instances."""
    made = {labels("cart", f"i{number}"): one for number, one in enumerate(given)}
    (found,) = restarts.checks(history(Watched.STARTED, made), NAMES, SPAN)
    return found


def containers(given: Given) -> DeploymentCheck:
    made = history(Watched.RESTARTED, {pod("cart-5d9f8c7b6d-x2x4z"): given})
    (found,) = restarts.checks(made, NAMES, SPAN)
    return found


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("goes on", [{-15: OLD}]),
        ("was deployed right before", [{-15: START - 5}]),
        ("was restarted in the warm-up", [{-15: OLD, 30: START + 28}]),
        ("works its start out anew", [{-15: OLD, 100: OLD + 1, 200: OLD, 300: OLD - 1}]),
        ("is out of sight for a while", [{-15: OLD, 100: NAN, 200: OLD}]),
        ("answers for several workers", [{-15: OLD, 100: OLD + 50, 200: OLD, 300: OLD + 50}]),
        ("is scaled up", [{-15: OLD}, {-15: NAN, 300: START + 290}]),
        ("is scaled up and down", [{-15: OLD}, {-15: NAN, 300: START + 290, 400: NAN}]),
        ("is scaled down", [{-15: OLD}, {-15: OLD, 400: NAN}]),
        ("restarts after the stop", [{-15: OLD, 615: START + 605}]),
        ("is taken down after the stop", [{-15: OLD, 615: NAN}]),
    ],
)
def test_it_passes_when_a_service(what: str, given: list[Given]) -> None:
    assert processes(*given).state is CheckState.PASSED


@pytest.mark.parametrize(
    ("what", "given", "said"),
    [
        ("restarts", [{-15: OLD, 300: START + 290}], "cart restarted at 08:04:50 UTC (i0)"),
        ("restarts, by a clock behind", [{-15: OLD, 300: START - 200}], "at 08:04:45 UTC (i0)"),
        ("restarts after a gap", [{-15: OLD, 250: NAN, 300: START + 290}], "at 08:04:50 UTC (i0)"),
        (
            "restarts twice",
            [{-15: OLD, 200: START + 190, 300: START + 290}],
            "restarted 2 times, first at 08:03:10 UTC (i0)",
        ),
        (
            "is replaced as a whole",
            [{-15: OLD, 300: NAN}, {-15: NAN, 285: START + 280}],
            "cart was replaced from 08:04:40 UTC on",
        ),
    ],
)
def test_it_fails_when_a_service(what: str, given: list[Given], said: str) -> None:
    found = processes(*given)
    assert found.state is CheckState.FAILED
    assert said in found.detail


def test_instances_that_only_got_other_names_were_not_replaced() -> None:
    assert processes({-15: OLD, 300: NAN}, {-15: NAN, 300: OLD}).state is CheckState.PASSED


@pytest.mark.parametrize("given", [{-15: 3}, {-15: 0, 30: 1}, {-15: NAN, 300: 0}, {-15: 2, 300: 0}])
def test_containers_that_were_restarted_before_pass(given: Given) -> None:
    assert containers(given).state is CheckState.PASSED


@pytest.mark.parametrize(
    "given", [{-15: 3, 300: 4}, {-15: NAN, 300: 1}, {-15: 0, 200: NAN, 300: 1}]
)
def test_containers_that_are_restarted_in_the_midst_fail(given: Given) -> None:
    found = containers(given)
    assert found.detail == "cart restarted at 08:05:00 UTC (cart-5d9f8c7b6d-x2x4z/app)"
    assert found.state is CheckState.FAILED


def test_one_event_that_two_tell_of_is_told_once() -> None:
    made = history(Watched.STARTED, {labels("cart"): {-15: OLD, 300: START + 290}})
    made.take(Watched.RESTARTED, [track(pod("cart-5d9f8c7b6d-x2x4z"), {-15: 0, 300: 1})])
    (found,) = restarts.checks(made, NAMES, SPAN)
    assert "cart restarted at 08:04:50 UTC (a, cart-5d9f8c7b6d-x2x4z/app)" in found.detail


def waiting(reason: str, given: Given) -> History:
    return history(Watched.WAITING, {pod("cart-5d9f8c7b6d-x2x4z", reason=reason): given})


@pytest.mark.parametrize("given", [{-15: 1}, {-15: NAN, 300: 1}, {-15: 0, 300: 1, 330: 0}])
def test_a_crash_loop_fails_whenever_it_began(given: Given) -> None:
    (found,) = restarts.checks(waiting("CrashLoopBackOff", given), NAMES, SPAN)
    assert "cart is in CrashLoopBackOff since" in found.detail
    assert found.state is CheckState.FAILED


@pytest.mark.parametrize(
    ("reason", "given"),
    [
        ("ContainerCreating", {-15: 1}),
        ("CrashLoopBackOff", {-15: 1, 45: NAN}),
        ("CrashLoopBackOff", {-15: 0}),
    ],
)
def test_a_container_that_is_being_created_or_runs_by_now_is_no_crash_loop(
    reason: str, given: Given
) -> None:
    found = restarts.checks(waiting(reason, given), NAMES, SPAN)
    assert all(one.state is CheckState.PASSED for one in found)


def test_at_once_restarts_are_over_and_crash_loops_are_not() -> None:
    now = Span(START, START + 615, STEP, at_once=True)
    made = history(Watched.STARTED, {labels("cart"): {-15: OLD, 300: START + 290}})
    assert [one.state for one in restarts.checks(made, NAMES, now)] == [CheckState.PASSED]
    loop = waiting("CrashLoopBackOff", {300: 1})
    assert [one.state for one in restarts.checks(loop, NAMES, now)] == [CheckState.FAILED]
