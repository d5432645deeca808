"""What the API and the receivers of pushed data say to one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Post:
    """One body as it came. environment: what the path says, '' where it says nothing.

    headers: names in lower case. received_at: unix seconds.
    """

    environment: str
    headers: Mapping[str, str]
    body: bytes
    received_at: float


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a post that was taken, or that its protocol refuses in its own words."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_type: str = "text/plain"


class Refused(Exception):
    """A post that is refused in the API's words: HTTP status, a code, a sentence.

    Senders drop what is answered 4xx and send again what is answered 503, after `retry_after`
    seconds.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        retry_after: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        if retry_after:
            self.headers["Retry-After"] = str(retry_after)


class Receiver(Protocol):
    """Takes what is pushed by one protocol, of all environments that are configured for it.

    body_limit: bytes of a body as it is sent. `receive` is synchronous and quick: when it returns,
    the samples are where the next tick finds them. It raises `Refused`.
    """

    body_limit: int

    def receive(self, post: Post) -> Reply: ...
