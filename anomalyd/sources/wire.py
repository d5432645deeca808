"""The protobuf messages of remote_write, as far as they are read.

Sources: prompb/remote.proto, prompb/types.proto and prompb/io/prometheus/write/v2/types.proto of
Prometheus. No compiler is needed: the descriptors are made here.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_F = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "double": _F.TYPE_DOUBLE,
    "int32": _F.TYPE_INT32,
    "int64": _F.TYPE_INT64,
    "uint32": _F.TYPE_UINT32,
    "uint64": _F.TYPE_UINT64,
    "sint32": _F.TYPE_SINT32,
    "sint64": _F.TYPE_SINT64,
    "string": _F.TYPE_STRING,
    "bytes": _F.TYPE_BYTES,
}

_HISTOGRAM = {
    "BucketSpan": ("1 sint32 offset", "2 uint32 length"),
    "Histogram": (
        "1 uint64 count_int",
        "2 double count_float",
        "3 double sum",
        "4 sint32 schema",
        "5 double zero_threshold",
        "6 uint64 zero_count_int",
        "7 double zero_count_float",
        "8 *BucketSpan negative_spans",
        "9 *sint64 negative_deltas",
        "10 *double negative_counts",
        "11 *BucketSpan positive_spans",
        "12 *sint64 positive_deltas",
        "13 *double positive_counts",
        "14 int32 reset_hint",
        "15 int64 timestamp",
        "16 *double custom_values",
    ),
}

_WRITE_1 = {
    "Label": ("1 string name", "2 string value"),
    "Sample": ("1 double value", "2 int64 timestamp"),
    "Exemplar": ("1 *Label labels", "2 double value", "3 int64 timestamp"),
    **_HISTOGRAM,
    "TimeSeries": (
        "1 *Label labels",
        "2 *Sample samples",
        "3 *Exemplar exemplars",
        "4 *Histogram histograms",
    ),
    "WriteRequest": ("1 *TimeSeries timeseries",),
    "Slices": ("1 *bytes timeseries",),
    "Named": ("1 *Label labels",),
}
"""Per message its fields: number, type (`*` before it: repeated), name. `Slices` is a WriteRequest
whose series are left as they came, `Named` a TimeSeries of which only labels are known."""

_WRITE_2 = {
    "Sample": ("1 double value", "2 int64 timestamp"),
    "Exemplar": ("1 *uint32 labels_refs", "2 double value", "3 int64 timestamp"),
    **_HISTOGRAM,
    "TimeSeries": (
        "1 *uint32 labels_refs",
        "2 *Sample samples",
        "3 *Histogram histograms",
        "4 *Exemplar exemplars",
    ),
    "Request": ("4 *bytes symbols", "5 *TimeSeries timeseries"),
}


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


WRITE_1: dict[str, Any] = _file("anomalyd.write1", _WRITE_1)
WRITE_2: dict[str, Any] = _file("anomalyd.write2", _WRITE_2)
