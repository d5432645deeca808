"""The protobuf messages of remote_write 1.0, as far as they are read.

Sources: prompb/remote.proto and prompb/types.proto of Prometheus.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_F = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "double": _F.TYPE_DOUBLE,
    "int64": _F.TYPE_INT64,
    "string": _F.TYPE_STRING,
    "bytes": _F.TYPE_BYTES,
}

_MESSAGES = {
    "Label": ("1 string name", "2 string value"),
    "Sample": ("1 double value", "2 int64 timestamp"),
    "TimeSeries": ("1 *Label labels", "2 *Sample samples"),
    "WriteRequest": ("1 *TimeSeries timeseries",),
}
"""Per message its fields: number, type (`*` before it: repeated), name."""


def _file(package: str, messages: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """The classes of `messages`, which are known to one another alone."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.proto", package=package, syntax="proto3"
    )
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field in fields:
            number, kind, called = field.split()
            made = message.field.add(name=called, number=int(number))
            made.label = _F.LABEL_REPEATED if kind.startswith("*") else _F.LABEL_OPTIONAL
            kind = kind.removeprefix("*")
            if kind in _TYPES:
                made.type = _TYPES[kind]
            else:
                made.type, made.type_name = _F.TYPE_MESSAGE, f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in messages
    }


WRITE_1: dict[str, Any] = _file("anomalyd.write1", _MESSAGES)
