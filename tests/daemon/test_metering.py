"""A tick tells how long it took to ask and to judge."""

from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from anomalyd import telemetry


async def test_every_tick_is_a_span_of_its_two_parts(shop, monkeypatch):
    spans, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(telemetry, "tracer", provider.get_tracer("anomalyd"))
    async with shop.at_work():
        await shop.passes(20)
    found = spans.get_finished_spans()
    assert [span.name for span in found] == ["ask", "judge", "tick"] * 2
    for ask, judge, tick in (found[:3], found[3:]):
        assert ask.parent == judge.parent == tick.context
        assert tick.start_time == ask.start_time <= ask.end_time == judge.start_time
        assert judge.end_time == tick.end_time
