"""`anomalyd runs …`: questions to a running daemon."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from anomalyd import accepting, codec, standing
from anomalyd.api.client import ServerAway, ServerClient
from anomalyd.api.control import RunStatus
from anomalyd.config import Config
from anomalyd.config.types import CONTROL, NOT_SENT, secret_in
from anomalyd.judgement import changes
from anomalyd.model import VERSION_LABEL
from anomalyd.runs.acceptance import Asked, Undone
from anomalyd.runs.life import UnknownRun
from anomalyd.runs.store import Store
from anomalyd.units import format_duration, rfc3339

PATIENCE_SECONDS = 3.0
"""A person waits for the answer."""

LISTED = 100
"""Runs, as the API lists where nothing else is asked."""

MARKS = ("accepted", "golden")
"""Of a run, told beside its outcome."""


def token(path: Path | None, environ: Mapping[str, str]) -> str | None:
    """From a file, or ANOMALYD_TOKEN: never from the command line, which others can read. Raises
    ServerAway where it cannot be sent."""
    if path is None:
        given = environ.get("ANOMALYD_TOKEN", "").strip()
        if CONTROL.search(given):
            raise ServerAway(f"ANOMALYD_TOKEN {NOT_SENT}")
        return given or None
    try:
        return secret_in(path, sent=True)
    except OSError as error:
        raise ServerAway(f"--token-file {path}: {error.strerror}") from error


async def ask(what: str, options: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Ask and print. Raises ServerAway, ServerRefused."""
    client = ServerClient(
        options["server"],
        token(options["token_file"], environ),
        patience_seconds=PATIENCE_SECONDS,
        longest_pause_seconds=PATIENCE_SECONDS / 4,
    )
    async with client:
        if what == "report":
            ending = options["ending"] or ("json" if options["as_json"] else "md")
            report = await client.report(options["run"], ending)
            sys.stdout.buffer.write(report)
            return
        data, text = await _answer(what, options, client)
    click.echo(json.dumps(data) if options["as_json"] else text)


async def _answer(
    what: str, options: Mapping[str, Any], client: ServerClient
) -> tuple[object, str]:
    if what == "list":
        return _listed(await client.runs())
    if what == "show":
        return _shown(await client.status(options["run"]))
    if what == "accept":
        return await _accept(options, client)
    if what == "start":
        labels = {VERSION_LABEL: options["version"]} if options["version"] else {}
        run = await client.start_run(options["name"], options["selector"], labels)
    elif what == "stop":
        run = await client.stop_run(options["run"])
    else:
        run = await client.note(options["run"], options["text"])
    plain = codec.to_dict(run)
    return plain, _line({**plain, "outcome": None})


async def here(what: str, config: Config, options: Mapping[str, Any]) -> tuple[object, str]:
    """As `runs list` and `runs show`, in the state directory, where a look makes nothing. Raises
    UnknownRun, StoreError."""
    path = config.state_dir / "anomalyd.db"
    if _absent(path):
        if what == "list":
            return _listed([])
        raise UnknownRun(f"there is no run {options['run']}: {path} is not there")
    with Store.open(path) as store:
        if what == "list":
            return _listed(standing.rows(store, LISTED))
        run = standing.stored(store, options["run"])
        return _shown(standing.status(store, run, time.time()))


def _absent(path: Path) -> bool:
    """Of a path that cannot be looked at, whoever opens it says why."""
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return False


def _listed(rows: Sequence[Mapping[str, Any]]) -> tuple[object, str]:
    return rows, "\n".join(_line(row) for row in rows) or "no run yet"


def _shown(status: RunStatus) -> tuple[object, str]:
    plain = codec.to_dict(status)
    known = {"outcome": plain["likely"], "accepted": plain["accepted"], "golden": plain["golden"]}
    lines = [_line({**plain["run"], **known})]
    lines.append(f"elapsed {format_duration(status.elapsed)}  {status.phase}".rstrip())
    lines += [f"incident open: {incident.summary}" for incident in status.incidents]
    lines += status.reasons
    lines += [f"{one.signal}: {changes.said(one)}" for one in status.changes]
    lines += [f"note: {note}" for note in status.run.notes]
    return plain, "\n".join(lines)


def _asked(options: Mapping[str, Any]) -> Asked:
    names = ("note", "force", "until", "golden", "signal", "change")
    return Asked(**{name: options[name] for name in names})


async def _accept(options: Mapping[str, Any], client: ServerClient) -> tuple[object, str]:
    if options["undo"]:
        what = Undone(options["signal"], options["golden"])
        row = await client.undo_accept(options["run"], what)
    else:
        row = await client.accept(options["run"], _asked(options))
    return row, _held(row)


async def accept_here(config: Config, options: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """As `runs accept`, in the state directory; a daemon at work there sees to it by itself.

    Raises UnknownRun, NotAcceptable, BadAcceptance, StoreError.
    """
    run_id = options["run"]
    with Store.open(config.state_dir / "anomalyd.db") as store:
        if options["undo"]:
            run = accepting.undo(store, run_id, Undone(options["signal"], options["golden"]))
        else:
            most, now = config.judgement.accepted_change, time.time()
            run = accepting.accept(store, most, run_id, _asked(options), now)
        row = {**codec.to_dict(run), "outcome": store.outcome(run_id)}
        row |= {"accepted": run_id in store.accepted()} | accepting.told(store, run_id)
    return row, _held(row)


def _held(row: Mapping[str, Any]) -> str:
    """A run, and what is accepted of it."""
    lines = [_line(row)]
    if row["accepted"]:
        end = f" until {row['until']}" if row["until"] else ""
        golden = ", the golden run" if row["golden"] else ""
        lines.append(f"accepted{end}{golden}")
    for one in row["changes"]:
        end = f" until {one['until']}" if one["until"] else ""
        lines.append(f"{one['signal']} {one['change']} is accepted{end}")
    return "\n".join(lines)


def _line(row: Mapping[str, Any]) -> str:
    """When it began and, if it has, when its load ended; what became of it."""
    ended = row["stopped_at"] or row["finished_at"]
    times = " to ".join(rfc3339(float(one)) for one in (row["started_at"], ended) if one)
    state = ", ".join([row["outcome"] or row["state"], *(k for k in MARKS if row.get(k))])
    return f"{row['id']}  {times}  {state}  {row['name']}"
