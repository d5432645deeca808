"""Where a person looks at a trace."""

from __future__ import annotations

import json
from urllib.parse import quote

from anomalyd.config import Jaeger, Received, Tempo
from anomalyd.config.enriching import TRACE

MARGIN_SECONDS = 300.0
"""Around a trace's beginning, in which Grafana looks for it."""


def of_grafana(settings: Tempo | Received, trace_id: str, started_at: float) -> str:
    """By `link`, else Grafana's explore page, else nowhere: Tempo has no page of its own."""
    if settings.link is not None:
        return filled(settings.link, trace_id)
    if settings.grafana is None:
        return ""
    uid = settings.grafana.datasource
    query = {
        "refId": "A",
        "datasource": {"type": "tempo", "uid": uid},
        "queryType": "traceql",
        "query": trace_id,
    }
    around = {
        "from": str(round((started_at - MARGIN_SECONDS) * 1000)),
        "to": str(round((started_at + MARGIN_SECONDS) * 1000)),
    }
    panes = {"trace": {"datasource": uid, "queries": [query], "range": around}}
    text = quote(json.dumps(panes, separators=(",", ":")), safe="")
    return f"{settings.grafana.url}/explore?schemaVersion=1&orgId=1&panes={text}"


def of_jaeger(settings: Jaeger, trace_id: str) -> str:
    """By `link`, else Jaeger's own page."""
    return filled(settings.link or f"{settings.url}/trace/{TRACE}", trace_id)


def filled(template: str, trace_id: str) -> str:
    return template.replace(TRACE, quote(trace_id, safe=""))
