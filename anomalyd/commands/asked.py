"""`anomalyd runs …`: options and arguments of what a running daemon is asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from anomalyd.commands import shell

_FILE = click.Path(path_type=Path)


@click.group()
def runs() -> None:
    """Runs of a running daemon."""


_server_options = shell.server_options
_here = click.option(
    "-c", "--config", "path", type=_FILE, help="Its state_dir instead of a daemon."
)


@runs.command("list")
@_here
@_server_options
@click.pass_context
def runs_list(context: click.Context, /, path: Path | None, **options: Any) -> None:
    """The latest runs: when they began and ended, their verdicts, the accepted and the golden."""
    _look("list", context, path, options)


@runs.command("show")
@click.argument("run")
@_here
@_server_options
@click.pass_context
def runs_show(context: click.Context, /, path: Path | None, **options: Any) -> None:
    """One run as it stands."""
    _look("show", context, path, options)


@runs.command("start")
@click.argument("name")
@click.option("--selector", default="", help="Value of runs.label that the run's series carry.")
@click.option("--version", default="", help="The version that staging is to run.")
@_server_options
def runs_start(**options: Any) -> None:
    """Start a run by hand."""
    _ask("start", options)


@runs.command("stop")
@click.argument("run")
@_server_options
def runs_stop(**options: Any) -> None:
    """Stop a run; it settles, and its verdict follows."""
    _ask("stop", options)


@runs.command("note")
@click.argument("run")
@click.argument("text")
@_server_options
def runs_note(**options: Any) -> None:
    """Write a note to a run."""
    _ask("note", options)


@runs.command("report")
@click.argument("run")
@click.option("--format", "ending", type=click.Choice(["json", "xml", "md", "html"]))
@_server_options
def runs_report(**options: Any) -> None:
    """Print a finished run's report: as md, or as json with --json."""
    if options["as_json"] and options["ending"] not in (None, "json"):
        shell.fail(f"--json asks for another report than --format {options['ending']}; choose one")
    _ask("report", options)


@runs.command("accept")
@click.argument("run")
@click.option("--note", default="", help="Why, for those who read the run's report.")
@click.option("--force", is_flag=True, help="Accept a run that failed, too.")
@click.option("--until", default="", metavar="VERSION|DATE", help="Until then, like v2.4. [always]")
@click.option("--golden", is_flag=True, help="Compare all later runs with it, too.")
@click.option(
    "--signal", default="", metavar="SELECTOR", help="Accept a change of it, not the run."
)
@click.option("--change", default="", metavar="SIZE", help="Its size: +8%, or of a ratio +0.5pp.")
@click.option("--undo", is_flag=True, help="Accept it no longer; with --golden or --signal, that.")
@_here
@_server_options
@click.pass_context
def runs_accept(context: click.Context, /, path: Path | None, **options: Any) -> None:
    """Accept a finished run as good: it teaches how staging differs from production.

    With --signal and --change one change that it showed is accepted instead: anomalyd runs accept
    RUN --signal 'latency_p95{service="pricing"}' --change +8% --until v2.4 --note "taxes".
    A daemon is asked, or with -c the state directory of `anomalyd watch` is changed.
    """
    beside = [name for name in ("note", "force", "until", "change") if options[name]]
    if options["undo"] and beside:
        shell.fail(f"--undo takes no --{beside[0]}; write a note with `runs note`")
    if path is None:
        _ask("accept", options)
        return
    config = _config(context, path)
    from anomalyd.commands import asking

    data, text = shell.run(asking.accept_here(config, options))
    shell.answer(data, text, options["as_json"])


def _look(what: str, context: click.Context, path: Path | None, options: dict[str, Any]) -> None:
    if path is None:
        _ask(what, options)
        return
    config = _config(context, path)
    from anomalyd.commands import asking

    data, text = shell.run(asking.here(what, config, options))
    shell.answer(data, text, options["as_json"])


def _config(context: click.Context, path: Path) -> Any:
    if context.get_parameter_source("server") is not ParameterSource.DEFAULT:
        shell.fail("--server asks a daemon, -c its state directory; choose one")
    return shell.load(path, ())


def _ask(what: str, options: dict[str, Any]) -> None:
    from anomalyd.commands import asking

    shell.run(asking.ask(what, options, os.environ))
