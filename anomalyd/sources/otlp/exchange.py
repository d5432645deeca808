"""What requests and answers of OTLP have in common, whatever is in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

import msgspec

from anomalyd.model import Environment, Labels
from anomalyd.protobuf import message_classes
from anomalyd.push import Post, Refused, Reply
from anomalyd.sources.otlp.gzip import TooLarge, inflated

PROTOBUF, JSON = "application/x-protobuf", "application/json"

_ENVIRONMENT = ("deployment_environment_name", "deployment_environment")

_Response = message_classes(
    "anomalyd.otlp.response",
    {
        "Response": {"partial_success": (1, "PartialSuccess")},
        "PartialSuccess": {"rejected": (1, "int64"), "error_message": (2, "string")},
    },
)["Response"]
"""ExportTraceServiceResponse and ExportMetricsServiceResponse, which are alike."""


def form_of(post: Post) -> str:
    """PROTOBUF or JSON. Raises Refused."""
    form = post.headers.get("content-type", "").partition(";")[0].strip().lower()
    if form not in (PROTOBUF, JSON):
        raise Refused(
            415, "content_type", f"Content-Type is {form or 'missing'}; send {PROTOBUF} or {JSON}"
        )
    return form


def plain(post: Post, limit: int) -> bytes:
    """The body, inflated to `limit` bytes at most. Raises Refused."""
    encoding = post.headers.get("content-encoding", "identity").lower()
    if encoding in ("identity", ""):
        return post.body
    if encoding != "gzip":
        raise Refused(415, "encoding", f"Content-Encoding is {encoding}; send gzip or none")
    try:
        return inflated(post.body, limit)
    except TooLarge:
        raise Refused(
            413, "body_too_large", f"the body is over {limit} bytes once inflated; raise body_limit"
        ) from None
    except ValueError as error:
        raise Refused(400, "bad_body", f"the body is no gzip: {error}") from None


def of_path(environment: str, names: Collection[Environment]) -> list[Environment]:
    """The environments behind a path. Raises Refused."""
    found = [name for name in names if environment in ("", name)]
    if not found:
        paths = " or ".join(f"/{name}" for name in names)
        raise Refused(404, "unknown_environment", f"nothing is received there; send to {paths}")
    return found


def environment_of(resource: Labels) -> str:
    return next((resource.get(name) for name in _ENVIRONMENT if resource.get(name)), "")


def answer(
    form: str, refused: Counter[str], sentences: Mapping[str, str], what: str, field: str
) -> Reply:
    """The response; field: of its JSON, that says how many were rejected."""
    rejected = refused.total()
    reasons = [f"{count}: {sentences[reason]}" for reason, count in refused.most_common()]
    message = f"refused {what}: " + "; ".join(reasons)
    if form == JSON:
        partial = {field: str(rejected), "errorMessage": message}
        body = msgspec.json.encode({"partialSuccess": partial} if rejected else {})
        return Reply(200, body=body, content_type=JSON)
    response = _Response()
    if rejected:
        response.partial_success.rejected = rejected
        response.partial_success.error_message = message
    return Reply(200, body=response.SerializeToString(), content_type=PROTOBUF)
