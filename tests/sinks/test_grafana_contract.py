"""What Grafana does with annotations, so that the fake may stand in for it."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from tests.sinks.grafanas import Server

PATH = "/api/annotations"


async def make(grafana: Server, **changes: Any) -> int:
    body = {"time": 2000, "text": "a text", "tags": grafana.tags, **changes}
    status, created = await grafana.call("POST", PATH, json=body)
    assert (status, created["message"]) == (200, "Annotation added")
    return int(created["id"])


async def one(grafana: Server, number: int) -> dict[str, Any]:
    status, row = await grafana.call("GET", f"{PATH}/{number}")
    assert status == 200
    return dict(row)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"time": 2000}, (2000, 2000)),
        ({"time": 2000, "timeEnd": 3000}, (2000, 3000)),
        ({"time": 3000, "timeEnd": 2000}, (2000, 3000)),
    ],
    ids=["no end is a point", "a region", "reversed times are swapped"],
)
async def test_times(grafana: Server, given: dict[str, int], kept: tuple[int, int]) -> None:
    row = await one(grafana, await make(grafana, **given))
    assert (row["time"], row["timeEnd"]) == kept


async def test_patch_leaves_empty_text_and_zero_times_as_they_are(grafana: Server) -> None:
    number = await make(grafana, timeEnd=3000)
    await grafana.call("PATCH", f"{PATH}/{number}", json={"text": "", "time": 0, "timeEnd": 5000})
    row = await one(grafana, number)
    assert (row["text"], row["time"], row["timeEnd"]) == ("a text", 2000, 5000)
    assert set(row["tags"]) == set(grafana.tags)


async def test_put_without_tags_clears_them(grafana: Server) -> None:
    number = await make(grafana)
    await grafana.call("PUT", f"{PATH}/{number}", json={"text": "new", "time": 2000})
    row = await one(grafana, number)
    await grafana.call("DELETE", f"{PATH}/{number}")
    assert (row["text"], row["tags"] or []) == ("new", [])


async def test_an_unknown_dashboard_is_silently_the_organisation(grafana: Server) -> None:
    row = await one(grafana, await make(grafana, dashboardUID="nowhere"))
    assert not row.get("dashboardId")
    assert not row.get("dashboardUID")


async def test_tags_are_all_wanted_unless_any_is_asked_for(grafana: Server) -> None:
    number = await make(grafana, tags=[*grafana.tags, "a:1", "b"])
    query = [("tags", tag) for tag in (*grafana.tags, "a:2")]
    assert (await grafana.call("GET", PATH, params=query))[1] == []
    any_of = [("tags", "a:2"), ("tags", grafana.tags[1]), ("matchAny", "true")]
    assert [row["id"] for row in (await grafana.call("GET", PATH, params=any_of))[1]] == [number]
    by_key = [("tags", grafana.tags[1]), ("tags", "a")]
    assert [row["id"] for row in (await grafana.call("GET", PATH, params=by_key))[1]] == [number]


async def test_a_list_ends_at_100_unless_a_limit_says_otherwise(grafana: Server) -> None:
    for _ in range(101):
        await make(grafana)
    assert len(await grafana.rows()) == 100
    query = [("tags", grafana.tags[1]), ("limit", "500")]
    assert len((await grafana.call("GET", PATH, params=query))[1]) == 101
    for row in (await grafana.call("GET", PATH, params=query))[1][:50]:
        await grafana.call("DELETE", f"{PATH}/{row['id']}")


async def test_the_time_filter_needs_both_ends(grafana: Server) -> None:
    await make(grafana)
    for since, until, count in ((5000, 0, 1), (0, 1000, 1), (5000, 6000, 0), (1000, 6000, 1)):
        query = [("tags", grafana.tags[1]), ("from", str(since)), ("to", str(until))]
        assert len((await grafana.call("GET", PATH, params=query))[1]) == count, (since, until)


@pytest.mark.parametrize(
    "body",
    [
        {"time": 2000, "tags": []},
        {"time": 2000, "text": "t", "tags": ["x" * 80 + str(number) for number in range(9)]},
        {"time": 2000.5, "text": "t", "tags": []},
    ],
    ids=["no text", "tags over 500 characters", "time not a whole number"],
)
async def test_what_is_refused(grafana: Server, body: dict[str, Any]) -> None:
    status, _ = await grafana.call("POST", PATH, json=body)
    assert status == 400


async def test_a_missing_annotation_and_a_stranger(grafana: Server) -> None:
    number = await make(grafana)
    await grafana.call("DELETE", f"{PATH}/{number}")
    status, said = await grafana.call("PATCH", f"{PATH}/{number}", json={"text": "t"})
    assert status in (404, 500)
    if status == 500:
        assert "could not find annotation" in said["message"].lower()
    async with (
        aiohttp.ClientSession(headers={"Authorization": "Bearer wrong"}) as stranger,
        stranger.get(f"{grafana.url}{PATH}") as answer,
    ):
        assert answer.status == 401
