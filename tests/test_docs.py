"""The pages name what exists, lead somewhere, and show what is true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from anomalyd import config, exits
from anomalyd.cli import main
from anomalyd.model import Outcome
from anomalyd.sources import SOURCES

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MARKDOWN = MarkdownIt("commonmark").enable("table")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
PLACES = ("anomalyd/", "tests/", "config/", "docs/", "grafana/", "systemd/", "bench/")


def tokens(page: Path) -> Iterator[Token]:
    """All tokens of a page, those within a line too."""
    for token in MARKDOWN.parse(page.read_text("utf-8")):
        yield token
        yield from token.children or ()


def fences(page: Path, language: str) -> list[str]:
    found = (one for one in tokens(page) if one.type == "fence")
    return [one.content for one in found if one.info.strip() == language]


def anchors(page: Path) -> set[str]:
    """What `#…` may lead to, as GitHub names headings."""
    found = MARKDOWN.parse(page.read_text("utf-8"))
    titles = [found[i + 1].content for i, token in enumerate(found) if token.type == "heading_open"]
    plain = (re.sub(r"[`*]|\[|\]\([^)]*\)", "", title).lower() for title in titles)
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in plain}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for token in tokens(page):
        target = str(token.attrs.get("href") or token.attrs.get("src") or "")
        if not target or re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        assert other.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(other), f"{page.name}: {target}"


@each_page
def test_every_file_that_is_named_exists(page: Path) -> None:
    for token in tokens(page):
        if token.type == "code_inline" and token.content.startswith(PLACES):
            path = token.content.split()[0].rstrip(".,")
            assert list(ROOT.glob(path)), f"{page.name}: {path}"


def test_every_page_is_in_the_index() -> None:
    linked = {str(token.attrs.get("href")) for token in tokens(ROOT / "docs" / "index.md")}
    assert {page.name for page in PAGES[1:]} - {"index.md"} <= linked


def test_the_architecture_names_every_folder_and_no_other() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = text.partition("## The folders")[2].partition("\n## ")[0]
    said = set(re.findall(r"^\| `([\w/]+)` \|", table, re.M))
    inside = {f"anomalyd/{one.parent.name}" for one in ROOT.glob("anomalyd/*/__init__.py")}
    assert {name for name in said if name.startswith("anomalyd/")} == inside
    assert all((ROOT / name).is_dir() for name in said)
    for name in ("config", "docs", "grafana", "systemd", "bench", "tests"):
        assert name in said


def test_the_architecture_leads_through_every_part_that_decides_or_delivers() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for name in ("pipeline", "session", "daemon", "assembly", "running", "snapshots"):
        assert f"`anomalyd/{name}.py`" in text


@each_page
def test_yaml_and_json_are_well_formed(page: Path) -> None:
    for block in fences(page, "yaml"):
        list(yaml.safe_load_all(block))
    for block in fences(page, "json"):
        json.loads(block)


@each_page
def test_every_configuration_that_is_shown_is_valid(page: Path) -> None:
    """Blocks of YAML whose keys are sections of the configuration; staging is added if missing."""
    for block in fences(page, "yaml"):
        tree = yaml.safe_load(block)
        if not isinstance(tree, dict) or not tree.keys() <= config.Config.model_fields.keys():
            continue
        names = dict.fromkeys(re.findall(r"\$\{(\w+)\}", block), "secret")
        whole = {"environments": {"staging": {"url": "http://localhost:9090"}}, **tree}
        config.parse(whole, names)


def commands_in(page: Path) -> list[list[str]]:
    """Every `anomalyd …` that a page shows, in words, up to what it watches or pipes into."""
    shown = [
        line
        for token in tokens(page)
        if token.type in ("fence", "code_inline")
        for line in token.content.replace("\\\n", " ").splitlines()
    ]
    found = (re.search(r"(?:^|[\s(;|-])anomalyd ([a-z][^#|`)]*)", line) for line in shown)
    return [re.split(r" (?:--|>|;|&&) ", f"{one[1]} ")[0].split() for one in found if one]


@each_page
def test_every_command_that_is_shown_can_be_called(page: Path) -> None:
    for words in commands_in(page):
        command: click.Command = main
        rest = list(words)
        while rest and isinstance(command, click.Group) and rest[0] in command.commands:
            command = command.commands[rest.pop(0)]
        if command is main:
            assert words[0] not in ("runs", "baseline", "signals"), f"{page.name}: {words}"
            continue
        known = {"-h", "--help", *(option for one in command.params for option in one.opts)}
        for word in rest:
            option = word.strip("[]…").partition("=")[0]
            if option.startswith("-") and option != "--":
                assert option in known, f"{page.name}: {' '.join(words)}"


@pytest.mark.parametrize("name", ["README.md", "docs/ci.md"])
def test_exit_codes_are_those_of_the_program(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    said = dict(re.findall(r"^\| (\d) \| `(\w+)` \|", text, re.M))
    assert said == {str(outcome.exit_code): str(outcome) for outcome in Outcome}
    assert re.search(rf"^\| {exits.USAGE} \| none \|", text, re.M)
    assert re.search(rf"^\| {exits.COMMAND_FAILED} \| any but `fail` \|", text, re.M)


def test_the_readme_shows_the_minimal_example() -> None:
    """Without its comments; the reader may begin with either."""
    shown = next(block for block in fences(ROOT / "README.md", "yaml") if "environments" in block)
    assert yaml.safe_load(shown) == yaml.safe_load(
        (ROOT / "config/minimal.yaml").read_text("utf-8")
    )
    assert len(shown.splitlines()) <= 15


def test_the_picture_is_drawn_for_light_and_dark() -> None:
    picture = ElementTree.parse(ROOT / "docs" / "data-path.svg").getroot()  # noqa: S314 (ours)
    texts = " ".join(picture.itertext())
    assert "prefers-color-scheme: dark" in texts
    for word in ("Staging", "Production", "Signals", "Baseline", "Judgement", "Grafana", "Reports"):
        assert word in texts


def test_make_has_what_the_readme_calls() -> None:
    readme, makefile = ((ROOT / name).read_text("utf-8") for name in ("README.md", "Makefile"))
    called = set(re.findall(r"(?:^|`)make ([a-z]+)", readme, re.M))
    assert {"demo", "test"} <= called
    for name in called:
        assert re.search(rf"^{name}:", makefile, re.M), name


def test_the_readme_says_what_is_missing_only_while_it_is() -> None:
    """What it says is not there yet has no command; whoever adds one comes by here."""
    text = (ROOT / "README.md").read_text("utf-8")
    missing = text.partition("## What it does not do yet")[2]
    assert "ccepted runs" not in missing
    assert "It does not record" not in text
    assert "backtest" not in main.commands
    assert {kind.section for kind in SOURCES} == {
        "jaeger",
        "otlp",
        "otlp_metrics",
        "remote_write",
        "scrape",
        "tempo",
        "url",
    }
