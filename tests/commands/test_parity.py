"""`anomalyd parity` as people call it: what it prints and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from anomalyd.cli import main
from anomalyd.exits import USAGE
from tests.fakes.prometheus import FakePrometheus, serve


@pytest.fixture
def directories(tmp_path: Path) -> list[str]:
    """Two that differ in one setting and one secret."""
    for side, retries, secret in (("staging", 1, "one1"), ("production", 3, "two2")):
        folder = tmp_path / side
        folder.mkdir()
        settings = {"retries": retries, "password": secret, "timeout": 5}
        (folder / "app.json").write_text(json.dumps(settings))
    return ["--staging", str(tmp_path / "staging"), "--production", str(tmp_path / "production")]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_differs_is_a_table_and_exits_with_1(directories: list[str]) -> None:
    done = CliRunner().invoke(main, ["parity", *directories])
    assert done.exit_code == 1
    rows = done.stdout.splitlines()
    assert rows[0].split() == ["kind", "place", "staging", "production"]
    assert rows[1].split() == ["medium", "setting", "app.json", "retries", "1", "3"]
    assert "do: set the same value" in done.stdout
    assert rows[-1] == "2 differences, 2 facts are equal"
    assert "one1" not in done.stdout


def test_directories_that_say_the_same_exit_with_0(directories: list[str]) -> None:
    done = CliRunner().invoke(main, ["parity", *directories[:3], directories[1]])
    assert done.exit_code == 0
    assert done.stdout == "no difference, 4 facts are equal\n"


def test_json_has_everything(directories: list[str]) -> None:
    done = CliRunner().invoke(main, ["parity", *directories, "--json"])
    told = json.loads(done.stdout)
    assert (told["drift"], told["equal"]) == (2, 2)
    row = told["differences"][0]
    assert row["staging"]["value"] == "1"
    assert row["production"]["found"].endswith("production/app.json")
    assert row["mend"]


def test_markdown_is_a_table_without_markup_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "facts.yaml"
    path.write_text("[{kind: a, place: 'x|<b>', staging: 1, production: '@you'}]")
    done = CliRunner().invoke(main, ["parity", "--drift", str(path), "--markdown"])
    assert done.exit_code == 1
    assert "|---|---|---|---|---|---|" in done.stdout
    assert "<b>" not in done.stdout
    assert "@you" not in done.stdout


def test_rules_of_the_configuration_count(directories: list[str], tmp_path: Path) -> None:
    config = tmp_path / "anomalyd.yaml"
    config.write_text(
        "environments: {staging: {url: http://localhost:1}}\n"
        "parity: {expect: [{kind: 'secret|setting', reason: as meant}]}\n"
    )
    done = CliRunner().invoke(main, ["parity", "-c", str(config), *directories])
    assert done.exit_code == 0
    assert "expected: setting app.json retries: as meant" in done.stdout
    assert "beside them 2 expected" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--staging", "a"], "name two directories"),
        (["--staging", "a", "--production", "b"], "a: is not a directory"),
        (["--drift", "absent.yaml"], "absent.yaml: cannot be read"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(words: list[str], said: str) -> None:
    done = CliRunner().invoke(main, ["parity", *words])
    assert done.exit_code == USAGE
    (line,) = done.stderr.splitlines()
    assert line.startswith("anomalyd: ")
    assert said in line


def test_directories_without_a_fact_are_not_alike(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main, ["parity", "--staging", str(tmp_path), "--production", str(tmp_path)]
    )
    assert done.exit_code == USAGE
    assert "there is nothing to compare: neither side tells a single fact" in done.stderr


def test_without_production_and_files_there_is_nothing_to_compare(tmp_path: Path) -> None:
    config = tmp_path / "anomalyd.yaml"
    config.write_text("environments: {staging: {url: http://localhost:1}}\n")
    done = CliRunner().invoke(main, ["parity", "-c", str(config)])
    assert done.exit_code == USAGE
    assert "there is nothing to compare: set environments.production.url" in done.stderr


async def test_two_servers_are_compared_and_one_that_is_away_is_an_error(tmp_path: Path) -> None:
    import asyncio

    config = tmp_path / "anomalyd.yaml"

    def ask() -> tuple[int, str, str]:
        done = CliRunner().invoke(main, ["parity", "-c", str(config)])
        return done.exit_code, done.stdout, done.stderr

    one, other = FakePrometheus(version="2.42.0"), FakePrometheus(version="3.1.0")
    async with serve(one), serve(other):
        urls = {"staging": {"url": one.url}, "production": {"url": other.url}}
        config.write_text(json.dumps({"environments": urls}))
        status, text, _ = await asyncio.to_thread(ask)
    assert status == 1
    assert "server-version" in text
    assert "Prometheus 3.1.0" in text
    status, _, said = await asyncio.to_thread(ask)
    assert status == USAGE
    assert "cannot be reached" in said
