"""What a file of facts says is made so, or refused in a sentence; without any server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from anomalyd.parity.kinds import BY_NAME
from tests.e2e_parity.plant import PLANTS, PlantError, plant, read
from tests.e2e_parity.world import exposition, make

EXAMPLE = Path(__file__).with_name("example.yaml")


def planted(path: Path):
    worlds = (make("staging", 78), make("production", 78))
    return plant(read(path), worlds), worlds


def test_services_and_files_that_the_shop_does_not_have_come_into_both_alike(tmp_path):
    path = tmp_path / "facts.yaml"
    path.write_text(
        "- {kind: cpu-limit, place: ads/app, staging: 1, production: 2}\n"
        "- {kind: service, place: stub, staging: present}\n"
        "- {kind: setting, place: config/ads.env depth, staging: 3}\n",
        encoding="utf-8",
    )
    differing, (staging, production) = planted(path)
    assert differing == {
        ("cpu-limit", "ads/app"),
        ("service", "stub"),
        ("setting", "config/ads.env depth"),
    }
    assert replace(staging.services["ads"], cpu_limit=2.0) == production.services["ads"]
    assert production.services["stub"].gone
    assert replace(staging.services["stub"], gone=True) == production.services["stub"]
    assert staging.settings["config/ads.env"] == {"planted": 1, "depth": 3}
    assert production.settings["config/ads.env"] == {"planted": 1}


def test_the_example_lists_what_differs_and_what_does_not():
    differing, (staging, production) = planted(EXAMPLE)
    facts = read(EXAMPLE)
    listed = facts["staging"].keys() | facts["production"].keys()
    assert listed - differing == {
        ("attribute", "users target_info telemetry_distro_name"),
        ("pool", "reviews redis_pool_size"),
        ("cpu-limit", "users/app"),
        ("memory-limit", "users/app"),
    }
    assert 'redis_pool_size{service="orders"} 8.0' in exposition(staging, "orders", 60.0)
    assert 'redis_pool_size{service="orders"} 32.0' in exposition(production, "orders", 60.0)
    assert "shop_refunds_planted" not in exposition(production, "gateway", 60.0)
    assert 'kernel_version="6.1.0"' in exposition(staging, "kube", 60.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no facts"),
        ("cpu: 2", "holds no facts"),
        ("[{kind: cpu-limit}]", "is no fact; write kind, place"),
        ("[a, b]", "is no fact; write kind, place"),
        ("{", "is not YAML or JSON"),
        ("[{kind: moon, place: cart, staging: 1}]", "moon cannot be planted; the kinds are attr"),
        ("[{kind: replicas, place: cart}]", "says nothing of staging or production"),
        ("[{kind: replicas, place: cart, side: canary, value: 1}]", "a side of the two"),
        (
            "[{kind: replicas, place: cart, staging: 1}, "
            "{kind: replicas, place: cart, staging: 2}]",
            "is listed twice for staging",
        ),
        ("[{kind: replicas, place: cart, staging: 1}]", "give a value for each"),
        ("[{kind: replicas, place: the moon, staging: 1, production: 2}]", "name of a service"),
        ("[{kind: cpu-limit, place: cart/app, staging: lots, production: 2}]", "write a number"),
        ("[{kind: setting, place: config/x.ini a, staging: 1}]", "must be one of .env, .json"),
        ("[{kind: edge, place: cart, staging: present}]", "edge of cart of staging"),
    ],
)
def test_what_cannot_be_planted_is_refused_in_one_sentence(tmp_path, text, said):
    path = tmp_path / "facts.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlantError) as refused:
        planted(path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_each_kind_is_one_that_parity_has():
    assert PLANTS.keys() <= BY_NAME.keys()
