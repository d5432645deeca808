"""The spans that are found in a body's bytes are those that protobuf's own parser finds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from anomalyd.protobuf import DecodeError
from anomalyd.sources.otlp import cut as module
from anomalyd.sources.otlp.cut import cut
from tests.sources.otlp_bodies import request, requests, span, span_id, text, trace_id


def found(body: bytes) -> tuple[list[bytes], list[tuple[bytes, int]]]:
    buffer, resources = cut(body)
    return buffer.texts(buffer.begin, buffer.end - buffer.begin), resources


def parsed(body: bytes) -> tuple[list[bytes], list[tuple[bytes, int]]]:
    message = ExportTraceServiceRequest.FromString(body)
    spans, resources = [], []
    for one in message.resource_spans:
        own = [span.SerializeToString() for scope in one.scope_spans for span in scope.spans]
        spans += own
        resources.append((one.resource.SerializeToString(), len(own)))
    return spans, resources


@settings(deadline=None, max_examples=25)
@given(requests())
def test_spans_and_whose_they_are_are_those_of_the_official_classes(message):
    body = message.SerializeToString()
    assert found(body) == parsed(body)


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_a_body_that_was_cut_or_changed_is_cut_as_protobuf_cuts_it_or_refused_as_by_it(data):
    whole = mixed().SerializeToString()
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = data.draw(
        st.sampled_from(
            [whole[:place], whole[:place] + bytes([whole[place] ^ 0x81]) + whole[place + 1 :]]
        )
    )
    assert outcome(cut, changed) == outcome(module._parsed, changed)


def outcome(read, body):
    try:
        buffer, resources = read(body)
    except DecodeError:
        return None
    return buffer.texts(buffer.begin, buffer.end - buffer.begin), resources


def mixed() -> ExportTraceServiceRequest:
    """Resources with several scopes, one of them empty, with all that may stand around spans."""
    link = Span.Link(trace_id=trace_id(9), span_id=span_id(9))
    failed = Status(code=2, message="m" * 200)
    message = request(span(1), span(2, links=[link], parent_span_id=span_id(1)))
    one = message.resource_spans[0]
    one.schema_url = "https://opentelemetry.io/schemas/1.37.0"
    named = one.scope_spans.add(schema_url="https://opentelemetry.io/schemas/1.37.0")
    named.scope.name, named.scope.version = "opentelemetry.instrumentation", "0.58b0"
    named.scope.attributes.append(text("a", "v" * 200))
    named.spans.extend([span(3, attributes=[text("k", "v" * 300)]), span(4, status=failed)])
    one.scope_spans.add().scope.name = "sixteen.letters.."[:14]
    message.resource_spans.add()
    message.resource_spans.add().scope_spans.add().spans.append(span(5))
    return message


def test_bodies_as_sdks_write_them_are_cut_without_the_parser(monkeypatch):
    body = mixed().SerializeToString()
    expected = parsed(body)
    monkeypatch.setattr(module, "_parsed", lambda _: pytest.fail("it was asked"))
    assert found(body) == expected


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"name": "n" * 20_000}, id="a span of more than 16 KiB"),
        pytest.param({"trace_id": b""}, id="a span without a trace id"),
        pytest.param({"name": "\n\x10" + "x" * 14 + "\x12\x08"}, id="a name that looks like ids"),
        pytest.param(
            {"name": "\x12\x28\n\x10" + "x" * 16 + "\x12\x08" + "x" * 40}, id="a name like a span"
        ),
    ],
)
def test_a_span_that_is_no_link_of_the_chain_is_found_nevertheless(fields):
    body = request(span(1), span(2, **fields), span(3)).SerializeToString()
    assert found(body) == parsed(body)


def test_an_empty_body_has_no_spans():
    assert found(b"") == ([], [])
