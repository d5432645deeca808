"""docs/parity.md has every kind of fact."""

from __future__ import annotations

import re
from pathlib import Path

from anomalyd.parity.kinds import KINDS

DOCS = (Path(__file__).resolve().parent.parent / "docs" / "parity.md").read_text("utf-8")


def test_every_kind_is_there_once() -> None:
    table = DOCS.partition("## What is compared")[2].partition("\nNames are matched")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    said = [name for row in rows for name in re.findall(r"`([a-z-]+)`", row)]
    assert sorted(said) == sorted({kind.name for kind in KINDS} - {"not-compared"})
    assert "`not-compared`" in DOCS
