"""The direction of the imports: what a part may know of, and what it must not.

`cli -> daemon -> {api, runs, sinks, report, enrich, sources, parity, deployment} -> model` and
`daemon -> pipeline -> {signals, baseline, detectors, judgement, explain} -> model`.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "anomalyd"

ANYWHERE = {"anomalyd", "facts", "model", "spans", "units", "telemetry", "codec"}
"""Words and self-metrics; `telemetry` is cheap to import and `codec` is the model's JSON."""

EDGE = {"api", "deployment", "enrich", "parity", "report", "runs", "sinks", "sources"}
CORE = {"baseline", "detectors", "explain", "judgement", "signals", "streams"}

MAY_KNOW: dict[str, set[str]] = {
    # words and shared ground
    "model": set(),
    "spans": set(),
    "units": set(),
    "facts": set(),
    "codec": set(),
    "address": set(),
    "kubernetes": set(),
    "notify": set(),
    "protobuf": set(),  # message classes of the fields that are read
    "push": set(),  # what the API and the receivers of pushed data say to one another
    "query": set(),  # Prometheus's query API as data: asked by sources, by the history reader
    "config": {
        "address",
        "signals.identity",
        "signals.presets",
        "signals.regex",
        "signals.relabel",
        "signals.selector",
    },
    "http": {"config"},
    "clients": {"config", "http", "query"},  # of what keeps traces and lines
    "telemetry": {"config", "telemetry_export"},
    "telemetry_export": {"config"},
    # decides: pure, but for the history reader and the fit, which run in a process of their own
    "signals": set(),
    "detectors": set(),
    "explain": set(),
    "risk": set(),  # what a judged run says of the release: after the verdict, never in it
    "streams": set(),  # a stream by its own past, with no production
    "baseline": {"query", "signals"},
    "judgement": {"baseline", "detectors", "explain", "signals"},
    "pipeline": CORE | {"risk"},
    "snapshots": CORE | {"pipeline"},  # a pipeline's state, to go on from
    "replay": CORE | {"pipeline", "snapshots"},  # the same judge over recordings
    # talks to the world
    "sources": {"address", "clients", "config", "http", "protobuf", "push", "query", "signals"},
    "sinks": {"config", "http"},
    "enrich": {"clients", "config", "http", "query"},
    "parity": {"config", "http", "kubernetes", "query", "signals"},
    "deployment": {"config", "http", "kubernetes", "query", "signals"},
    "runs": set(),
    "report": {"risk"},
    "api": {"address", "config", "http", "protobuf", "push", "risk", "runs"},
    "demo": set(),
}
"""Every other module directly in the package, and `commands`, builds and runs the parts (cli,
daemon and theirs): it may know any of them, and none of them may know it."""

ONLY_IN = {
    "yaml": ("anomalyd.config.reading", "anomalyd.parity.formats"),
    "matplotlib": ("anomalyd.report.plots",),
    "statsmodels": ("anomalyd.baseline.fit",),
    "pandas": (),
    "scipy": ("anomalyd.risk.calibration",),
    "sqlite3": ("anomalyd.runs",),
}
"""A library, and the prefixes of the modules that may import it."""

TALKS = {
    "aiohttp",
    "http",
    "requests",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "threading",
    "urllib",
}
PURE_BUT_FOR = {
    "asyncio": {
        "anomalyd.baseline.reader",  # production's history, politely
    },
}


@dataclass(frozen=True)
class Import:
    """One import: by which module, of which (dotted, with the name imported), at top level?"""

    by: str
    of: str
    top: bool

    @property
    def part(self) -> str:
        return self.by.split(".")[1] if "." in self.by else "anomalyd"

    @property
    def library(self) -> str:
        return self.of.split(".")[0]


def module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
        ".__init__"
    )


def imports_of(path: Path, code: str) -> list[Import]:
    found: list[Import] = []
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(code), True)]
    while waiting:
        node, top = waiting.pop()
        if isinstance(node, ast.Import):
            found += [Import(module(path), alias.name, top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [Import(module(path), name, top) for name in names]
        top = top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        waiting += [(inner, top) for inner in statements(node)]
    return found


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """What may hold imports: not the expressions, of which there are many."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        held = getattr(node, name, ())
        yield from held if isinstance(held, list) else ()


FILES = sorted(PACKAGE.rglob("*.py"))
IMPORTS = [found for path in FILES for found in imports_of(path, path.read_text("utf-8"))]
OWN = [found for found in IMPORTS if found.library == "anomalyd"]
PARTS = {found.part for found in IMPORTS} | {path.stem for path in PACKAGE.glob("*.py")}
WIRING = {part for part in PARTS if (PACKAGE / f"{part}.py").exists()} - set(MAY_KNOW)
WIRING |= {"commands"}


def known(found: Import) -> str:
    """The part that is imported: `signals` of `anomalyd.signals.selector.parse`."""
    name = found.of.split(".")[1] if "." in found.of else "anomalyd"
    return "anomalyd" if name.startswith("__") else name


def told(imports: list[Import]) -> list[str]:
    return sorted(f"{found.by} imports {found.of}" for found in imports)


def test_every_folder_has_its_place() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= set(MAY_KNOW) | WIRING


def test_a_part_knows_only_what_lies_before_it() -> None:
    against = [
        found
        for found in OWN
        if found.part in MAY_KNOW
        and known(found) not in ANYWHERE | {found.part} | MAY_KNOW[found.part]
        and not any(found.of.startswith(f"anomalyd.{one}.") for one in MAY_KNOW[found.part])
    ]
    assert told(against) == []


def test_what_decides_knows_nothing_of_what_talks_to_the_world() -> None:
    against = [found for found in OWN if found.part in CORE | {"pipeline"} and known(found) in EDGE]
    assert told(against) == []


def test_nothing_knows_what_builds_it() -> None:
    against = [found for found in OWN if found.part not in WIRING and known(found) in WIRING]
    assert told(against) == []


@pytest.mark.parametrize("one", ["sources", "detectors", "sinks"])
def test_sources_detectors_and_sinks_never_know_one_another(one: str) -> None:
    others = {"sources", "detectors", "sinks"} - {one}
    assert told([found for found in OWN if found.part == one and known(found) in others]) == []


def test_detectors_need_numpy_alone() -> None:
    libraries = {
        found.library
        for found in IMPORTS
        if found.part == "detectors" and found.library not in sys.stdlib_module_names
    }
    assert libraries <= {"numpy", "anomalyd", "river"}


def test_what_decides_is_pure() -> None:
    against = [
        found
        for found in IMPORTS
        if found.part in CORE | {"pipeline", "risk"}
        and found.library in TALKS | {"asyncio"}
        and found.by not in PURE_BUT_FOR.get(found.library, set())
    ]
    assert told(against) == []


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_a_library_stays_in_its_place(library: str) -> None:
    allowed = ONLY_IN[library]
    against = [
        found for found in IMPORTS if found.library == library and not found.by.startswith(allowed)
    ]
    assert told(against) == []


@pytest.mark.parametrize("library", ["drain3", "river", "statsmodels", "grpc", "opentelemetry.sdk"])
def test_a_heavy_library_is_imported_where_it_is_used(library: str) -> None:
    against = [
        found
        for found in IMPORTS
        if found.top
        and found.of.startswith(library)
        and not found.by.startswith(
            ("anomalyd.api.otlp_grpc", "anomalyd.baseline.fit", "anomalyd.telemetry_export")
        )
    ]
    assert told(against) == []


@pytest.mark.parametrize("started", ["anomalyd.cli", "anomalyd.daemon"])
def test_starting_is_light(started: str) -> None:
    heavy = ("drain3", "pandas", "statsmodels", "matplotlib", "river", "scipy", "jinja2", "grpc")
    code = f"import sys, {started}; print(sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_module_is_read_in_one_sitting() -> None:
    lengths = {module(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {name: lines for name, lines in lengths.items() if lines > 300} == {}


def test_an_import_against_the_direction_would_be_seen() -> None:
    code = "def f():\n    from anomalyd.sinks import base\nimport asyncio.tasks as t\n"
    path = PACKAGE / "detectors" / "imagined.py"
    found = imports_of(path, code)
    assert [(one.part, known(one), one.top) for one in found if one.library == "anomalyd"] == [
        ("detectors", "sinks", False)
    ]
    assert [(one.library, one.top) for one in found if one.library != "anomalyd"] == [
        ("asyncio", True)
    ]
