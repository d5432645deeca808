"""The commands over files: they need no live system."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from anomalyd.commands import shell

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("folder", type=_FILE, required=False)
@click.option(
    "--set", "overrides", multiple=True, metavar="PATH=VALUE", help="With FOLDER: what if."
)
@click.option("--config", type=_FILE, help="With FOLDER: judge as this configuration would.")
@click.option("--production", type=_FILE, help="Production's history: wide CSV.")
@click.option("--baseline", type=_FILE, help="Instead: what `baseline fit --from` made of it.")
@click.option("--staging", type=_FILE, help="The run to be judged: wide CSV.")
@click.option("--accepted", type=_FILE, multiple=True, help="A run known to be good; repeat.")
@click.option("--edges", type=_FILE, help="Who calls whom: CSV with columns caller,callee.")
@click.option("--drift", type=_FILE, help="Facts of both environments, as of `anomalyd parity`.")
@click.option(
    "--signal",
    "signals",
    multiple=True,
    metavar="NAME:KEY=VALUE,…",
    help="Correct what a metric's name suggests: kind, worse, unit, tolerate.",
)
@click.option("--false-fail", default="1%", show_default=True, help="Chance that a good run fails.")
@shell.json_option
@click.pass_context
def replay(context: click.Context, /, folder: Path | None, as_json: bool, **options: Any) -> None:
    """Judge a recorded run offline; exit with the verdict's code.

    FOLDER is what `anomalyd record` made: anomalyd replay run/ gives the verdict again, and with
    --set judgement.false_fail=5% the one that it would have been.

    Without it, wide CSVs: anomalyd replay --production prod.csv --staging run.csv --accepted
    good1.csv. A wide CSV has a column time (unix seconds or ISO 8601) and one per series, named in
    Prometheus notation: latency_p95_seconds{service="cart"}.
    """
    given = {
        name
        for name in options
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    if folder is not None:
        strange = sorted(given - {"overrides", "config"})
        if strange:
            shell.fail(f"--{strange[0].replace('_', '-')} is for CSVs; {folder} has its own")
        _replay_folder(folder, options["overrides"], options["config"], as_json)
        return
    if options["staging"] is None:
        shell.fail("name what `anomalyd record` made, or a run as CSV with --staging")
    if given & {"overrides", "config"}:
        shell.fail("--set and --config are for what `anomalyd record` made; name its folder")
    false_fail = options.pop("false_fail")
    del options["overrides"], options["config"]
    _replay_csv(false_fail, as_json, options)


def _replay_folder(
    folder: Path, overrides: tuple[str, ...], config: Path | None, as_json: bool
) -> None:
    from anomalyd.commands import recordings
    from anomalyd.config import ConfigError
    from anomalyd.replay.recording import RecordingError

    try:
        found = recordings.replay(folder, overrides, config)
    except (ConfigError, RecordingError) as error:
        shell.fail(error)
    shell.answer(found, recordings.render(found), as_json)
    raise SystemExit(found["exit_code"])


def _replay_csv(false_fail: str, as_json: bool, paths: dict[str, Any]) -> None:
    from anomalyd.commands import replaying
    from anomalyd.report import replayed
    from anomalyd.units import parse_share

    try:
        found = replaying.replay(replaying.Inputs(**paths), parse_share(false_fail))
    except replaying.ERRORS as error:
        shell.fail(error)
    shell.answer(found, replayed.render(found), as_json)
    raise SystemExit(found["exit_code"])


@click.command()
@click.argument("recording", type=_FILE)
@click.option("--since", required=True, metavar="TIME", help="When the incident began.")
@click.option("--until", metavar="TIME", help="When it ended; the recording's end by default.")
@click.option("--normal", type=_FILE, multiple=True, help="More of ordinary times; repeat.")
@click.option("--edges", type=_FILE, help="Who calls whom: as of replay.")
@click.option(
    "--signal", "signals", multiple=True, metavar="NAME:KEY=VALUE,…", help="As of replay."
)
@shell.json_option
def explain(as_json: bool, **options: Any) -> None:
    """Name the service where an incident began, from a RECORDING alone.

    RECORDING is a wide CSV with the incident in it and ordinary times before it:
    anomalyd explain run.csv --since 2026-03-02T12:30:00Z --edges edges.csv
    """
    from anomalyd.commands import explaining

    try:
        found = explaining.answer(explaining.Inputs(**options))
    except explaining.ERRORS as error:
        shell.fail(error)
    shell.answer(found, explaining.render(found), as_json)


@click.command()
@click.argument("run")
@click.option("-o", "--output", type=_FILE, required=True, help="The folder to be made.")
@shell.config_options
@click.option("--server", metavar="URL", help="Ask this anomalyd instead of the state directory.")
@click.option("--token-file", type=_FILE, help="API token of --server.")
@shell.json_option
def record(
    output: Path, path: Path, overrides: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Save all that a finished RUN was judged by, for `anomalyd replay`.

    It is read from state_dir of the configuration, or with --server from a daemon.
    """
    from anomalyd.commands import recordings

    async def work() -> dict[str, Any]:
        if options["server"] is not None:
            found = await recordings.fetch(options, os.environ)
        else:
            found = recordings.find(shell.load(path, overrides), options["run"])
        return recordings.save(found, output)

    data = shell.run(work())
    shell.answer(data, recordings.render_saved(data), as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default="-",
    show_default=True,
    help="Where the scores go.",
)
def score(file: Path, output: Path) -> None:
    """Score every row of one stream in [0, 1], from it and the rows before it alone.

    FILE is a CSV with the columns timestamp (ISO 8601 or unix seconds) and value; - is stdin.
    The output has the column score beside them. Recommended threshold: 0.75.
    """
    from anomalyd.commands import score as scoring

    scoring.main(str(file), str(output))


def fit_recording(
    path: Path, output: Path | None, window: str | None, edges: Path | None, as_json: bool
) -> None:
    """`anomalyd baseline fit --from`."""
    from anomalyd.commands import replaying
    from anomalyd.units import parse_duration

    if output is None:
        shell.fail("--from needs --output: where the baseline goes")
    try:
        width = parse_duration(window) if window is not None else None
        data = replaying.fit(path, output, width, edges)
    except replaying.ERRORS as error:
        shell.fail(error)
    shell.answer(data, f"baseline of {data['series']} signal series in {data['path']}", as_json)
