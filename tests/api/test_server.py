"""Listening, and what keeps it from coming about."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from anomalyd.api.access import Access
from anomalyd.api.app import create_app
from anomalyd.api.server import ApiError, serve


def app(daemon, token=None):
    return create_app(daemon, daemon.hub, Access("127.0.0.1:0", token))


async def test_it_answers_within_the_block_and_not_after_it(daemon):
    async with serve(app(daemon), "127.0.0.1:0") as (host, port), aiohttp.ClientSession() as http:
        response = await http.get(f"http://{host}:{port}/-/healthy")
        assert response.status == 200
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, port)


async def test_a_port_in_use_is_one_sentence(daemon):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ApiError) as error:
            async with serve(app(daemon), f"127.0.0.1:{port}"):
                pass
    assert str(error.value) == (
        f"api.listen: 127.0.0.1:{port}: something listens there already; stop it or choose "
        "another port"
    )


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
async def test_an_address_that_others_reach_needs_a_token(daemon, listen):
    with pytest.raises(ApiError, match=r"reaches other machines; set api\.token or listen on 127"):
        async with serve(app(daemon), listen):
            pass


async def test_an_address_of_another_machine_is_named_once_there_is_a_token(daemon):
    with pytest.raises(ApiError, match=r"192\.0\.2\.1:0: this machine has no such address; choose"):
        async with serve(app(daemon, "t"), "192.0.2.1:0"):
            pass


async def test_a_name_that_is_unknown_is_named(daemon):
    with pytest.raises(ApiError, match=r"the name 'no-such-host.invalid' is not known; write an"):
        async with serve(app(daemon, "t"), "no-such-host.invalid:0"):
            pass


async def test_an_address_that_is_none_is_named(daemon):
    with pytest.raises(ApiError, match=r"api\.listen: 'nonsense' is not an address; write host"):
        async with serve(app(daemon), "nonsense"):
            pass
