"""docs/api.md and the application have the same routes, query settings and error codes."""

from __future__ import annotations

import re
from pathlib import Path

import anomalyd.api
import anomalyd.sources
from anomalyd.api.app import ROUTES

DOCS = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for part in (anomalyd.api, anomalyd.sources)
    for path in Path(part.__path__[0]).glob("*.py")
)


def documented_routes() -> set[tuple[str, str]]:
    return set(re.findall(r"^### `(GET|POST|DELETE) (\S+)`$", DOCS, re.MULTILINE))


def served_routes() -> set[tuple[str, str]]:
    """As they are written in the docs: `{form:json|xml}` is `{json,xml}` there."""
    return {
        (
            route.method,
            re.sub(
                r"\{\w+:([^}]+)\}",
                lambda found: "{" + found[1].replace("|", ",") + "}",
                route.path,
            ),
        )
        for route in ROUTES
    }


def test_every_route_is_documented_and_every_documented_route_exists():
    assert documented_routes() == served_routes()
    assert len(documented_routes()) == len(ROUTES)


def test_every_route_has_an_example():
    for section in re.split(r"^### ", DOCS, flags=re.MULTILINE)[1:]:
        head = section.splitlines()[0]
        assert "curl" in section, f"{head} has no example"


def test_every_error_code_is_documented():
    codes = set(re.findall(r'(?:Refusal|Refused)\(\s*\d{3},\s*"([a-z_]+)"', SOURCE))
    assert len(codes) > 10
    documented = set(re.findall(r"^\| `([a-z_]+)` \| \d{3} \|", DOCS, re.MULTILINE))
    assert codes == documented


def test_every_query_setting_is_documented():
    names = set(
        re.findall(r'(?:query\.get\(|whole_number\(request, |seconds\(request, )"(\w+)"', SOURCE)
    )
    assert names == {
        "limit",
        "offset",
        "match",
        "run",
        "open",
        "wait",
        "format",
        "golden",
        "signal",
    }
    for name in names:
        assert f"`{name}`" in DOCS, name
