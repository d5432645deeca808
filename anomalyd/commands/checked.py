"""`anomalyd checks`: its options, and the exit code of what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from anomalyd.commands import shell


@click.command()
@shell.config_options
@click.option("--version", default="", help="The version that staging is to run.")
@shell.json_option
def checks(path: Path, overrides: tuple[str, ...], version: str, as_json: bool) -> None:
    """Check staging's deployment now: targets, crash loops, versions, probes; exit 0 or 1.

    Runs are checked by themselves, from their warm-up to their end.
    """
    config = shell.load(path, overrides)
    from anomalyd import checking
    from anomalyd import checks as examination

    found: Any = checking.told(shell.run(checking.check(config, version)))
    shell.answer(examination.as_json(found), examination.render(found).rstrip("\n"), as_json)
    raise SystemExit(int(examination.failed(found)))
