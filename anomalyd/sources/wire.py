"""The protobuf messages of remote_write, as far as they are read.

Sources: prompb/remote.proto, prompb/types.proto and prompb/io/prometheus/write/v2/types.proto of
Prometheus.
"""

from __future__ import annotations

from anomalyd.protobuf import Fields, message_classes

_SAMPLE: Fields = {"value": (1, "double"), "timestamp": (2, "int64")}
_HISTOGRAM: dict[str, Fields] = {
    "BucketSpan": {"offset": (1, "sint32"), "length": (2, "uint32")},
    "Histogram": {
        "count_int": (1, "uint64"),
        "count_float": (2, "?double"),
        "sum": (3, "double"),
        "schema": (4, "sint32"),
        "zero_threshold": (5, "double"),
        "zero_count_int": (6, "uint64"),
        "zero_count_float": (7, "double"),
        "negative_spans": (8, "BucketSpan*"),
        "negative_deltas": (9, "sint64*"),
        "negative_counts": (10, "double*"),
        "positive_spans": (11, "BucketSpan*"),
        "positive_deltas": (12, "sint64*"),
        "positive_counts": (13, "double*"),
        "reset_hint": (14, "int32"),
        "timestamp": (15, "int64"),
        "custom_values": (16, "double*"),
    },
}

WRITE_1 = message_classes(
    "anomalyd.write1",
    {
        "Label": {"name": (1, "string"), "value": (2, "string")},
        "Sample": _SAMPLE,
        "Exemplar": {"labels": (1, "Label*"), "value": (2, "double"), "timestamp": (3, "int64")},
        **_HISTOGRAM,
        "TimeSeries": {
            "labels": (1, "Label*"),
            "samples": (2, "Sample*"),
            "exemplars": (3, "Exemplar*"),
            "histograms": (4, "Histogram*"),
        },
        "Metadata": {
            "type": (1, "int32"),
            "metric_family_name": (2, "string"),
            "help": (4, "string"),
            "unit": (5, "string"),
        },
        "WriteRequest": {"timeseries": (1, "TimeSeries*"), "metadata": (3, "Metadata*")},
        "Slices": {"timeseries": (1, "bytes*"), "metadata": (3, "bytes*")},
        "Named": {"labels": (1, "Label*")},
    },
)
"""`Slices` is a WriteRequest whose series are left as they came, `Named` a TimeSeries of which only
labels are known."""

WRITE_2 = message_classes(
    "anomalyd.write2",
    {
        "Sample": _SAMPLE,
        "Exemplar": {
            "labels_refs": (1, "uint32*"),
            "value": (2, "double"),
            "timestamp": (3, "int64"),
        },
        **_HISTOGRAM,
        "Metadata": {"type": (1, "int32"), "help_ref": (3, "uint32"), "unit_ref": (4, "uint32")},
        "TimeSeries": {
            "labels_refs": (1, "uint32*"),
            "samples": (2, "Sample*"),
            "histograms": (3, "Histogram*"),
            "exemplars": (4, "Exemplar*"),
            "metadata": (5, "Metadata"),
        },
        "Request": {"symbols": (4, "bytes*"), "timeseries": (5, "TimeSeries*")},
    },
)
