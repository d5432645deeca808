"""One way to reach an HTTP system: authentication, TLS, headers and time limit of an `Endpoint`."""

from __future__ import annotations

import ssl
from email.utils import parsedate_to_datetime

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
        connector=aiohttp.TCPConnector(ssl=_verification(endpoint.tls), limit=20),
    )


def _verification(tls: Tls) -> ssl.SSLContext | bool:
    """True is the system's own authorities, which aiohttp has read already: 25 ms each time."""
    return True if tls == Tls() else ssl_context(tls)


def ssl_context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    return context


def reason(error: Exception) -> str:
    """Why there is no answer, in the words of the system as far as it has any."""
    cause = getattr(error, "os_error", None) or error
    return str(getattr(cause, "strerror", None) or cause or type(error).__name__)[:200]


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds of a Retry-After header, which is a number or an HTTP date (RFC 9110, 10.2.3)."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now)
    except ValueError:
        return None
