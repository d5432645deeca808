"""The commands over runs known to be good: what would be missed, and what is cried in vain."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from anomalyd.commands import shell

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_FILE = click.Path(path_type=Path)

MOST_FALSE_FAIL = 0.5
"""As of `judgement.false_fail`."""

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
    click.option("--false-fail", help="Chance that a good run may fail. [1%, or as recorded]"),
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
    false_fail: str | None,
    onsets: int,
    whole_run: bool,
    propagate: bool,
    as_json: bool,
    **paths: Any,
) -> None:
    """Put faults of graded sizes into good runs; tell which would not be found.

    RUN is a folder that `anomalyd record` made, or a wide CSV: anomalyd mutate run/, or anomalyd
    mutate run.csv --production prod.csv --accepted good.csv --edges edges.csv. Latency, errors, a
    leak, saturation, lost series and fan-out of every service; the blind spots come first. A run
    that fails by itself cannot be mutated (exit 2).
    """
    from anomalyd.commands import mutating, replaying

    try:
        inputs = mutating.Inputs(run, **paths)
        given = 0 if whole_run else onsets
        done = mutating.mutations(inputs, _budget(false_fail), given, propagate)
    except replaying.ERRORS as error:
        shell.fail(error)
    waiting = [trial for one in done for trial in one.waiting()]
    trials = [trial() for trial in _watched(waiting, "mutating")]
    data = mutating.document(done, trials, whole_run)
    shell.answer(data, mutating.render(done, trials, whole_run), as_json)


@click.command()
@click.argument("run", nargs=-1, required=True, type=_FILE)
@_reference_options
@shell.json_option
def calibrate(run: tuple[Path, ...], false_fail: str | None, as_json: bool, **paths: Any) -> None:
    """Judge good runs; tell how often they fail, and because of what. Exit 1 names an offender.

    RUN is a folder that `anomalyd record` made, judged by what it was judged by then, or a wide
    CSV: anomalyd calibrate good1.csv good2.csv good3.csv --production prod.csv. A CSV is judged
    with the others as accepted runs and, beside it, as a first run. Per signal the rate of
    false fails with its interval, and settings that demote those beyond their share of the budget.
    """
    from anomalyd.commands import calibrated, calibrating, replaying

    try:
        inputs = calibrating.Inputs(run, **paths)
        waiting = calibrating.judgings(inputs, _budget(false_fail))
        done = [(one, one.verdict()) for one in _watched(waiting, "calibrating")]
        found = calibrating.calibration(done, time.time())
    except replaying.ERRORS as error:
        shell.fail(error)
    text = calibrated.render(found.document, found.way, found.decisive, found.first)
    shell.answer(found.document, text, as_json)
    raise SystemExit(found.document["exit_code"])


def _budget(text: str | None) -> float | None:
    """None where none is given. Raises ValueError."""
    from anomalyd.units import parse_share

    if text is None:
        return None
    share = parse_share(text)
    if not 0 < share <= MOST_FALSE_FAIL:
        raise ValueError(f"--false-fail {text}: write a share above 0% and up to 50%")
    return share


def _watched(waiting: Sequence[T], label: str) -> Iterator[T]:
    """With progress on a terminal."""
    quiet = not sys.stderr.isatty()
    with click.progressbar(waiting, label=label, file=sys.stderr, hidden=quiet) as bar:
        yield from bar
