"""google.rpc.Status: how OTLP's servers say that something was refused, by HTTP and by gRPC."""

from __future__ import annotations

from enum import IntEnum

from anomalyd.api.errors import Refusal
from anomalyd.protobuf import message_classes

_CLASSES = message_classes(
    "anomalyd.rpc",
    {
        "Status": {"code": (1, "int32"), "message": (2, "string"), "details": (3, "Any*")},
        "Any": {"type_url": (1, "string"), "value": (2, "bytes")},
        "RetryInfo": {"retry_delay": (1, "Duration")},
        "Duration": {"seconds": (1, "int64")},
    },
)
_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


class Code(IntEnum):
    """google/rpc/code.proto."""

    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


_OF_STATUS = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    405: Code.UNIMPLEMENTED,
    413: Code.INVALID_ARGUMENT,
    415: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    503: Code.UNAVAILABLE,
}


def code_of(refusal: Refusal) -> Code:
    return _OF_STATUS.get(refusal.status, Code.UNKNOWN)


def status(refusal: Refusal) -> bytes:
    """The Status in protobuf; with a RetryInfo where the refusal says when to come again."""
    made = _CLASSES["Status"](code=code_of(refusal), message=refusal.message)
    wait = refusal.headers.get("Retry-After")
    if wait is not None:
        info = _CLASSES["RetryInfo"]()
        info.retry_delay.seconds = int(wait)
        made.details.add(type_url=_RETRY_INFO, value=info.SerializeToString())
    return bytes(made.SerializeToString())
