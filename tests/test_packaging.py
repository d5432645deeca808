"""What is shipped, what it says that it needs, and what brings the tools of the tests."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from tests import fetch_tools

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCKS = {name: ROOT / f"requirements/{name}.txt" for name in ("build", "runtime", "dev")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
    )
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_is_the_package_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    written = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "anomalyd").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == written
    assert {"anomalyd/py.typed", "anomalyd/report/schema.json"} <= shipped


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name.partition(".dist-info/")[2]: name for name in archive.namelist()}
        about = HeaderParser().parsestr(archive.read(names["METADATA"]).decode())
        entries = archive.read(names["entry_points.txt"]).decode()
    assert about["Name"] == "anomalyd"
    assert about["Requires-Python"] == ">=3.11"
    assert about["License-Expression"] == PROJECT["license"]
    assert "anomalyd = anomalyd.cli:main" in entries


def test_the_installed_command_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", target, wheel], check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, target / "bin" / "anomalyd", "--version"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert wheel.name.split("-")[1] in done.stdout


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {canonical(re.split(r"[^\w.-]", text)[0]) for text in requirements}


def imported(*folders: str) -> set[str]:
    """The distributions that modules of these folders import.

    Without OpenTelemetry's: they share one name space, so their modules do not tell them apart;
    and without what shares protobuf's.
    """
    found: set[str] = set()
    for path in [path for folder in folders for path in (ROOT / folder).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    own = {"anomalyd", "bench", "tests", "opentelemetry"}
    owners = importlib.metadata.packages_distributions()
    libraries = found - set(sys.stdlib_module_names) - own
    distributions = {canonical(owner) for library in libraries for owner in owners[library]}
    return distributions - {"googleapis-common-protos"}


RUNTIME = {name for name in names(PROJECT["dependencies"]) if "opentelemetry" not in name}
OPTIONAL = PROJECT["optional-dependencies"]


def test_what_is_imported_is_declared_and_the_other_way() -> None:
    assert imported("anomalyd") - names(OPTIONAL["bench"]) == RUNTIME


def test_what_tests_and_benchmarks_import_is_declared() -> None:
    declared = RUNTIME | names(OPTIONAL["dev"]) | names(OPTIONAL["bench"])
    assert imported("tests", "bench") <= declared


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", lock.read_text("utf-8"), re.M))


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_every_requirement_is_pinned_by_version_and_hash(lock: Path) -> None:
    text = re.sub(r"\s*#.*", "", lock.read_text("utf-8")).replace("\\\n", " ")
    for line in filter(None, text.splitlines()):
        assert re.fullmatch(r"[\w.-]+==\S+(\s*;[^#]*?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", line)


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_a_lock_names_no_registry_and_no_place(lock: Path) -> None:
    assert not re.search(
        r"://|--index|--find-links|(?<!requirements)/\w+/", lock.read_text("utf-8")
    )


def test_the_locks_hold_what_is_declared_and_agree() -> None:
    runtime, dev = pins(LOCKS["runtime"]), pins(LOCKS["dev"])
    assert names(PROJECT["dependencies"]) <= set(runtime)
    assert names(OPTIONAL["dev"]) | names(OPTIONAL["bench"]) <= set(dev)
    assert runtime.items() <= dev.items()
    shared = pins(LOCKS["build"]).keys() & dev.keys()
    assert {name: dev[name] for name in shared} == {
        name: pins(LOCKS["build"])[name] for name in shared
    }


def test_make_lists_every_command() -> None:
    told = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^  make (\w+)", told.stdout, re.M))
    assert {"venv", "demo", "test", "e2e", "bench", "lint", "format", "tools", "clean"} <= listed
    assert os.access(ROOT / ".ci/run", os.X_OK)


TOOL = fetch_tools.Tool(("imagined",), "imagined-package", "tests of what is imagined")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without apt on which one tool is wanted; its cache, with a program on its PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(fetch_tools, "TOOLS", (TOOL,))
    monkeypatch.setattr(fetch_tools, "CACHE", tmp_path / ".cache")
    (tmp_path / "bin").mkdir()
    return tmp_path


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_a_tool_that_cannot_be_had_is_named_and_under_ci_is_an_error(
    bare: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ci: str,
    code: int,
) -> None:
    monkeypatch.setenv("CI", ci)
    assert fetch_tools.main() == code
    told = capsys.readouterr().err
    assert "left out: tests of what is imagined (apt-get is not on this system)" in told


def test_a_tool_on_the_path_is_used_before_a_fetched_one(bare: Path) -> None:
    fetched, installed = bare / ".cache/tools/usr/bin/imagined", bare / "bin/imagined"
    for program in (fetched, installed):
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    assert fetch_tools.find(TOOL, bare / ".cache") == installed
    installed.unlink()
    assert fetch_tools.find(TOOL, bare / ".cache") == fetched
