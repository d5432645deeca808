"""What is asked of a Prometheus, and what becomes of its answers; e2e-parity asks real ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from anomalyd import kubernetes
from anomalyd.model import Environment, Matcher
from anomalyd.parity import metrics, runtime, server, workloads
from anomalyd.parity.asking import Form, Look
from anomalyd.query import QueryError, Trouble, Vector
from anomalyd.signals.identity import Canonical

Series = list[tuple[dict[str, str], float]]


class Fake:
    """Answers by path or by the first query that begins so; anything else is not offered."""

    def __init__(self, told: Mapping[str, Any], answers: Mapping[str, Series]) -> None:
        self.told, self.answers = told, answers
        self.asked: list[str] = []

    async def read(self, path: str, form: Form = ()) -> Any:
        self.asked.append(path)
        found = self.told.get(path)
        if found is None:
            raise QueryError(Trouble.NOT_FOUND, f"{path}: does not offer this", 404)
        if isinstance(found, QueryError):
            raise found
        return found

    async def instant(self, query: str, time: float | None = None) -> Vector:
        self.asked.append(query)
        found = next((v for k, v in self.answers.items() if query.startswith(k)), [])
        keys = [json.dumps(labels).encode() for labels, _ in found]
        return Vector(keys, np.array([value for _, value in found]))


def look(
    told: Mapping[str, Any] | None = None,
    answers: Mapping[str, Series] | None = None,
    names: tuple[str, ...] = (),
    queries: int = 100,
) -> Look:
    canonical = Canonical(["service", "job"], [("(.*)-stg", r"\1")], ["pod", "env"])
    fake = Fake(told or {}, answers or {})
    matchers = (Matcher("env", "=", "stg"),)
    made = Look(Environment.STAGING, fake, matchers, canonical, queries, 3600.0)
    made.names = frozenset(names)
    return made


def told(made: Look) -> dict[str, str]:
    return {f"{fact.kind} {fact.place}": fact.value for fact in made.collected.facts}


async def test_flags_that_say_where_a_server_is_or_follow_from_another_are_left_out() -> None:
    flags = {"query.lookback-delta": "5m", "web.listen-address": ":9090", "config.file": "/a"}
    flags["storage.tsdb.max-block-duration"] = "1d12h"  # a tenth of the retention
    made = look({"/api/v1/status/flags": flags})
    await server.collect(made)
    assert told(made) == {"server-flag --query.lookback-delta": "5m"}


async def test_only_targets_of_the_environment_count() -> None:
    def target(env: str, job: str, interval: str) -> dict[str, Any]:
        return {"labels": {"env": env, "job": job}, "health": "up", "scrapeInterval": interval}

    active = [target("stg", "cart-stg", "15s"), target("stg", "cart-stg", "15s")]
    active.append(target("prod", "cart", "30s"))
    made = look({"/api/v1/targets": {"activeTargets": active}})
    await server.collect(made)
    assert told(made) == {
        "targets job cart": "2",
        "targets-down job cart": "0",
        "scrape-interval job cart": "15s",
    }


async def test_a_path_that_is_not_offered_says_nothing() -> None:
    made = look()
    await server.collect(made)
    assert (made.collected.facts, made.collected.notes, made.collected.offered) == ([], {}, set())


async def test_a_path_that_fails_is_noted() -> None:
    failure = QueryError(Trouble.SERVER, "staging fails (HTTP 500)", 500)
    made = look({"/api/v1/rules": failure})
    await server.collect(made)
    assert made.collected.notes == {"rules": "staging fails (HTTP 500)"}


async def test_an_environment_that_is_away_is_an_error() -> None:
    failure = QueryError(Trouble.UNREACHABLE, "staging cannot be reached")
    made = look({"/api/v1/status/buildinfo": failure})
    with pytest.raises(QueryError, match="cannot be reached"):
        await server.collect(made)


async def test_no_more_is_asked_than_allowed() -> None:
    made = look({"/api/v1/status/buildinfo": {"version": "3.0"}}, queries=1)
    await server.collect(made)
    assert told(made) == {"server-version metrics server": "Prometheus 3.0"}
    assert set(made.collected.notes.values()) == {"parity.queries is used up; raise it"}


async def test_limits_are_those_of_the_workload_that_owns_the_pod() -> None:
    limits = "kube_pod_container_resource_limits"
    at = {"namespace": "shop", "container": "app", "resource": "cpu"}
    answers: dict[str, Series] = {
        f"{limits}{{": [
            ({**at, "pod": "odd"}, 0.5),
            ({**at, "pod": "cart-stg-6d4cf56db6-x2x9p"}, 2.0),
            ({**at, "pod": "cart-stg-6d4cf56db6-zzzzz"}, 2.0),
            ({**at, "pod": "db-0", "resource": "memory"}, 2.0**30),
        ],
        "kube_pod_owner": [
            (
                {
                    "namespace": "shop",
                    "pod": "odd",
                    "owner_kind": "ReplicaSet",
                    "owner_name": "rs",
                },
                1.0,
            )
        ],
        "kube_replicaset_owner": [
            (
                {
                    "namespace": "shop",
                    "replicaset": "rs",
                    "owner_kind": "Deployment",
                    "owner_name": "mail",
                },
                1.0,
            )
        ],
    }
    made = look({}, answers, (limits, "kube_pod_owner", "kube_replicaset_owner"))
    await workloads.collect(made)
    assert told(made) == {
        "cpu-limit mail/app": "0.5 cores",
        "cpu-limit cart/app": "2 cores",
        "memory-limit db/app": "1 GiB",
    }


@pytest.mark.parametrize(
    ("reference", "name", "version"),
    [
        ("eu.gcr.io/shop/cart:v2", "shop/cart", "v2"),
        ("localhost:5000/cart", "cart", "latest"),
        ("cart@sha256:ab", "cart", "sha256:ab"),
        ("docker-pullable://reg.io:5000/a/b:v1@sha256:ab", "a/b", "v1"),
    ],
)
def test_an_image_is_its_name_and_its_version(reference: str, name: str, version: str) -> None:
    assert kubernetes.image(reference) == (name, version)


async def test_info_is_told_label_by_label_without_what_says_whose_it_is() -> None:
    labels = {"job": "cart-stg", "instance": "a:1", "env": "stg", "host_name": "h1"}
    answers: dict[str, Series] = {
        "cart_build_info": [({**labels, "version": "v2", "goversion": "go1.22"}, 1.0)],
        "python_info": [({**labels, "version": "3.12"}, 1.0)],
    }
    made = look({}, answers, ("cart_build_info", "python_info"))
    await runtime.collect(made)
    assert told(made) == {
        "version cart cart_build_info version": "v2",
        "version cart cart_build_info goversion": "go1.22",
        "runtime cart python_info version": "3.12",
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("hikaricp_connections_max", "pool"),
        ("db_client_connections_max", "pool"),
        ("tomcat_threads_config_max_threads", "pool"),
        ("executor_pool_core_threads", "pool"),
        ("go_sql_max_open_connections", "pool"),
        ("jvm_memory_max_bytes", "pool"),
        ("feature_flag_enabled", "feature-flag"),
        ("shop_feature_new_checkout", "feature-flag"),
        ("hikaricp_connections_active", ""),
        ("http_requests_total", ""),
        ("process_max_fds", ""),
        ("kube_pod_status_ready", ""),
    ],
)
def test_gauges_that_are_settings_are_known_by_their_names(name: str, kind: str) -> None:
    assert runtime.setting_of(name) == kind


async def test_labels_are_the_shared_ones() -> None:
    values = "/api/v1/label/__name__/values"
    made = look(
        {values: ["a_bucket", "a_count", "a_sum"], "/api/v1/labels": ["le", "job", "pod", "x"]}
    )
    await metrics.collect(made)
    assert told(made) == {
        "metric a": "present",
        "label a service": "present",
        "label a x": "present",
    }


async def test_boundaries_are_numbers() -> None:
    by_name = {"__name__": "a_bucket", "service": "cart"}
    answers: dict[str, Series] = {
        "group by (__name__, le": [
            ({**by_name, "le": "1"}, 1.0),
            ({**by_name, "le": "1.0"}, 1.0),
            ({**by_name, "le": "+Inf"}, 1.0),
        ]
    }
    made = look({"/api/v1/label/__name__/values": ["a_bucket"]}, answers)
    await metrics.collect(made)
    assert told(made)["buckets cart a"] == "1 inf"


async def test_targets_that_are_down_and_how_long_they_may_take_are_told() -> None:
    def target(health: str) -> dict[str, Any]:
        labels = {"env": "stg", "job": "cart-stg"}
        return {"labels": labels, "health": health, "scrapeTimeout": "500ms"}

    active = [target("up"), target("down"), target("down")]
    made = look({"/api/v1/targets": {"activeTargets": active}})
    await server.collect(made)
    assert told(made) == {
        "targets job cart": "3",
        "targets-down job cart": "2",
        "scrape-timeout job cart": "500ms",
    }


async def test_limits_of_other_resources_and_what_nodes_run_are_told() -> None:
    at = {"namespace": "shop", "container": "app", "pod": "cart-stg-6d4cf56db6-x2x9p"}
    limits, info = "kube_pod_container_resource_limits", "kube_node_info"
    answers: dict[str, Series] = {
        f"{limits}{{": [({**at, "resource": "ephemeral_storage"}, 2.0**30)],
        info: [({"node": "n1", "kubelet_version": "v1.30.2", "kernel_version": "6.1.0"}, 1.0)],
    }
    made = look(answers=answers, names=(limits, info))
    await workloads.collect(made)
    found = told(made)
    assert found["resource-limit cart/app ephemeral_storage"]
    assert found["node-version nodes kubelet_version"] == "v1.30.2"
    assert found["node-version nodes kernel_version"] == "6.1.0"
