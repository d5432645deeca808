"""The commands over files: they need no configuration and no live system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from anomalyd.commands import shell

_FILE = click.Path(path_type=Path)


@click.command()
@click.option("--production", type=_FILE, help="Production's history: wide CSV.")
@click.option("--baseline", type=_FILE, help="Instead: what `baseline fit --from` made of it.")
@click.option("--staging", type=_FILE, required=True, help="The run to be judged: wide CSV.")
@click.option("--accepted", type=_FILE, multiple=True, help="A run known to be good; repeat.")
@click.option("--edges", type=_FILE, help="Who calls whom: CSV with columns caller,callee.")
@click.option(
    "--signal",
    "signals",
    multiple=True,
    metavar="NAME:KEY=VALUE,…",
    help="Correct what a metric's name suggests: kind, worse, unit, tolerate.",
)
@click.option("--false-fail", default="1%", show_default=True, help="Chance that a good run fails.")
@shell.json_option
def replay(false_fail: str, as_json: bool, **paths: Any) -> None:
    """Judge a recorded run offline; exit with the verdict's code.

    Example: anomalyd replay --production prod.csv --staging run.csv --accepted good1.csv. A wide
    CSV has a column time (unix seconds or ISO 8601) and one per series, named in Prometheus
    notation: latency_p95_seconds{service="cart"}.
    """
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


def fit_recording(path: Path, output: Path | None, window: str | None, as_json: bool) -> None:
    """`anomalyd baseline fit --from`."""
    from anomalyd.commands import replaying
    from anomalyd.units import parse_duration

    if output is None:
        shell.fail("--from needs --output: where the baseline goes")
    try:
        width = parse_duration(window) if window is not None else None
        data = replaying.fit(path, output, width)
    except replaying.ERRORS as error:
        shell.fail(error)
    shell.answer(data, f"baseline of {data['series']} signal series in {data['path']}", as_json)
