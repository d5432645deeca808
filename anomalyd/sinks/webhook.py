"""Notices as signed JSON to any HTTP receiver; the shape is that of `payload.py`.

`X-Anomalyd-Delivery` is the same over all attempts of one notice, so that a receiver can drop
repeats. With a token, `X-Anomalyd-Signature: sha256=<hex>` is HMAC-SHA256 (RFC 2104) of
`<X-Anomalyd-Timestamp>.<body>`; the timestamp is that of the attempt, in unix seconds, so that
a receiver can refuse an old one.
"""

from __future__ import annotations

import hashlib
import hmac
import json

import aiohttp

from anomalyd import config, http
from anomalyd.sinks import answers
from anomalyd.sinks.base import OK, Context, Notice, Result, SinkError
from anomalyd.sinks.payload import payload


class Webhook:
    """Delivered is what is answered 2xx; redirects are not followed."""

    name = "webhook"
    every: float | None = None

    def __init__(self, settings: config.WebhookSink, context: Context) -> None:
        self._settings = settings
        self._clock = context.clock
        self._key: bytes | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        try:
            secret = self._settings.secret()
        except OSError as error:
            raise SinkError(f"sinks.webhook.token_file: {error.strerror}") from error
        self._key = secret.encode() if secret else None
        self._session = answers.open_session(self._settings, "sinks.webhook")

    async def deliver(self, notice: Notice) -> Result:
        if self._session is None:
            raise RuntimeError("start was not awaited")
        body = json.dumps(payload(notice), allow_nan=False, separators=(",", ":")).encode()
        try:
            answer = await answers.ask(
                self._session, "POST", self._settings.url, data=body, headers=self._headers(body)
            )
        except http.NETWORK_ERRORS as error:
            return answers.unreachable(error)
        return answers.judge(answer, self._clock())

    async def refresh(self, now: float) -> Result:
        return OK

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _headers(self, body: bytes) -> dict[str, str]:
        timestamp = str(int(self._clock()))
        headers = {
            "Content-Type": "application/json",
            "X-Anomalyd-Delivery": hashlib.sha256(body).hexdigest()[:32],
            "X-Anomalyd-Timestamp": timestamp,
        }
        if self._key is not None:
            headers["X-Anomalyd-Signature"] = signature(self._key, timestamp, body)
        return headers


def signature(key: bytes, timestamp: str, body: bytes) -> str:
    """The value of `X-Anomalyd-Signature`."""
    digest = hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"
