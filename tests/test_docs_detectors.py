"""docs/detectors.md lists the detectors there are, and its example keeps their contract."""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anomalyd.detectors import DETECTORS
from anomalyd.detectors.base import Detector, Returns
from tests.detectors import test_contract as contract
from tests.detectors.windows import window

DOCS = (Path(__file__).resolve().parent.parent / "docs" / "detectors.md").read_text("utf-8")
PROMISES = [
    promise
    for name, promise in vars(contract).items()
    if name.startswith("test_") and "factory" in inspect.signature(promise).parameters
    if "ready" not in name
]


@pytest.fixture
def stuck(tmp_path: Path) -> Callable[[], Detector]:
    """The example, imported from a file of its own."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", DOCS, re.M | re.S)
    path = tmp_path / "stuck.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("stuck", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    factory: Callable[[], Detector] = module.Stuck
    return factory


def test_the_table_is_the_registry() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+\? \| (\w+) \| ([\d.]+) \|$", DOCS, re.M)
    said = [(name, returns, float(share)) for name, returns, share in rows]
    assert said == [(f().name, str(f().returns), share) for f, share in DETECTORS]


def test_every_kind_of_answer_is_explained() -> None:
    assert set(re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", DOCS, re.M)) >= set(Returns)


def test_the_contract_was_found() -> None:
    assert len(PROMISES) >= 8


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_the_example_keeps_the_contract(
    promise: Callable[..., None], stuck: Callable[[], Detector]
) -> None:
    takes_size = "size" in inspect.signature(promise).parameters
    promise(factory=stuck, **({"size": 1e6} if takes_size else {}))


def test_the_example_finds_what_repeats_and_nothing_else(stuck: Callable[[], Detector]) -> None:
    detector = stuck()
    detector.resize(3)
    fired = []
    for t in range(30):
        context = window(3, t, value=[5.0, 5.0 + t, 5.0 if t != 10 else 6.0])
        fired.append(detector.score(context).tolist())
        detector.learn(context, np.ones(3, dtype=bool))
    assert [row[0] for row in fired] == [0.0] * 20 + [1.0] * 10
    assert not any(row[1] for row in fired)
    assert not any(row[2] for row in fired)
