"""How to start Debian's Alertmanager from where its package was merely unpacked.

Debian's build reads its templates from an absolute path instead of carrying them. A copy with
that path made relative, of the same length, finds them from the directory it is started in.
"""

from __future__ import annotations

import os
from pathlib import Path

BUILT_IN = b"/usr/share/prometheus/alertmanager"
RELATIVE = b"usr/share/prometheus/alertmanager/"


def command(program: Path) -> list[str]:
    """The beginning of a command line that runs `program` with its templates in reach."""
    root = program.parent.parent.parent
    templates = RELATIVE.decode()
    if Path(BUILT_IN.decode()).exists() or not (root / templates).exists():
        return [str(program)]
    moved = program.with_name(f"{program.name}-relocated")
    if not moved.exists() or moved.stat().st_mtime < program.stat().st_mtime:
        unfinished = moved.with_name(f"{moved.name}.{os.getpid()}")
        unfinished.write_bytes(program.read_bytes().replace(BUILT_IN, RELATIVE))
        unfinished.chmod(0o755)
        unfinished.replace(moved)
    return ["env", f"--chdir={root}", str(moved)]
