"""What holds for every test."""

from __future__ import annotations

import os
import signal

import hypothesis
import pytest

# A shared machine stalls now and then; how long a case takes says nothing about the code.
SETTINGS = {
    "deadline": None,
    "suppress_health_check": [hypothesis.HealthCheck.too_slow],
}
hypothesis.settings.register_profile("here", **SETTINGS)
hypothesis.settings.register_profile("ci", **SETTINGS, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "here")

# What a script starts in its background ignores SIGINT, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

MOST_WORKERS = 8
"""Each starts its own browser and its own Prometheus."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means: two for each processor, as half of the time tests wait."""
    return min(MOST_WORKERS, 2 * (os.cpu_count() or 1))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything under tests/e2e is marked so, for `make e2e`."""
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)
