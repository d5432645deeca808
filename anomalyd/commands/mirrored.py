"""`anomalyd parity`: its options, and the exit code of what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from anomalyd.commands import shell
from anomalyd.exits import DRIFT

_PATH = click.Path(path_type=Path)


@click.command()
@shell.config_options
@click.option("--staging", type=_PATH, help="Directory of staging's settings, with --production.")
@click.option("--production", type=_PATH, help="Directory of production's settings.")
@click.option("--drift", type=_PATH, metavar="FILE", help="Facts of both, listed in a file.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Answer in Markdown.")
@shell.json_option
@click.pass_context
def parity(
    context: click.Context,
    /,
    path: Path,
    overrides: tuple[str, ...],
    staging: Path | None,
    production: Path | None,
    drift: Path | None,
    as_markdown: bool,
    as_json: bool,
) -> None:
    """Say what differs between staging and production, worst first; exit 1 if anything does.

    Both environments' Prometheus and the directories of parity.files are compared, or, without a
    configuration, two directories or a list of facts: anomalyd parity --drift facts.json
    """
    if (staging is None) != (production is None):
        shell.fail("name two directories: --staging DIR --production DIR")
    named = context.get_parameter_source("path") is not ParameterSource.DEFAULT
    alone = (staging is not None or drift is not None) and not named and not path.exists()
    config = None if alone else shell.load(path, overrides)
    from anomalyd import mirror
    from anomalyd.parity import telling

    directories = (
        mirror.Directories(staging, production)
        if staging is not None and production is not None
        else None
    )
    found: Any = shell.run(mirror.parity(mirror.Wanted(config, directories, drift)))
    if not found.equal and not found.differences:
        shell.fail(telling.NOTHING)
    text = telling.markdown(found) if as_markdown else telling.terminal(found)
    shell.answer(telling.as_json(found), text.rstrip("\n"), as_json)
    raise SystemExit(DRIFT if found.drift else 0)
