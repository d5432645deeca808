from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.daemon.conftest import production, staging
from tests.daemon.process import fast, with_baseline, written
from tests.daemon.shop import Shop

__all__ = ["production", "staging"]


@pytest.fixture
def tree(staging: Shop, production: Shop, tmp_path: Path) -> dict[str, Any]:
    """Settings with a baseline and little to show, so that a run of seconds can pass."""
    made = fast(staging.url, production.url, tmp_path / "state")
    for signal, detect in zip(made["signals"]["custom"], ("2000%", "90 pp"), strict=True):
        signal["detect"] = detect
    with_baseline(made)
    return made


@pytest.fixture
def config(tree: dict[str, Any], tmp_path: Path) -> str:
    return str(written(tmp_path / "c.yaml", tree))
