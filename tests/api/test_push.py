"""What is pushed, over HTTP."""

from __future__ import annotations

import aiohttp
import pytest

from anomalyd.push import Post, Refused, Reply
from tests.api.daemon import served
from tests.fakes.sender import HEADERS


class Receiver:
    body_limit = 100

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.refusal: Refused | None = None

    def receive(self, post: Post) -> Reply:
        self.posts.append(post)
        if self.refusal:
            raise self.refusal
        return Reply(204, {"X-Written": "3"})


def post(api, path, **options):
    return api.http.post(api.url + path, **options)


@pytest.fixture
def receiver(daemon):
    daemon.receivers["remote_write"] = made = Receiver()
    return made


@pytest.mark.parametrize(
    ("path", "environment"),
    [
        ("/api/v1/write", ""),
        ("/api/v1/write/staging", "staging"),
        ("/api/v1/write/production", "production"),
    ],
)
async def test_a_body_reaches_its_receiver_whole(api, daemon, receiver, path, environment):
    async with post(api, path, data=b"\x00\xff", headers=HEADERS) as response:
        assert (response.status, response.headers["X-Written"]) == (204, "3")
    (one,) = receiver.posts
    assert (one.environment, one.body) == (environment, b"\x00\xff")
    assert one.headers["content-encoding"] == "snappy"
    assert one.received_at == daemon.now()


async def test_a_body_over_the_limit_is_refused_before_anybody_reads_it(api, receiver):
    async with api.http.post(
        api.url + "/api/v1/write", data=bytes(101), headers=HEADERS
    ) as response:
        assert response.status == 413
        assert "raise remote_write.body_limit" in (await response.json())["error"]["message"]
    assert receiver.posts == []


async def test_a_refusal_says_when_to_come_again(api, receiver):
    receiver.refusal = Refused(503, "busy", "too much at once", retry_after=2)
    async with post(api, "/api/v1/write", data=b"x", headers=HEADERS) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "2")


async def test_what_nobody_receives_is_not_found_and_what_is_not_ready_comes_again(api, daemon):
    async with post(api, "/api/v1/write", data=b"x", headers=HEADERS) as response:
        assert response.status == 404
        assert "set environments.staging.remote_write" in await response.text()
    daemon.receivers = None
    async with post(api, "/api/v1/write", data=b"x", headers=HEADERS) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "5")


async def test_a_form_of_a_page_is_no_push(api, receiver):
    headers = {"Content-Type": "text/plain"}
    async with post(api, "/api/v1/write", data=b"x", headers=headers) as response:
        assert response.status == 415
    headers = {**HEADERS, "Origin": "http://evil.example"}
    async with post(api, "/api/v1/write", data=b"x", headers=headers) as response:
        assert response.status == 403
    assert receiver.posts == []


async def test_a_token_is_asked_for_as_everywhere(daemon, receiver):
    async with served(daemon, token="s3cret") as api:
        async with post(api, "/api/v1/write", data=b"x", headers=HEADERS) as response:
            assert response.status == 401
        with_token = {**HEADERS, "Authorization": "Bearer s3cret"}
        async with api.http.post(
            api.url + "/api/v1/write", data=b"x", headers=with_token
        ) as response:
            assert response.status == 204


async def test_a_body_that_breaks_off_reaches_nobody(api, receiver):
    async def half():
        yield b"x"
        raise aiohttp.ClientPayloadError("gone")

    with pytest.raises(aiohttp.ClientError):
        await post(api, "/api/v1/write", data=half(), headers=HEADERS)
    assert receiver.posts == []
