"""Listening: one address, from `serve` to the end of its block."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from anomalyd.address import is_loopback, parse_listen
from anomalyd.api.keys import ACCESS

_REASONS = {
    errno.EADDRINUSE: "something listens there already; stop it or choose another port",
    errno.EACCES: "listening there is not allowed; choose a port of 1024 or above",
    errno.EADDRNOTAVAIL: "this machine has no such address; choose one of its own",
}


class ApiError(Exception):
    """One sentence for the user: why the API cannot listen, and how to mend it."""


def checked(listen: str, token: str | None, setting: str) -> tuple[str, int]:
    """Host and port of an address to listen on. Raises ApiError, naming the setting."""
    try:
        host, port = parse_listen(listen)
    except ValueError as error:
        raise ApiError(f"{setting}: {error}") from None
    if not token and not is_loopback(host):
        raise ApiError(
            f"{setting}: {listen} reaches other machines; set api.token or listen on 127.0.0.1"
        )
    return host, port


@asynccontextmanager
async def serve(
    app: web.Application,
    listen: str,
    *,
    shutdown_seconds: float = 5.0,
    setting: str = "api.listen",
    inflate: bool = True,
) -> AsyncIterator[tuple[str, int]]:
    """Listen on `listen` within the block; yields the address, with the port that 0 became.

    At the end event streams are closed and other answers have `shutdown_seconds` to finish.
    inflate: bodies are given to handlers without their Content-Encoding. Raises ApiError when the
    address cannot be had, or reaches other machines without a token.
    """
    host, port = checked(listen, app[ACCESS].token, setting)
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=shutdown_seconds, auto_decompress=inflate
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except socket.gaierror as error:
            raise ApiError(
                f"{setting}: the name {host!r} is not known; write an address"
            ) from error
        except OSError as error:
            # Python 3.13 passes over addresses that are not the machine's, and then has no number.
            number = error.errno or errno.EADDRNOTAVAIL
            reason = _REASONS.get(number, error.strerror or str(error))
            raise ApiError(f"{setting}: {listen}: {reason}") from error
        address = runner.addresses[0]
        yield address[0], address[1]
    finally:
        await runner.cleanup()
