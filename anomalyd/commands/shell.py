"""What the commands have in common: options, what a user can cause, answers."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from anomalyd.exits import BUG, INTERRUPTED, USAGE

F = TypeVar("F", bound=Callable[..., Any])


json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


class Commands(click.Group):
    """Ends in one sentence where the system refuses us, and never by accident like a verdict."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            fail(_refusal(error))
        except Exception as error:  # noqa: BLE001 - told in full, with an exit code of its own
            refused, other = _split(error)
            if refused and not other:
                fail("; ".join(dict.fromkeys(map(_refusal, refused))))
            traceback.print_exc()
            raise SystemExit(BUG) from None


def _split(error: Exception) -> tuple[list[OSError], list[BaseException]]:
    """What the system refused, and all else, out of nested groups."""
    if not isinstance(error, BaseExceptionGroup):
        return ([error], []) if isinstance(error, OSError) else ([], [error])
    parts = [_split(one) for one in error.exceptions if isinstance(one, Exception)]
    return [e for refused, _ in parts for e in refused], [e for _, other in parts for e in other]


def _refusal(error: OSError) -> str:
    return f"{error.filename or 'output'}: {error.strerror or error}"


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


def server_options(command: F) -> F:
    command = click.option("--token-file", type=click.Path(path_type=Path), help="API token.")(
        command
    )
    command = json_option(command)
    return click.option(
        "--server", default="http://127.0.0.1:8642", show_default=True, help="URL of the daemon."
    )(command)


def load(path: Path, overrides: tuple[str, ...], as_json: bool = False) -> Any:
    """The configuration; what is wrong with it is told on stderr, as JSON on stdout too."""
    from anomalyd import config

    try:
        return config.load(path, overrides)
    except config.ConfigError as error:
        if as_json:
            errors = [_placed(line) for line in error.errors]
            click.echo(json.dumps({"valid": False, "errors": errors}))
        for line in error.errors:
            click.echo(line, err=True)
        raise SystemExit(USAGE) from None


def _placed(line: str) -> dict[str, str]:
    """`dotted.path: what`, apart; a rule over several settings has no path before it."""
    path, separator, message = line.partition(": ")
    return {"path": path if separator else "", "message": message if separator else line}


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
