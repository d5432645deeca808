"""The commands over runs known to be good: what would be missed, and what is cried in vain."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from anomalyd.commands import shell

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)

_OPTIONS = (
    click.option("--production", type=_FILE, help="Production's history: wide CSV."),
    click.option("--baseline", type=_FILE, help="Instead: what `baseline fit --from` made of it."),
    click.option("--edges", type=_FILE, help="Who calls whom: CSV with columns caller,callee."),
    click.option(
        "--signal",
        "signals",
        multiple=True,
        metavar="NAME:KEY=VALUE,…",
        help="Correct what a metric's name suggests: kind, worse, unit, tolerate.",
    ),
    click.option(
        "--false-fail", default="1%", show_default=True, help="Chance that a good run may fail."
    ),
)


def _reference_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("run", nargs=-1, required=True, type=_FILE)
@_reference_options
@click.option("--accepted", type=_FILE, multiple=True, help="A run known to be good; repeat.")
@click.option(
    "--onsets",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="From how many moments of a run on each fault is tried.",
)
@click.option("--whole-run", is_flag=True, help="Faults that are there from the start instead.")
@click.option("--propagate", is_flag=True, help="Callers wait for what is slow, by --edges.")
@shell.json_option
def mutate(
    run: tuple[Path, ...],
    false_fail: str,
    onsets: int,
    whole_run: bool,
    propagate: bool,
    as_json: bool,
    **paths: Any,
) -> None:
    """Put faults of graded sizes into good runs; tell which would not be found.

    Example: anomalyd mutate run.csv --production prod.csv --accepted good.csv --edges edges.csv.
    Latency, errors, a leak, saturation, lost series and fan-out of every service; the blind spots
    come first. A run that fails by itself cannot be mutated (exit 2).
    """
    from anomalyd.commands import mutating, replaying
    from anomalyd.units import parse_share

    try:
        inputs = mutating.Inputs(run, **paths)
        given = 0 if whole_run else onsets
        done = mutating.mutations(inputs, parse_share(false_fail), given, propagate)
    except replaying.ERRORS as error:
        shell.fail(error)
    waiting = [trial for one in done for trial in one.waiting()]
    with click.progressbar(
        waiting, label="mutating", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        trials = [trial() for trial in bar]
    data = mutating.document(done, trials, whole_run)
    shell.answer(data, mutating.render(done, trials, whole_run), as_json)
