"""Relabelling is Prometheus's own: a real one relabels the same series by the same rules."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import yaml
from aiohttp import web

from anomalyd.config import Relabel
from anomalyd.model import Labels
from anomalyd.signals.relabel import relabel
from tests.fakes.receiver import serving
from tests.servers import prometheus
from tests.signals.test_live_oracle import ask

SERIES = [
    {"__name__": "hits_total", "app": "Cart-v2", "namespace": "shop", "tmp_a": "1", "n": "0"},
    {"__name__": "hits_total", "app": "pricing", "namespace": "kube-system", "n": "1"},
    {"__name__": "up_seconds", "app": "pricing", "pricing": "pricing", "n": "2"},
    {"__name__": "é_none", "app": "a;b", "n": "3"},
    {"__name__": "hits_total", "n": "4"},
]
RULES: dict[str, list[dict[str, Any]]] = {
    "replace": [{"source_labels": ["app"], "regex": "(.*)-v2", "target_label": "service"}],
    "replace nothing": [{"source_labels": ["app"], "regex": "nowhere", "target_label": "service"}],
    "replace whole": [{"source_labels": ["app"], "regex": "ricin", "target_label": "service"}],
    "default": [{"source_labels": ["app", "namespace"], "target_label": "both"}],
    "separator": [{"source_labels": ["app", "namespace"], "separator": "", "target_label": "both"}],
    "groups": [
        {
            "source_labels": ["app"],
            "regex": "(?P<first>.)(.*)",
            "target_label": "order",
            "replacement": "${2}_$first-$1x-$9-$$-${nobody}",
        }
    ],
    "target by group": [
        {"source_labels": ["app"], "regex": "(p.*)", "target_label": "is_$1", "replacement": "yes"}
    ],
    "target that is no name": [
        {"source_labels": ["app"], "regex": "(.*)", "target_label": "$1", "replacement": "yes"}
    ],
    "delete": [{"source_labels": ["app"], "target_label": "namespace", "replacement": ""}],
    "keep": [{"source_labels": ["app"], "regex": "pricing|a;b", "action": "keep"}],
    "keep absent": [{"source_labels": ["namespace"], "regex": "", "action": "keep"}],
    "drop": [{"source_labels": ["namespace"], "regex": "kube-.*", "action": "drop"}],
    "keepequal": [{"source_labels": ["app"], "target_label": "pricing", "action": "keepequal"}],
    "dropequal": [{"source_labels": ["app"], "target_label": "pricing", "action": "dropequal"}],
    "hashmod": [
        {"source_labels": ["app", "n"], "modulus": 1000, "target_label": "m", "action": "hashmod"}
    ],
    "labelmap": [{"regex": "tmp_(.+)", "replacement": "kept_$1", "action": "labelmap"}],
    "labeldrop": [{"regex": "tmp_.*|namespace", "action": "labeldrop"}],
    "labelkeep": [{"regex": "__name__|n|job|instance", "action": "labelkeep"}],
    "lowercase": [{"source_labels": ["app"], "target_label": "app", "action": "lowercase"}],
    "uppercase": [{"source_labels": ["app"], "target_label": "big", "action": "uppercase"}],
    "rename": [
        {"source_labels": ["__name__"], "regex": "up_(.*)", "target_label": "__name__"},
    ],
    "one after another": [
        {"source_labels": ["app"], "target_label": "app", "action": "lowercase"},
        {"source_labels": ["app"], "regex": "cart-.*", "action": "keep"},
        {"source_labels": ["app"], "regex": "(.*)-.*", "target_label": "service"},
        {"regex": "app", "action": "labeldrop"},
    ],
}
EXPOSED = [one for one in SERIES if one["__name__"].isascii()]


def ours(rules: list[dict[str, Any]], series: list[dict[str, str]]) -> set[str]:
    made = [Relabel.model_validate(rule).rule() for rule in rules]
    left = (relabel(Labels.of(one), made) for one in series)
    return {str(labels) for labels in left if labels is not None}


@pytest.fixture
async def target():
    """Counts how often each job has come."""
    came: dict[str, int] = {}

    async def metrics(request: web.Request) -> web.Response:
        came[request.query["job"]] = came.get(request.query["job"], 0) + 1
        lines = [f"{one['__name__']}{Labels.of(one).without(['__name__'])} 1" for one in EXPOSED]
        return web.Response(text="\n".join([*lines, ""]))

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    async with serving(app) as url:
        yield came, url.removeprefix("http://")


async def test_a_real_prometheus_relabels_the_same(target, tmp_path):
    came, address = target
    jobs = [
        {
            "job_name": name,
            "honor_labels": True,
            "params": {"job": [name]},
            "static_configs": [{"targets": [address]}],
            "metric_relabel_configs": rules,
        }
        for name, rules in RULES.items()
    ]
    config = {"global": {"scrape_interval": "500ms", "scrape_timeout": "400ms"}}
    text = json.dumps({**config, "scrape_configs": jobs})
    yaml.safe_load(text)
    with prometheus(tmp_path, text) as url:
        async with asyncio.timeout(60):
            while len(came) < len(RULES) or min(came.values()) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        found: dict[str, set[str]] = {name: set() for name in RULES}
        for one in await ask(url, '{n!="",__name__!~"scrape_.*|up"}'):
            found[one["metric"]["job"]].add(str(Labels.of(one["metric"])))
    for name, rules in RULES.items():
        series = [{**one, "job": name, "instance": address} for one in EXPOSED]
        assert found[name] == ours(rules, series), name


def test_a_name_that_is_no_ascii_is_a_value_like_any_other():
    rules = [{"source_labels": ["__name__"], "regex": "é_(.*)", "target_label": "n"}]
    assert ours(rules, [SERIES[3]]) == {'{__name__="é_none",app="a;b",n="none"}'}
