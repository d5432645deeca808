"""docs/commands.md has every command with its options, arguments and exit codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from anomalyd import exits
from anomalyd.cli import main
from anomalyd.model import Outcome

DOCS = (Path(__file__).resolve().parent.parent / "docs" / "commands.md").read_text("utf-8")
SHARED = {"-c", "--config", "--set", "--json", "-h", "--help"}
"""Options that the page explains once for all commands."""


def commands(
    command: click.Command = main, name: str = "anomalyd"
) -> Iterator[tuple[str, click.Command]]:
    """Every command below anomalyd, with its whole name."""
    if isinstance(command, click.Group):
        for word, below in command.commands.items():
            yield f"{name} {word}", below
            yield from commands(below, f"{name} {word}")


COMMANDS = dict(commands())
SECTIONS = dict(re.findall(r"^#+ `(anomalyd [^`]+)`\n(.*?)(?=^#|\Z)", DOCS, re.M | re.S))
each = pytest.mark.parametrize("name", COMMANDS)


def usage(name: str) -> str:
    """The usage of a command as the page has it, in one line."""
    found = re.search(r"```\n(anomalyd .*?)\n```", SECTIONS[name], re.S)
    assert found, f"{name} has no usage"
    return " ".join(found[1].split())


def options(name: str) -> list[click.Option]:
    params = COMMANDS[name].params
    return [one for one in params if isinstance(one, click.Option) and not one.hidden]


def test_every_command_is_there() -> None:
    assert set(SECTIONS) == set(COMMANDS)


@each
def test_the_usage_names_every_option(name: str) -> None:
    said = set(re.findall(r"\[(--?[a-z][a-z-]*)", usage(name)))
    assert said == {"-h"} | {"-c" if "-c" in one.opts else one.opts[0] for one in options(name)}


@each
def test_the_usage_names_every_argument_in_order(name: str) -> None:
    arguments = [
        one.name.upper() for one in COMMANDS[name].params if isinstance(one, click.Argument)
    ]
    text = usage(name).removeprefix(name)
    said = [word for word in text.split() if re.fullmatch(r"[A-Z]+…?", word)]
    assert [word.removesuffix("…") for word in said] == arguments


@each
def test_an_option_that_may_be_repeated_is_said_to_be(name: str) -> None:
    for one in options(name):
        option = "-c" if "-c" in one.opts else one.opts[0]
        assert bool(re.search(rf"\[{option}\b[^]]*\]…", usage(name))) == one.multiple


@each
def test_every_option_of_its_own_is_explained(name: str) -> None:
    own = {one.opts[-1] for one in options(name)} - SHARED
    if name.startswith("anomalyd runs "):
        own -= {"--server", "--token-file"}
    said = set(re.findall(r"^\| `(--[a-z-]+)` \| ", SECTIONS[name], re.M))
    assert said == own - {"--token-file"}


@each
def test_choices_and_defaults_are_named(name: str) -> None:
    shared = DOCS.partition("## Shell completion")[0]
    for one in options(name):
        text = SECTIONS[name] + shared
        if isinstance(one.type, click.Choice):
            for choice in one.type.choices:
                assert f"`{choice}`" in SECTIONS[name]
        if isinstance(one.default, str | int | Path) and not one.is_flag and one.default != "":
            assert f"`{one.default}`" in text, one.opts


def test_options_shared_by_commands_are_explained() -> None:
    shared = DOCS.partition("## Options that several commands have")[2].partition("\n## ")[0]
    for option in SHARED | {"--server", "--token-file", "--version"}:
        assert re.search(rf"`{option}\b", shared), option


def test_the_exit_codes_are_those_of_the_program() -> None:
    table = DOCS.partition("## Exit codes")[2].partition("\n## ")[0]
    said = {
        int(code): meaning
        for code, meaning in re.findall(r"^\| (\d+) \| `?watch.*?\| (.*) \|$", table, re.M)
    }
    for outcome in Outcome:
        if outcome is not Outcome.PASS:
            assert said[outcome.exit_code].startswith(f"`{outcome}`")
    assert re.search(r"^\| 0 \| .*`pass`", table, re.M)
    assert said[exits.COMMAND_FAILED].startswith("the command failed by itself")
    assert said[exits.INTERRUPTED] == "interrupted"
    assert re.search(rf"^\| {exits.USAGE} \| all \| usage or configuration error", table, re.M)
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.M)}
    known = {outcome.exit_code for outcome in Outcome}
    assert codes == known | {exits.USAGE, exits.COMMAND_FAILED, exits.INTERRUPTED}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_described(shell: str) -> None:
    assert re.search(rf"^\| {shell} \| .*_ANOMALYD_COMPLETE={shell}_source anomalyd", DOCS, re.M)
