from __future__ import annotations

import pytest

from tests.api.daemon import Daemon, served


@pytest.fixture
def daemon(tmp_path):
    made = Daemon(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
async def api(daemon):
    async with served(daemon) as running:
        yield running
