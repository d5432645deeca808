"""Who may ask what: tokens, this machine, names that lead here, and pages of others."""

from __future__ import annotations

import asyncio
import io

import aiohttp
import pytest
from aiohttp import web

from anomalyd import config
from anomalyd.address import is_loopback, parse_listen
from anomalyd.api.access import Access, guard
from anomalyd.api.errors import refusals
from anomalyd.api.keys import ACCESS
from anomalyd.api.server import serve
from tests.api.daemon import served

TOKEN = "s3cret-ключ"
LISTEN = "127.0.0.1:8642"
RUN = {"name": "nightly"}


@pytest.fixture
async def locked(daemon):
    async with served(daemon, TOKEN) as running:
        yield running


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready", "/metrics"])
async def test_probes_and_scrapers_need_no_token(locked, path):
    status, _ = await locked.call("GET", path)
    assert status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/runs/r1"),
        ("GET", "/api/v1/runs"),
        ("POST", "/api/v1/runs"),
        ("GET", "/api/v1/runs/r1/events"),
        ("GET", "/api/v1/runs/r1/report.html"),
        ("DELETE", "/api/v1/silences/a"),
        ("POST", "/-/reload"),
        ("POST", "/metrics"),
        ("GET", "/nowhere"),
    ],
)
async def test_everything_else_needs_the_token(locked, method, path):
    status, body = await locked.call(method, path)
    assert (status, body["error"]["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
    ],
)
async def test_a_wrong_token_is_refused(locked, authorization):
    status, body = await locked.call(
        "GET", "/api/v1/runs", headers={"Authorization": authorization}
    )
    assert status == 401
    assert "Authorization: Bearer" in body["error"]["message"]


async def test_a_token_of_strange_bytes_is_refused_and_not_a_crash(locked):
    reader, writer = await asyncio.open_connection("127.0.0.1", locked.port)
    writer.write(
        b"GET /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \xff\xfe\r\n\r\n"
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 401")
    writer.close()
    await writer.wait_closed()


async def test_the_token_opens_from_any_name(locked):
    headers = bearer(TOKEN) | {"Host": "anomalyd.example.com"}
    status, _ = await locked.call("GET", "/api/v1/runs", headers=headers)
    assert status == 200
    status, _ = await locked.call("POST", "/api/v1/runs", RUN, headers=headers)
    assert status == 201


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8642", 200),
        ("localhost:9", 200),
        ("LOCALHOST", 200),
        ("[::1]:8642", 200),
        ("127.1.2.3", 200),
        ("evil.example.com", 403),
        ("localhost.evil.example.com", 403),
        ("192.168.0.7:8642", 403),
        ("[::1", 403),
    ],
)
async def test_without_a_token_the_name_must_lead_to_this_machine(api, host, status):
    answered, body = await api.call("GET", "/api/v1/runs", headers={"Host": host})
    assert answered == status
    if status == 403:
        assert body["error"]["code"] == "host_refused"


@pytest.mark.parametrize(
    ("method", "remote", "status"),
    [
        ("GET", "10.0.0.7", 200),
        ("POST", "10.0.0.7", 403),
        ("DELETE", "10.0.0.7", 403),
        ("POST", "127.0.0.1", 200),
        ("POST", "::1", 200),
        ("POST", "::ffff:127.0.0.1", 200),
        ("POST", "::ffff:10.0.0.7", 403),
        ("POST", "", 403),
    ],
)
async def test_without_a_token_only_this_machine_changes_anything(method, remote, status):
    @web.middleware
    async def from_elsewhere(request, handler):
        return await handler(request.clone(remote=remote))

    async def fine(_):
        return web.Response()

    app = web.Application(middlewares=[refusals, from_elsewhere, guard(Access(LISTEN))])
    app.router.add_route("*", "/x", fine)
    app[ACCESS] = Access(LISTEN)
    async with (
        serve(app, "127.0.0.1:0") as (host, port),
        aiohttp.request(method, f"http://{host}:{port}/x") as response,
    ):
        assert response.status == status


async def test_the_address_listened_on_is_a_name_of_ours(daemon):
    async with served(daemon, listen="Loadtest.internal:8642") as running:
        for host, status in (("loadtest.internal:8642", 200), ("other.internal:8642", 403)):
            answered, _ = await running.call("GET", "/api/v1/runs", headers={"Host": host})
            assert answered == status


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://evil.example.com", 403),
        ("null", 403),
        ("http://127.0.0.1:1", 403),
        ("https://anomalyd.example.com", 201),
        (None, 201),
    ],
)
async def test_a_page_of_another_origin_changes_nothing(daemon, token, origin, status):
    async with served(daemon, token, external_url="https://anomalyd.example.com") as running:
        headers = {"Origin": origin} if origin else {}
        headers |= bearer(token) if token else {}
        answered, body = await running.call("POST", "/api/v1/runs", RUN, headers=headers)
        assert answered == status
        if status == 403:
            assert body["error"]["code"] == "cross_origin"
            assert daemon.lifecycle.runs == []


async def test_our_own_page_may_make_changes(api):
    status, _ = await api.call("POST", "/api/v1/runs", RUN, headers={"Origin": api.url})
    assert status == 201


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
async def test_what_a_form_can_send_is_refused(api, content_type):
    headers = {"Content-Type": content_type}
    data = io.BytesIO(b'{"name": "nightly"}')
    status, body = await api.call("POST", "/api/v1/runs", data=data, headers=headers)
    assert (status, body["error"]["code"]) == (415, "json_required")
    assert api.daemon.lifecycle.runs == []


async def test_an_empty_token_opens_nothing(daemon):
    async with served(daemon, "") as running:
        headers = {"Host": "evil.example.com", "Authorization": "Bearer "}
        status, _ = await running.call("GET", "/api/v1/runs", headers=headers)
        assert status == 403


async def test_an_unknown_path_is_json_with_its_place(api):
    status, body = await api.call("GET", "/api/v2/runs")
    assert (status, body["error"]["code"]) == (404, "unknown_route")
    assert body["error"]["message"] == "there is no /api/v2/runs; see docs/api.md"


async def test_a_wrong_method_says_which_are_right(api):
    async with api.http.put(f"{api.url}/api/v1/runs") as response:
        body = await response.json()
        assert (response.status, body["error"]["code"]) == (405, "method_not_allowed")
        assert body["error"]["message"] == "PUT is not for /api/v1/runs; use GET, HEAD, POST"
        assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.1.1.1", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_which_hosts_are_this_machine_alone(host, loopback):
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("listen", ["8642", ":8642", "host:", "host:65536", "host:x", "host:²"])
def test_an_address_that_is_none_is_named(listen):
    with pytest.raises(ValueError, match="is not an address; write host:port"):
        parse_listen(listen)


def test_an_address_in_brackets_is_read():
    assert parse_listen("[::1]:80") == ("::1", 80)


@pytest.mark.parametrize(
    ("api", "error"),
    [
        ({"listen": "127.0.0.1:1"}, None),
        ({"listen": "[::1]:1"}, None),
        ({"listen": "localhost:1"}, None),
        ({"listen": "0.0.0.0:1", "token": "t"}, None),
        ({"listen": "0.0.0.0:1", "token_file": "/run/token"}, None),
        (
            {"listen": "0.0.0.0:1"},
            "api: listen 0.0.0.0:1 reaches other machines; set token (or token_file), or listen "
            "on 127.0.0.1",
        ),
        ({"listen": "[::]:1", "token": ""}, "api: listen [::]:1 reaches other machines; set"),
        (
            {"listen": "127.0.0.1:99999"},
            "api: '127.0.0.1:99999' is not an address; write host:port, the port up to 65535",
        ),
    ],
)
def test_the_config_refuses_an_open_door(api, error):
    tree = {"environments": {"staging": {"url": "http://localhost:9090"}}, "api": api}
    if error is None:
        assert config.parse(tree).api.listen == api["listen"]
        return
    with pytest.raises(config.ConfigError) as raised:
        config.parse(tree)
    assert str(raised.value).startswith(error)
