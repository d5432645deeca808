"""What the commands have in common: options, what a user can cause, answers."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from anomalyd.exits import INTERRUPTED, USAGE

F = TypeVar("F", bound=Callable[..., Any])


def fail(message: object, status: int = USAGE) -> NoReturn:
    click.echo(f"anomalyd: {message}", err=True)
    raise SystemExit(status)


def config_options(command: F) -> F:
    command = click.option(
        "--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Override one setting."
    )(command)
    return click.option(
        "-c",
        "--config",
        "path",
        type=click.Path(path_type=Path),
        default=Path("anomalyd.yaml"),
        show_default=True,
        help="Configuration file.",
    )(command)


def load(path: Path, overrides: tuple[str, ...]) -> Any:
    from anomalyd import config

    try:
        return config.load(path, overrides)
    except config.ConfigError as error:
        for line in error.errors:
            click.echo(line, err=True)
        raise SystemExit(USAGE) from None


def log(level: str) -> None:
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format=form)


def run(work: Any) -> Any:
    """Run a coroutine; what a user can cause ends with one sentence, not with a traceback."""
    from anomalyd.errors import USER_ERRORS, sentences

    said: list[str] = []
    try:
        return asyncio.run(work)
    except* KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except* USER_ERRORS as group:
        said = list(sentences(group))
    for line in said:
        click.echo(f"anomalyd: {line}", err=True)
    raise SystemExit(USAGE)


def answer(data: Any, text: str, as_json: bool) -> None:
    click.echo(json.dumps(data) if as_json else text)


json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
