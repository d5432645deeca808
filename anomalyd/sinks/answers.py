"""HTTP answers as a `Result`: what is delivered, what is worth another try, what never will be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from anomalyd import http
from anomalyd.config import Endpoint
from anomalyd.sinks.base import Result, SinkError

BODY_LIMIT = 4 * 2**20
DETAIL_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer; `text` holds at most `BODY_LIMIT` bytes of it."""

    status: int
    text: str
    headers: Mapping[str, str]

    def json(self) -> Any:
        """The decoded body, or None where it is not JSON."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None


def open_session(endpoint: Endpoint, where: str) -> aiohttp.ClientSession:
    """A session for the sink configured at `where`; raises SinkError if a file cannot be read."""
    try:
        return http.session(endpoint)
    except OSError as error:
        raise SinkError(f"{where}: {error.filename or 'a TLS file'}: {error.strerror}") from error


async def ask(session: aiohttp.ClientSession, method: str, url: str, **options: Any) -> Answer:
    """One request, redirects not followed; raises `http.NETWORK_ERRORS`."""
    async with session.request(method, url, allow_redirects=False, **options) as response:
        body = bytearray()
        async for chunk in response.content.iter_chunked(65536):
            body += chunk
            if len(body) >= BODY_LIMIT:
                break
        text = bytes(body[:BODY_LIMIT]).decode(errors="replace")
        return Answer(response.status, text, response.headers)


def judge(answer: Answer, now: float) -> Result:
    """2xx is delivered; 408, 429 and 5xx deserve another try; anything else is refused."""
    status = answer.status
    if 200 <= status < 300:
        return Result(ok=True, status=status)
    said = " ".join(answer.text.split())[:DETAIL_LIMIT]
    detail = f"answered {status}" + (f": {said}" if said else "")
    if status in (408, 429) or status >= 500:
        return Result(False, True, detail, retry_after(answer.headers, now), status)
    if 300 <= status < 400:
        target = answer.headers.get("Location", "elsewhere")
        detail = f"answered {status}, a redirect to {target}: set url to the final address"
    return Result(False, False, detail, status=status)


def unreachable(error: BaseException) -> Result:
    """A network error (`http.NETWORK_ERRORS`): always worth another try."""
    why = "no answer in time" if isinstance(error, TimeoutError) else str(error)
    return Result(False, True, f"cannot be reached: {why or type(error).__name__}")


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds of a Retry-After header, a number or an HTTP date (RFC 9110, 10.2.3), if any."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware: datetime = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - now)
