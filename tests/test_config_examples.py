"""The example configurations are valid, and the full one leaves nothing out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from anomalyd import config
from anomalyd.model import Kind
from tests.settings import settings, values_at

DIRECTORY = Path(__file__).resolve().parent.parent / "config"
EXAMPLES = sorted(DIRECTORY.glob("*.yaml"))
FULL = DIRECTORY / "full.yaml"
MINIMAL = DIRECTORY / "minimal.yaml"

ENDPOINT = re.compile(
    r"^(environments|sinks|enrich|deployment)\.\w+(\[\])?\."
    r"(?=(auth|tls|headers|timeout|scrape|remote_write|otlp|otlp_metrics|tempo|jaeger)\b)"
)
"""Where settings begin that several sections share: the example shows each of them once."""


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in EXAMPLES:
        for name in re.findall(r"\$\{(\w+)\}", path.read_text(encoding="utf-8")):
            monkeypatch.setenv(name, "secret")


def test_there_are_examples() -> None:
    assert {path.name for path in EXAMPLES} == {
        "minimal.yaml",
        "full.yaml",
        "jaeger.yaml",
        "push.yaml",
        "tempo.yaml",
        "traces.yaml",
        "scrape.yaml",
    }


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_valid(path: Path) -> None:
    assert config.load(path).environments.production is not None


def test_the_minimal_example_is_short() -> None:
    lines = MINIMAL.read_text(encoding="utf-8").splitlines()
    said = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert len(said) <= 15


def test_the_full_example_names_every_setting() -> None:
    """Sets it, or names it in a comment as the alternative to what it sets."""
    text = FULL.read_text(encoding="utf-8")
    tree = yaml.safe_load(text)
    comments = "\n".join(line for line in text.splitlines() if line.lstrip().startswith("#"))
    left_out = []
    for setting in settings():
        shared = ENDPOINT.sub("", setting.path)
        sections = ("environments.staging.", "environments.production.")
        places = [setting.path] if shared == setting.path else [f"{s}{shared}" for s in sections]
        is_set = any(values_at(tree, place) for place in places)
        if not is_set and not re.search(rf"\b{setting.name}:( |$)", comments, re.M):
            left_out.append(setting.path)
    assert left_out == []


def test_the_full_example_shows_every_kind_of_definition() -> None:
    tree = yaml.safe_load(FULL.read_text(encoding="utf-8"))
    custom = tree["signals"]["custom"]
    for definition in ("histogram", "ratio", "rate", "gauge", "promql"):
        assert any(definition in one for one in custom), definition
    assert {one["kind"] for one in custom} <= {str(kind) for kind in Kind}
    assert len({one["kind"] for one in custom}) >= 4


def keys(node: yaml.Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    """Paths of all keys that are not within a list, each with the index of its line."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, key.value), key.start_mark.line
            yield from keys(value, (*path, key.value))


@pytest.mark.usefixtures("secrets")
def test_what_is_said_to_be_a_default_is_one() -> None:
    """A setting marked `# default` can go without changing anything; `# default: x` is another."""
    text = FULL.read_text(encoding="utf-8")
    lines = text.splitlines()
    whole = config.load(FULL)
    marked = [
        path for path, line in keys(yaml.compose(text)) if re.search(r"# default(;|$)", lines[line])
    ]
    assert len(marked) > 30
    for path in marked:
        below = tree = yaml.safe_load(text)
        for key in path[:-1]:
            below = below[key]
        del below[path[-1]]
        assert config.parse(tree) == whole, ".".join(path)
