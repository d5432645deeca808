"""What a real Prometheus says of a generated history."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request

from anomalyd.model import Labels
from tests.signals.history import START

STEP = 3.7
"""Seconds; off the boundaries of windows and scrapes."""


def asked(url: str, query: str, seconds: float) -> dict[Labels, dict[int, float]]:
    """A range query over so much of the history: labels to ms to value."""
    start = START / 1000 + 10
    form = {
        "query": query,
        "start": f"{start:.3f}",
        "end": f"{start + seconds:.3f}",
        "step": str(STEP),
    }
    request = urllib.request.Request(
        f"{url}/api/v1/query_range", urllib.parse.urlencode(form).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        result = json.load(answer)["data"]["result"]
    return {
        Labels.of(series["metric"]): {round(t * 1000): float(v) for t, v in series["values"]}
        for series in result
    }
