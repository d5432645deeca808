"""Is the certificate of an address valid, for its host, and for how much longer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anomalyd.http import NETWORK_ERRORS

DAY = 86400.0

# Codes of X509_V_ERR_* (OpenSSL, x509_vfy.h).
_NOT_YET, _EXPIRED, _HOST, _ADDRESS = 9, 10, 62, 64
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to, and the name that the certificate must be for."""

    host: str
    port: int
    name: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Certificate:
    """valid_until: unix seconds, None where it was refused. trouble: why it is no good, a sentence;
    mend: what to do then. away: there was no handshake at all, which says nothing of it."""

    valid_until: float | None
    trouble: str = ""
    mend: str = ""
    away: bool = False


async def look(address: Address, context: ssl.SSLContext, timeout: float) -> Certificate:
    """One handshake, as a client that verifies makes it; nothing is sent."""
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(
                address.host, address.port, ssl=context, server_hostname=address.name
            )
    except ssl.SSLCertVerificationError as error:
        return _refused(address, error)
    except NETWORK_ERRORS as error:
        return Certificate(None, f"no TLS handshake with {address}: {_said(error)}", away=True)
    found = writer.get_extra_info("peercert")
    # Its goodbye is not waited for: some servers never answer it.
    writer.transport.abort()
    return Certificate(ssl.cert_time_to_seconds(found["notAfter"]) if found else None)


def remaining(address: Address, found: Certificate, now: float, least_days: float) -> Certificate:
    """The same, with the trouble that it is to expire within `least_days`."""
    if found.trouble or found.valid_until is None:
        return found
    left = (found.valid_until - now) / DAY
    if left >= least_days:
        return found
    trouble = (
        f"the certificate of {address} expires in {left:.3g} days; at least {least_days:g} are "
        "required"
    )
    return Certificate(found.valid_until, trouble, "renew it")


def _refused(address: Address, error: ssl.SSLCertVerificationError) -> Certificate:
    whose, code = f"the certificate of {address}", error.verify_code
    if code == _EXPIRED:
        return Certificate(None, f"{whose} has expired", "renew it")
    if code == _NOT_YET:
        return Certificate(None, f"{whose} is not valid yet", "correct its dates, or the clock")
    if code in (_HOST, _ADDRESS):
        said = f"{whose} is not for {address.name}"
        return Certificate(None, said, f"issue one that names {address.name}")
    if code in _UNKNOWN_ISSUER:
        said = f"{whose} is signed by nobody who is trusted ({error.verify_message})"
        return Certificate(None, said, "set tls.ca_file of the probe, or let it be signed")
    said = f"{whose} is not valid ({error.verify_message})"
    return Certificate(None, said, "replace it")


def subject_names(found: dict[str, Any]) -> Sequence[str]:
    """Names that a certificate is for, as `ssl.SSLSocket.getpeercert` tells them."""
    return [value for _, value in found.get("subjectAltName", ())]


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)[:200]
