"""One way to reach an HTTP system: authentication, TLS, headers and time limit of an `Endpoint`."""

from __future__ import annotations

import ssl

import aiohttp

from anomalyd.config import Endpoint, Tls

NETWORK_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)
"""What a server or the way to it may do to us; anything else is a bug of ours."""


def session(endpoint: Endpoint) -> aiohttp.ClientSession:
    """A session for `endpoint`; secrets are read from their files here, once per session."""
    headers = dict(endpoint.headers)
    authorization = endpoint.auth.authorization()
    if authorization:
        headers["Authorization"] = authorization
    return aiohttp.ClientSession(
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=endpoint.timeout),
        connector=aiohttp.TCPConnector(ssl=ssl_context(endpoint.tls), limit=20),
    )


def ssl_context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    return context
