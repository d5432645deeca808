"""The systemd unit is understood whole by systemd, and is a tight one."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parent.parent / "systemd" / "anomalyd.service"


@pytest.fixture
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("systemd-analyze is not on the PATH")
        pytest.skip("systemd-analyze is not on the PATH")
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as it would be where anomalyd is installed: `verify` looks for the program."""
    program = tmp_path / "anomalyd"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/bin/anomalyd ", f"{program} "))
    return unit


def run(*command: str) -> str:
    environ = os.environ | {"SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    return done.stdout + done.stderr


def test_systemd_finds_nothing_to_say_about_the_unit(analyze: str, installed: Path) -> None:
    assert run(analyze, "verify", str(installed)) == ""


def test_an_unknown_setting_would_be_noticed(analyze: str, installed: Path) -> None:
    installed.write_text(installed.read_text().replace("LockPersonality=", "LockPersonallity="))
    assert "LockPersonallity" in run(analyze, "verify", str(installed))


def test_the_sandbox_leaves_little_exposed(analyze: str, installed: Path) -> None:
    told = run(analyze, "security", "--offline=true", "--no-pager", str(installed))
    level = re.search(r"Overall exposure level for anomalyd\.service: ([\d.]+)", told)
    assert level is not None
    assert float(level[1]) <= 1.5


def test_the_daemon_has_what_it_needs() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT.read_text())
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert service["ExecStart"] == "/usr/bin/anomalyd serve --config /etc/anomalyd/config.yaml"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert {"AF_INET", "AF_INET6", "AF_UNIX"} == set(service["RestrictAddressFamilies"].split())
    assert service["StateDirectory"] == "anomalyd"
    assert "WatchdogSec" in service
    assert "MemoryMax" in service
