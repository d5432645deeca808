"""The commands, thin: each calls one function of the part it names."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from anomalyd import __version__
from anomalyd.commands import asked, checked, known_good, mirrored, offline, rated, shell

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)


@click.group(cls=shell.Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="anomalyd")
def main() -> None:
    """Judge a staging test run against what production does at the same load, while it runs.

    Exit codes of a verdict: 0 pass, 1 fail, 3 inconclusive, 4 invalid; 2 is a usage or
    configuration error, 5 a watched command that failed by itself.

    Shell completion: eval "$(_ANOMALYD_COMPLETE=bash_source anomalyd)" (or zsh_source,
    fish_source).
    """


@main.command()
@shell.config_options
def serve(path: Path, overrides: tuple[str, ...]) -> None:
    """Run the daemon: SIGTERM ends it, SIGHUP reads the configuration again."""
    config = shell.load(path, overrides)
    shell.log(config.log_level)
    from anomalyd import daemon

    async def work() -> None:
        await daemon.serve(daemon.Daemon(config, path, overrides))

    shell.run(work())


@main.command("check-config")
@shell.config_options
@shell.json_option
def check_config(path: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Name every error of a configuration at once; exit 2 if there is one."""
    config = shell.load(path, overrides, as_json)
    told = {"valid": True, "errors": []}
    shell.answer(told, f"{path} is a valid configuration", as_json)
    if config.environments.production is None:
        click.echo("note: environments.production is not set: no run can pass", err=True)


@main.command()
@shell.config_options
@shell.json_option
def doctor(path: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Reach every configured system and say what each signal finds there; exit 0 or 1."""
    config = shell.load(path, overrides)
    from anomalyd import doctor as examination

    checks = shell.run(examination.examine(config))
    shell.answer(examination.as_json(checks), examination.render(checks), as_json)
    raise SystemExit(int(examination.failed(checks)))


@main.group()
def signals() -> None:
    """What is judged."""


@signals.command("list")
@shell.config_options
@shell.json_option
def signals_list(path: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Every signal with the definition that was found for it, and what was looked for in vain."""
    config = shell.load(path, overrides)
    from anomalyd.commands import listing

    data = shell.run(listing.signals(config))
    shell.answer(data, listing.render_signals(data), as_json)
    if data["troubles"]:
        shell.fail("; ".join(f"{name}: {why}" for name, why in data["troubles"].items()))


@main.group()
def baseline() -> None:
    """What production does: fit it, show it, compare two of them."""


@baseline.command("fit")
@shell.config_options
@click.option("--estimate", is_flag=True, help="Only say how much production would be asked for.")
@click.option(
    "--overrides-from-stdin", "from_stdin", is_flag=True, hidden=True, help="As a JSON array."
)
@click.option("--from", "recording", type=_FILE, help="Fit this wide CSV; no configuration.")
@click.option("-o", "--output", type=_FILE, help="Where the baseline of --from goes.")
@click.option("--window", help="Windows of --from: at least a run's sample interval. [15s]")
@click.option("--edges", type=_FILE, help="Who calls whom in --from: as of replay.")
@shell.json_option
def baseline_fit(
    path: Path,
    overrides: tuple[str, ...],
    estimate: bool,
    from_stdin: bool,
    recording: Path | None,
    output: Path | None,
    window: str | None,
    edges: Path | None,
    as_json: bool,
) -> None:
    """Read production's history politely and fit its profiles; an interrupted fit resumes."""
    if recording is not None:
        offline.fit_recording(recording, output, window, edges, as_json)
        return
    if from_stdin:
        overrides = tuple(json.load(sys.stdin))
    config = shell.load(path, overrides)
    from anomalyd.commands import fitting

    if estimate:
        data = shell.run(fitting.estimate(config))
        shell.answer(data, fitting.render_estimate(data), as_json)
        return
    data = shell.run(fitting.fit(config))
    shell.answer(data, f"baseline of {data['series']} signal series in {data['path']}", as_json)


@baseline.command("show")
@click.argument("file", type=click.Path(path_type=Path))
@shell.json_option
def baseline_show(file: Path, as_json: bool) -> None:
    """What a baseline holds: range, load, coverage, and each series' band."""
    from anomalyd.baseline import show

    shown = show.show(_baseline(file))
    shell.answer(shown, show.render(shown), as_json)


@baseline.command("diff")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@shell.json_option
def baseline_diff(before: Path, after: Path, as_json: bool) -> None:
    """What changed from one baseline to another."""
    from anomalyd.baseline import show

    found = show.diff(_baseline(before), _baseline(after))
    shell.answer(found, show.render_diff(found), as_json)


def _baseline(path: Path) -> Any:
    from anomalyd.baseline import file

    try:
        return file.load(path)
    except file.BaselineError as error:
        shell.fail(error)


@main.command(context_settings={"ignore_unknown_options": True})
@shell.config_options
@click.option("--server", metavar="URL", help="Let this anomalyd judge the run.")
@click.option("--token-file", type=click.Path(path_type=Path), help="API token of --server.")
@click.option("--name", default="", help="Name of the run; the command's by default.")
@click.option("--selector", default="", help="Value of runs.label that the run's series carry.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Label of the run.")
@click.option("--version", default="", help="The version that staging is to run.")
@click.option("--output", type=click.Path(path_type=Path), help="Where reports go (--server).")
@click.option(
    "--wait",
    default="5m",
    show_default=True,
    help="For how long the server, staging or another run may be in the way.",
)
@click.option("--accept", type=click.Choice(["inconclusive"]), help="Exit 0 on that verdict.")
@shell.json_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def watch(path: Path, overrides: tuple[str, ...], **options: Any) -> None:
    """Run COMMAND as a test run, judge it meanwhile, exit with the verdict's code.

    Example: anomalyd watch -c config.yaml -- k6 run script.js. The token of --server is read from
    --token-file or ANOMALYD_TOKEN.
    """
    command = options["command"]
    if shutil.which(command[0]) is None:
        shell.fail(f"{command[0]}: no such command; nothing was started")
    config = None if options["server"] else shell.load(path, overrides)
    shell.log(config.log_level if config and config.log_level == "debug" else "warning")
    from anomalyd.commands import watching

    raise SystemExit(shell.run(watching.run(config, path, overrides, options, os.environ)))


main.add_command(offline.record)
main.add_command(offline.replay)
main.add_command(offline.explain)
main.add_command(known_good.calibrate)
main.add_command(known_good.mutate)
main.add_command(mirrored.parity)
main.add_command(checked.checks)


main.add_command(asked.runs)
main.add_command(rated.outcome)
main.add_command(rated.risk)
main.add_command(offline.score)


@main.command()
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses service and fault.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep state and reports here.")
@shell.json_option
def demo(seed: int, keep: Path | None, as_json: bool) -> None:
    """A small real system, a good test and a bad one, judged in about two minutes."""
    from anomalyd.demo import story

    raise SystemExit(shell.run(story.tell(seed, keep, as_json)))
