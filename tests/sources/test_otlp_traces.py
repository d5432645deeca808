"""OTLP bodies become the spans that a slow reading by the official classes finds in them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from anomalyd.sources.otlp.traces import Decoder, Malformed
from tests.sources.otlp_bodies import (
    NOW,
    as_json,
    body,
    naive,
    records,
    request,
    requests,
    span,
    text,
)


@settings(deadline=None, max_examples=50)
@given(requests())
def test_protobuf_and_json_give_what_the_official_classes_do(message):
    expected, refused = naive(message)
    for found in (
        Decoder().protobuf(message.SerializeToString(), NOW),
        Decoder().json(as_json(message), NOW),
    ):
        assert records(found.spans) == expected
        assert found.refused.total() == refused


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_body_that_was_cut_or_changed_is_refused_or_read_and_never_crashes(data):
    whole = body(span(1, attributes=[text("http.route", "/a")]), span(2), span(3))
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = data.draw(
        st.sampled_from(
            [whole[:place], whole[:place] + bytes([whole[place] ^ 0x81]) + whole[place + 1 :]]
        )
    )
    assert read_or_refused(Decoder().protobuf, changed) <= 3


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_json_that_was_cut_or_changed_is_refused_or_read_and_never_crashes(data):
    whole = as_json(request(span(1, attributes=[text("http.route", "/a")]), span(2)))
    place = data.draw(st.integers(0, len(whole) - 1))
    new = data.draw(st.sampled_from([b"", b'"', b"9", b"[", b"}", b"\xff", b"null"]))
    assert read_or_refused(Decoder().json, whole[:place] + new + whole[place + 1 :]) <= 2


def read_or_refused(read, changed):
    """How many spans were found in a body, good and bad; none if it was refused as a whole."""
    try:
        found = read(changed, NOW)
    except Malformed:
        return 0
    return len(found.spans) + found.refused.total()


def start_of(n: int) -> int:
    return span(n).start_time_unix_nano


BAD = [
    pytest.param({"trace_id": b"\1" * 15}, "trace_id", id="a trace id of another length"),
    pytest.param({"trace_id": bytes(16)}, "trace_id", id="a trace id of zeros"),
    pytest.param({"span_id": b"\1" * 9}, "span_id", id="a span id of another length"),
    pytest.param({"span_id": bytes(8)}, "span_id", id="a span id of zeros"),
    pytest.param({"parent_span_id": b"\1"}, "parent_id", id="a parent id of another length"),
    pytest.param({"parent_span_id": span(2).span_id}, "parent_id", id="a parent that is itself"),
    pytest.param({"start_time_unix_nano": 0}, "time", id="no start"),
    pytest.param({"end_time_unix_nano": start_of(2) - 1}, "time", id="an end before the start"),
    pytest.param({"end_time_unix_nano": int(NOW + 601) * 10**9}, "future", id="a future end"),
    pytest.param({"end_time_unix_nano": 2**64 - 1}, "future", id="an end past what fits"),
    pytest.param({"name": "n" * 5000}, "too_long", id="an endless name"),
    pytest.param(
        {"attributes": [text("http.route", "/" * 10_000_000)]}, "too_long", id="a route of 10 MB"
    ),
]


@pytest.mark.parametrize("form", ["protobuf", "json"])
@pytest.mark.parametrize(("fields", "fault"), BAD)
def test_a_bad_span_is_counted_and_refused_and_the_others_are_kept(form, fields, fault):
    message = request(span(1), span(2, **fields), span(3))
    read = {"protobuf": message.SerializeToString, "json": lambda: as_json(message)}[form]
    found = getattr(Decoder(), form)(read(), NOW)
    if form == "json" and fields.get("end_time_unix_nano") == 2**64 - 1:
        fault = "unreadable"
    assert dict(found.refused) == {fault: 1}
    assert found.spans.span.tolist() == [1, 3]


def test_an_attribute_of_10_mb_that_nobody_asks_for_is_passed_over():
    huge = text("exception.stacktrace", "s" * 10_000_000)
    found = Decoder().protobuf(body(span(1, attributes=[huge]), span(2)), NOW)
    assert (len(found.spans), found.refused.total()) == (2, 0)


def test_a_span_of_many_thousand_attributes_is_read_in_full():
    many = [text(f"k{i}", "v") for i in range(5_000)]
    found = Decoder().protobuf(body(span(1, attributes=[*many, text("http.route", "/r")])), NOW)
    assert found.spans.operations[found.spans.operation[0]] == "GET /r"


def test_bytes_that_are_no_span_spoil_only_themselves():
    message = request(span(1), span(3))
    whole = message.resource_spans[0].scope_spans[0].SerializeToString() + b"\x12\x03\x0a\x10\x01"
    scope = b"\x12" + varint(len(whole)) + whole
    found = Decoder().protobuf(b"\x0a" + varint(len(scope)) + scope, NOW)
    assert dict(found.refused) == {"unreadable": 1}
    assert found.spans.span.tolist() == [1, 3]


def varint(n: int) -> bytes:
    return bytes([n & 127 | 128]) + varint(n >> 7) if n > 127 else bytes([n])


@pytest.mark.parametrize(
    ("change"),
    [
        pytest.param({"traceId": 7}, id="an id that is a number"),
        pytest.param({"kind": "SPAN_KIND_SERVER"}, id="a kind by name"),
        pytest.param({"startTimeUnixNano": "soon"}, id="a time that is none"),
        pytest.param({"attributes": {}}, id="attributes that are no list"),
    ],
)
def test_a_span_in_json_that_does_not_fit_spoils_only_itself(change):
    tree = json.loads(as_json(request(span(1), span(2))))
    tree["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= change
    found = Decoder().json(json.dumps(tree).encode(), NOW)
    assert dict(found.refused) == {"unreadable": 1}
    assert found.spans.span.tolist() == [2]


def test_json_may_have_nulls_numbers_for_times_and_fields_of_later_versions():
    tree = json.loads(as_json(request(span(2))))
    one = tree["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    one |= {"startTimeUnixNano": start_of(2), "parentSpanId": None, "status": None, "new": {"a": 1}}
    found = Decoder().json(json.dumps(tree).encode(), NOW)
    assert records(found.spans) == naive(request(span(2)))[0]


@pytest.mark.parametrize(
    "given_body", [b"[]", b"{", b'{"resourceSpans": 3}', b"\xff\xfe", b"[" * 10**5]
)
def test_what_is_no_request_in_json_is_malformed(given_body):
    with pytest.raises(Malformed, match="no ExportTraceServiceRequest in JSON"):
        Decoder().json(given_body, NOW)


def test_the_fields_of_a_span_may_come_in_any_order():
    one = span(
        1, attributes=[text("http.route", "/a")], status=Status(code=2), parent_span_id=b"p" * 8
    )
    raw = one.SerializeToString()
    head, rest = raw[:28], raw[28:]
    scope = b"\x12" + varint(len(raw)) + rest + head
    resource = b"\x12" + varint(len(scope)) + scope
    found = Decoder().protobuf(b"\x0a" + varint(len(resource)) + resource, NOW)
    expected, _ = naive(request(one))
    assert [one[:7] + one[8:] for one in records(found.spans)] == [
        one[:7] + one[8:] for one in expected
    ]


@pytest.mark.parametrize(
    ("state", "weight"),
    [
        pytest.param("ot=th:0", 1.0, id="all are kept"),
        pytest.param("ot=th:8", 2.0, id="half"),
        pytest.param("a=1, ot=rv:0123456789abcd;th:c ,b=2", 4.0, id="a quarter, among others"),
        pytest.param("ot=th:ffffffffffffff", 2.0**56, id="hardly any"),
        pytest.param("ot=p:3;r:10", 8.0, id="an eighth, the old way"),
        pytest.param("ot=p:63", 0.0, id="none, the old way: it counts for nothing"),
        pytest.param("ot=th:8;p:5", 2.0, id="both ways: the new one counts"),
        pytest.param("", None, id="nothing said"),
        pytest.param("other=th:8", None, id="said by another"),
        pytest.param("ot=th:xyz", None, id="no number"),
        pytest.param("ot=th:123456789abcdef", None, id="too long a number"),
        pytest.param("ot=p:64", None, id="no power"),
    ],
)
@pytest.mark.parametrize("form", ["protobuf", "json"])
def test_a_sampled_span_stands_for_as_many_as_its_tracestate_says(form, state, weight):
    message = request(span(1, trace_state=state))
    given_body = message.SerializeToString() if form == "protobuf" else as_json(message)
    found = getattr(Decoder(), form)(given_body, NOW)
    assert found.spans.weight.tolist() == pytest.approx(
        [weight or np.nan if weight != 0 else 0], nan_ok=True
    )


@pytest.mark.parametrize(
    ("name", "attributes", "operation"),
    [
        ("GET /cart/{id}", {"http.route": "/cart/{id}"}, "GET /cart/{id}"),
        ("GET", {"http.route": "/cart/{id}"}, "GET /cart/{id}"),
        ("HTTP POST", {"http.route": "/cart"}, "POST /cart"),
        ("GET /cart/7", {"http.route": "/cart/{id}"}, "GET /cart/{id}"),
        ("CartController.get", {"http.route": "/cart/{id}"}, "/cart/{id}"),
        ("shop.Cart/Get", {"rpc.method": "Get"}, "shop.Cart/Get"),
        ("call", {"rpc.method": "shop.Cart/Get"}, "shop.Cart/Get"),
        ("work", {}, "work"),
    ],
)
def test_an_operation_is_the_route_with_its_method_the_rpc_or_the_name(name, attributes, operation):
    pairs = [text(key, value) for key, value in attributes.items()]
    found = Decoder().protobuf(body(span(1, name=name, attributes=pairs)), NOW).spans
    assert found.operations[found.operation[0]] == operation


@pytest.mark.parametrize(
    ("kind", "attributes", "peer"),
    [
        (Span.SPAN_KIND_CLIENT, {"peer.service": "pricing", "db.system": "redis"}, "pricing"),
        (Span.SPAN_KIND_CLIENT, {"db.system": "redis"}, "redis"),
        (Span.SPAN_KIND_PRODUCER, {"messaging.system": "kafka"}, "kafka"),
        (Span.SPAN_KIND_SERVER, {"peer.service": "shop"}, ""),
        (Span.SPAN_KIND_CLIENT, {}, ""),
    ],
)
def test_a_peer_is_what_a_call_names(kind, attributes, peer):
    pairs = [text(key, value) for key, value in attributes.items()]
    found = Decoder().protobuf(body(span(1, kind=kind, attributes=pairs)), NOW).spans
    assert found.peers[found.peer[0]] == peer
    assert found.peers[0] == ""


_KEY, _VALUE = b"\x0a\x0ahttp.route", b"\x12\x10\x0a\x0e/orders/{cart}"


@pytest.mark.parametrize(
    "attribute",
    [
        pytest.param(_VALUE + _KEY, id="its value first"),
        pytest.param(b"\x0a\x8a\x00" + _KEY[2:] + _VALUE, id="its key's length in two bytes"),
        pytest.param(b"\x98\x01\x05" + _KEY + _VALUE, id="a field that is not known first"),
        pytest.param(_VALUE + _KEY + b"\x9a\x01\x64" + b"x" * 100, id="and is long"),
    ],
)
def test_an_attribute_in_another_order_than_senders_write_is_read_nevertheless(attribute):
    size = len(attribute)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    raw = span(1, name="call").SerializeToString() + b"\x4a" + length + attribute
    given_body = request(span(2)).SerializeToString() + in_scopes(raw)
    expected, _ = naive(ExportTraceServiceRequest.FromString(given_body))
    found = records(Decoder().protobuf(given_body, NOW).spans)
    assert found == expected
    assert "/orders/{cart}" in found[1]


def in_scopes(raw: bytes) -> bytes:
    """A body of one serialised span, as it is."""
    for tag in (b"\x12", b"\x12", b"\x0a"):
        size = len(raw)
        raw = tag + bytes([size & 127 | 128, size >> 7]) + raw
    return raw


def test_a_resource_that_is_seen_again_is_one_row():
    decoder = Decoder()
    message = request(span(1), **{"service.name": "cart", "k8s.pod.name": "cart-1"})
    message.resource_spans.add().CopyFrom(message.resource_spans[0])
    for _ in range(2):
        found = decoder.protobuf(message.SerializeToString(), NOW).spans
        assert [dict(one) for one in found.resources] == [
            {"service_name": "cart", "k8s_pod_name": "cart-1"}
        ]
        assert found.resource.tolist() == [0, 0]


def test_an_attribute_of_a_resource_that_is_too_long_is_left_out():
    command = "x" * 2000
    found = Decoder().protobuf(body(span(1), **{"process.command": command, "a": "b"}), NOW).spans
    assert dict(found.resources[0]) == {"a": "b"}
