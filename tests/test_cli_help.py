"""The command line explains itself, at once, and checks a configuration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete, get_completion_class
from click.testing import CliRunner

from anomalyd import __version__
from anomalyd.cli import main
from anomalyd.exits import USAGE

ROOT = Path(__file__).resolve().parent.parent
SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_ANOMALYD_COMPLETE"
GOOD = "environments: {staging: {url: http://localhost:9090}}\n"


def commands(
    command: click.Command = main, name: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its words, the groups included; `()` is anomalyd itself."""
    yield name, command
    if isinstance(command, click.Group):
        for word, below in command.commands.items():
            yield from commands(below, (*name, word))


ALL = dict(commands())


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "anomalyd.yaml"
    path.write_text(GOOD)
    return path


def test_all_commands_are_there() -> None:
    assert {name[0] for name in ALL if name} >= {
        "baseline", "check-config", "demo", "doctor", "parity", "runs", "serve", "signals", "watch",
    }  # fmt: skip


@pytest.mark.parametrize("name", ALL, ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_says_what_it_does(name: tuple[str, ...], option: str) -> None:
    done = CliRunner().invoke(main, [*name, option], prog_name="anomalyd")
    assert done.exit_code == 0
    assert done.output.startswith(f"Usage: {' '.join(('anomalyd', *name))} [OPTIONS]")
    assert ALL[name].help


@pytest.mark.parametrize("name", ALL, ids=" ".join)
def test_every_option_says_what_it_is_for(name: tuple[str, ...]) -> None:
    for option in ALL[name].params:
        if isinstance(option, click.Option):
            explained = option.help or isinstance(option.type, click.Choice)
            assert explained, f"{' '.join(name)} {option.opts}"


@pytest.mark.parametrize("name", [name for name in ALL if name], ids=" ".join)
def test_an_unknown_option_is_a_usage_error(name: tuple[str, ...]) -> None:
    words = [*name, "--no-such-option", *(["true"] if name == ("watch",) else [])]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == USAGE
    assert "--no-such-option" in done.output


def test_the_version_is_that_of_the_package() -> None:
    done = CliRunner().invoke(main, ["--version"])
    assert done.output == f"anomalyd, version {__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["watch", "--help"], ["runs", "list", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    heavy = ("pydantic", "numpy", "aiohttp", "yaml", "opentelemetry", "msgspec", "anomalyd.config")
    code = f"""
import sys
from anomalyd.cli import main
try:
    main({words!r})
finally:
    print(sorted(set({heavy!r}) & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stderr.strip() == "[]"
    assert "Usage:" in done.stdout


def test_a_module_run_is_the_command(good: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "anomalyd", "check-config", "-c", str(good)],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout == f"{good} is a valid configuration\n"


def test_a_good_config_is_told_so(good: Path) -> None:
    done = CliRunner().invoke(main, ["check-config", "--config", str(good)])
    assert done.exit_code == 0
    assert done.stdout == f"{good} is a valid configuration\n"
    assert done.stderr == "note: environments.production is not set: no run can pass\n"


def test_a_good_config_in_json(good: Path) -> None:
    arguments = ["check-config", "-c", str(good), "--json"]
    done = CliRunner().invoke(
        main, [*arguments, "--set", "environments.production.url=http://localhost:9091"]
    )
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"valid": True, "errors": []}
    assert done.stderr == ""


def test_all_errors_are_named_at_once_on_stderr(good: Path) -> None:
    arguments = ["check-config", "-c", str(good), "--set", "step=5", "--set", "sinks.queue=0"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == USAGE
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "sinks.queue: must be greater than or equal to 1",
        "step: 5 is not a duration; write a number with its unit, like 5s, 10m or 7d",
    ]


@pytest.mark.parametrize(
    "words",
    ["serve", "doctor", "check-config", "parity", "signals list", "baseline fit", "watch -- true"],
)
def test_every_command_that_reads_a_config_refuses_a_bad_one(words: str, tmp_path: Path) -> None:
    absent = tmp_path / "absent.yaml"
    command, separator, watched = words.partition(" -- ")
    rest = ["--", watched] if separator else []
    done = CliRunner().invoke(main, [*command.split(), "-c", str(absent), *rest])
    assert done.exit_code == USAGE
    assert done.stderr == f"{absent}: cannot be read: No such file or directory; name one by -c\n"


def test_a_command_that_is_not_there_is_not_watched(good: Path) -> None:
    done = CliRunner().invoke(main, ["watch", "-c", str(good), "--", "no-such-load-generator"])
    assert done.exit_code == USAGE
    assert done.stderr == (
        "anomalyd: no-such-load-generator: no such command; nothing was started\n"
    )


def test_a_baseline_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["baseline", "show", str(tmp_path / "absent.npz")])
    assert done.exit_code == USAGE
    (line,) = done.stderr.splitlines()
    assert line.startswith("anomalyd: ")
    assert "absent.npz" in line


def completion(shell: str) -> ShellComplete:
    kind = get_completion_class(shell)
    assert kind is not None
    return kind(main, {}, "anomalyd", VARIABLE)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_completion_script_is_made_for_each_shell(shell: str) -> None:
    done = CliRunner().invoke(
        main, [], prog_name="anomalyd", complete_var=VARIABLE, env={VARIABLE: f"{shell}_source"}
    )
    assert done.exit_code == 0
    assert f"{VARIABLE}={shell}_complete" in done.output
    assert done.output.strip() == completion(shell).source().strip()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_understands_its_script(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        leave_out = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        leave_out(f"{shell} is not on the PATH")
    script = tmp_path / "completion"
    script.write_text(completion(shell).source())
    done = subprocess.run([program, "-n", str(script)], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        ([], "ba", {"baseline"}),
        (["runs"], "s", {"show", "start", "stop"}),
        (["runs", "accept"], "--un", {"--undo", "--until"}),
        (["watch"], "--sel", {"--selector"}),
        (["watch", "--accept"], "", {"inconclusive"}),
        (["runs", "report", "--format"], "h", {"html"}),
    ],
)
def test_what_is_completed(words: list[str], incomplete: str, expected: set[str]) -> None:
    found = {item.value for item in completion("bash").get_completions(words, incomplete)}
    assert found == expected
