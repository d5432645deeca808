"""The expected version everywhere: builds, resource attributes, images."""

from __future__ import annotations

import math
import re

import pytest

from anomalyd.deployment import versions
from anomalyd.deployment.timeline import History, Watched
from anomalyd.deployment.versions import Expected, same
from anomalyd.model import CheckState, DeploymentCheck, Labels
from tests.deployment.world import NAMES, SPAN, Given, labels, pod, track

NAN = math.nan
ALL = (Watched.BUILD, Watched.RESOURCE, Watched.IMAGE)
HERE = {-15: 1}


def build(version: str, service: str = "cart", instance: str = "a", metric: str = "app") -> Labels:
    return labels(service, instance, __name__=f"{metric}_build_info", version=version)


def checked(
    given: dict[Labels, Given], expected: Expected | None = None, kind: Watched = Watched.BUILD
) -> list[DeploymentCheck]:
    history = History()
    history.take(kind, [track(of, values) for of, values in given.items()])
    return versions.checks(history, NAMES, SPAN, expected or Expected("v2.4"), ALL)


def seen(
    *kinds: tuple[Watched, dict[Labels, Given]], expected: Expected | None = None
) -> list[DeploymentCheck]:
    """As `checked`, of several kinds."""
    history = History()
    for kind, given in kinds:
        history.take(kind, [track(of, values) for of, values in given.items()])
    return versions.checks(history, NAMES, SPAN, expected or Expected("v2.4"), ALL)


def states(found: list[DeploymentCheck]) -> list[CheckState]:
    return [one.state for one in found]


def test_the_expected_version_on_all_instances_passes() -> None:
    found = checked({build("v2.4"): HERE, build("2.4", instance="b"): HERE})
    assert [one.detail for one in found] == ["cart runs v2.4 (2 instances)"]
    assert states(found) == [CheckState.PASSED]


def test_another_version_on_one_instance_fails_and_names_it() -> None:
    (found,) = checked({build("v2.4"): HERE, build("v2.3", instance="10.0.0.7:80"): HERE})
    assert found.state is CheckState.FAILED
    assert found.detail == "cart ran v2.3 at 10.0.0.7:80, v2.4 is expected"


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({build("v2.4"): {-15: 1, 300: NAN}, build("v2.5"): {-15: NAN, 300: 1}}, CheckState.FAILED),
        ({build("v2.3"): {-15: 1, 300: NAN}, build("v2.4"): {-15: NAN, 300: 1}}, CheckState.FAILED),
        ({build("v2.3"): {-15: 1, 45: NAN}, build("v2.4"): {-15: NAN, 45: 1}}, CheckState.PASSED),
        ({build("v2.4"): HERE, build("1.9", metric="grpc"): HERE}, CheckState.PASSED),
        ({build("v2.4"): HERE, build("v2.3", instance="b"): {-15: 1, 75: NAN}}, CheckState.PASSED),
    ],
    ids=[
        "deployed-over",
        "deployed-late",
        "deployed-in-the-warm-up",
        "a-library",
        "old-pod-leaves",
    ],
)
def test_what_counts_is_what_an_instance_ran_all_along(
    given: dict[Labels, Given], state: CheckState
) -> None:
    assert states(checked(given)) == [state]


@pytest.mark.parametrize("metric", ["go", "prometheus", "redis_exporter", "otelcol_contrib"])
def test_what_observes_has_versions_of_its_own(metric: str) -> None:
    given = {build("v2.4"): HERE, build("1.2", service="other", metric=metric): HERE}
    assert [one.place for one in checked(given)] == ["cart"]


def test_services_that_are_not_meant_are_left_out() -> None:
    given = {build("v2.4"): HERE, build("16.1", service="db"): HERE}
    only = Expected("v2.4", services=re.compile("cart"))
    assert states(checked(given, only)) == [CheckState.PASSED]


def test_versions_may_be_expected_by_service_and_one_that_tells_none_is_no_pass() -> None:
    given = {build("v2.4"): HERE, build("16.1", service="db"): HERE}
    found = checked(given, Expected(by_service={"cart": "v2.4", "pricing": "v1"}))
    assert [(one.place, one.state) for one in found] == [
        ("cart", CheckState.PASSED),
        ("pricing", CheckState.UNKNOWN),
    ]


def test_nothing_that_tells_a_version_is_no_pass() -> None:
    (found,) = checked({})
    assert found.state is CheckState.UNKNOWN
    assert "told by none of build_info, target_info, image" in found.detail


def test_an_image_tells_it_where_nothing_else_does_and_sidecars_do_not_matter() -> None:
    given = {
        pod("cart-5d9f8c7b6d-x2x4z", "app", image="eu.gcr.io/shop/cart:v2.4"): HERE,
        pod("cart-5d9f8c7b6d-x2x4z", "istio-proxy", image="istio/proxyv2:1.20"): HERE,
        pod("pricing-7f6d5c4b3b-abcde", "app", image="shop/pricing:v2.3"): HERE,
    }
    found = checked(given, kind=Watched.IMAGE)
    assert [(one.place, one.state) for one in found] == [
        ("cart", CheckState.PASSED),
        ("pricing", CheckState.FAILED),
    ]


def test_a_resource_attribute_tells_it() -> None:
    given = {labels("cart", service_version="v2.3"): HERE}
    assert states(checked(given, kind=Watched.RESOURCE)) == [CheckState.FAILED]


@pytest.mark.parametrize(
    ("told", "expected", "is_same"),
    [
        ("v2.4", "2.4", True),
        ("2.4.0", "2.4", False),
        ("vanilla", "anilla", False),
        ("1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d", "1a2b3c4", True),
        ("1A2B3C4", "1a2b3c4d5e6f", True),
        ("1a2b3c4d5e6f", "1a2b3c", False),
        ("v2.4 ", "v2.4", True),
    ],
)
def test_versions_are_the_same(told: str, expected: str, is_same: bool) -> None:
    assert same(told, expected) is is_same
    assert same(expected, told) is is_same


ONE, OTHER = "cart-5d9f8c7b6d-x2x4z", "cart-5d9f8c7b6d-abcde"


def of_pod(name: str, version: str = "v2.4") -> Labels:
    made = dict(build(version))
    return Labels.of(made | {"pod": name} if name else made)


@pytest.mark.parametrize(
    ("of_build", "tags", "state"),
    [
        (ONE, {ONE: "v2.4", OTHER: "v2.3"}, CheckState.FAILED),
        (ONE, {OTHER: "v2.3"}, CheckState.FAILED),
        (ONE, {ONE: "v2.4", OTHER: "v2.4"}, CheckState.PASSED),
        (ONE, {ONE: "main-7", OTHER: "main-6"}, CheckState.UNKNOWN),
        (ONE, {ONE: "main-7"}, CheckState.PASSED),
        ("", {ONE: "v2.4", OTHER: "v2.3"}, CheckState.FAILED),
        ("", {ONE: "v2.4", OTHER: "v2.4"}, CheckState.PASSED),
        ("", {ONE: "main-7", OTHER: "main-7"}, CheckState.PASSED),
    ],
)
def test_a_pod_that_only_its_image_tells_of_is_not_hidden_by_the_others(
    of_build: str, tags: dict[str, str], state: CheckState
) -> None:
    images = {pod(name, image=f"shop/cart:{tag}"): HERE for name, tag in tags.items()}
    (found,) = seen((Watched.BUILD, {of_pod(of_build): HERE}), (Watched.IMAGE, images))
    assert found.state is state
    assert (OTHER in found.detail) is (state is not CheckState.PASSED)


def test_another_number_that_all_instances_tell_of_themselves_hides_and_breaks_nothing() -> None:
    attributes = {labels("cart", "9c1b", service_version="1.0.0"): HERE}
    (found,) = seen((Watched.BUILD, {build("v2.4"): HERE}), (Watched.RESOURCE, attributes))
    assert found.detail == "cart runs v2.4 (1 instance)"


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({labels("cart", "b"): HERE}, CheckState.UNKNOWN),
        ({labels("cart", "a:9100"): HERE}, CheckState.PASSED),
        ({labels("cart", "b"): {-15: 0}}, CheckState.PASSED),
        ({labels("cart", "b"): {-15: 1, 45: NAN}}, CheckState.PASSED),
        ({Labels.of({"service": "cart", "job": "node", "instance": "b"}): HERE}, CheckState.PASSED),
    ],
    ids=["another-host", "another-port", "down", "leaves", "another-job"],
)
def test_an_instance_that_is_up_and_tells_no_version_as_the_others_do_is_no_pass(
    given: dict[Labels, Given], state: CheckState
) -> None:
    up = {labels("cart", "a"): HERE, **given}
    (found,) = seen((Watched.BUILD, {build("v2.4"): HERE}), (Watched.UP, up))
    assert found.state is state


@pytest.mark.parametrize("named", [True, False])
def test_a_service_that_tells_no_version_is_no_pass_where_services_are_named(named: bool) -> None:
    up = {labels(service): HERE for service in ("cart", "pricing", "db")}
    expected = Expected("v2.4", services=re.compile("cart|pricing"), named=named)
    found = seen((Watched.BUILD, {build("v2.4"): HERE}), (Watched.UP, up), expected=expected)
    unknown = [("pricing", CheckState.UNKNOWN)] if named else []
    assert [(one.place, one.state) for one in found] == [("cart", CheckState.PASSED), *unknown]
