from __future__ import annotations

import pytest

from anomalyd import telemetry
from tests.sinks.examples import Dropped


@pytest.fixture
def dropped(monkeypatch: pytest.MonkeyPatch) -> Dropped:
    counter = Dropped()
    monkeypatch.setattr(telemetry, "sink_dropped", counter)
    return counter
