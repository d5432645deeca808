"""What the ranking was set to when it was scored, and its hash.

`python -m bench.rca.configuration` writes it anew: commit it before scoring. All that decides is in
it: each constant of the ranking and of the readers, and the code itself.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path
from typing import Any

CONSTANTS = ("accounts", "shifts", "signs", "suspects", "traces", "trail")
READERS = ("nezha", "petshop")
CODE = CONSTANTS
COMMITTED = Path(__file__).with_name("configuration.json")


def current() -> dict[str, Any]:
    """Numbers by module and name, the digest of the code, and `hash`: sha256 over both."""
    numbers = {
        f"{package}.{name}": _numbers(f"{package}.{name}")
        for package, names in (("anomalyd.explain", CONSTANTS), ("bench.rca", READERS))
        for name in names
    }
    root = Path(__file__).resolve().parent.parent.parent
    digest = hashlib.sha256()
    for name in sorted(CODE):
        digest.update((root / "anomalyd" / "explain" / f"{name}.py").read_bytes())
    document = {"settings": numbers, "code": digest.hexdigest()}
    text = json.dumps(document, sort_keys=True).encode()
    return {"hash": hashlib.sha256(text).hexdigest(), **document}


def committed() -> dict[str, Any]:
    return dict(json.loads(COMMITTED.read_text("utf-8")))


def _numbers(module: str) -> dict[str, float]:
    found = vars(importlib.import_module(module))
    return {
        name: float(value)
        for name, value in sorted(found.items())
        if name.isupper() and isinstance(value, int | float)
    }


if __name__ == "__main__":
    COMMITTED.write_text(json.dumps(current(), indent=2) + "\n", encoding="utf-8")
