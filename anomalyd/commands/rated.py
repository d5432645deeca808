"""`anomalyd outcome` and `anomalyd risk`: options and arguments."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from anomalyd.commands import shell

if TYPE_CHECKING:
    from anomalyd.commands.rating import Keeper

_FILE = click.Path(path_type=Path)
_HERE = click.option(
    "-c", "--config", "path", type=_FILE, help="Its state_dir instead of a daemon."
)


@click.command()
@click.argument("run", required=False)
@click.argument("outcome", required=False, type=click.Choice(["incident", "clean"]))
@click.option("--note", default="", help="What happened, for those who read the list.")
@click.option("--undo", is_flag=True, help="Nothing is recorded of the run any longer.")
@click.option("--list", "as_list", is_flag=True, help="What is recorded of all releases.")
@_HERE
@shell.server_options
@click.pass_context
def outcome(context: click.Context, /, path: Path | None, **options: Any) -> None:
    """Record what became of the release that RUN tested: incident or clean.

    Release risk is calibrated by it; no verdict is. Recording again replaces what was recorded.
    A daemon is asked, or with -c the state directory of `anomalyd watch` is changed.
    """
    _check(options)
    keeper = _keeper(context, path, options)
    from anomalyd.commands import rating

    data, text = shell.run(rating.outcome(keeper, options))
    shell.answer(data, text, options["as_json"])


@click.command()
@click.option("--svg", type=_FILE, metavar="FILE", help="Write the diagram there, too.")
@_HERE
@shell.server_options
@click.pass_context
def risk(context: click.Context, /, path: Path | None, **options: Any) -> None:
    """Say how far to believe release risk, by what became of releases: its reliability diagram."""
    keeper = _keeper(context, path, options)
    from anomalyd.commands import rating

    data, text = shell.run(rating.risk(keeper, options))
    shell.answer(data, text, options["as_json"])


def _check(options: dict[str, Any]) -> None:
    run, became, undo = options["run"], options["outcome"], options["undo"]
    if options["as_list"]:
        if run or undo or options["note"]:
            shell.fail("--list shows all outcomes; leave out the run, --undo and --note")
    elif run is None:
        shell.fail("name the run and what became of it: anomalyd outcome RUN incident|clean")
    elif undo and (became or options["note"]):
        shell.fail("--undo takes the run alone: anomalyd outcome RUN --undo")
    elif became is None and not undo:
        shell.fail("say what became of the release: incident or clean; or take it back with --undo")


def _keeper(context: click.Context, path: Path | None, options: dict[str, Any]) -> Keeper:
    if path is None:
        from anomalyd.commands import rating

        return rating.There(options, os.environ)
    if context.get_parameter_source("server") is not ParameterSource.DEFAULT:
        shell.fail("--server asks a daemon, -c its state directory; choose one")
    config = shell.load(path, ())
    from anomalyd.commands import rating

    return rating.Here(config)
