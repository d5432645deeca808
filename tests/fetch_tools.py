"""Bring the programs that the tests run against into .cache/tools, without touching the system.

Run by `make tools` with nothing but the standard library. A program on the PATH is used as it is.
On Debian and Ubuntu the others are taken out of the distribution's own packages with
`apt-get download` and `dpkg -x`, neither of which needs root; elsewhere, and without a network,
it says which tests are left out. With CI=true in the environment nothing may be left out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent / ".cache"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Tool:
    """A program under any of `names`, the Debian package with it, and what needs it.

    `package` is None where unpacking is not enough and it has to be installed. suite: a release of
    Debian that has it where this system's need not; its program goes by the first of `names`.
    """

    names: tuple[str, ...]
    package: str | None
    needed_by: str
    suite: str = ""


TOOLS = (
    Tool(("prometheus",), "prometheus", "tests against a real Prometheus"),
    Tool(("prometheus-3",), "prometheus", "tests of what only Prometheus 3 has", "forky"),
    Tool(("promtool",), "prometheus", "checks of exported metrics and of PromQL"),
    Tool(
        ("prometheus-alertmanager", "alertmanager"),
        "prometheus-alertmanager",
        "tests against a real Alertmanager",
    ),
    Tool(("chromium", "chromium-browser"), None, "tests of pages in a browser"),
    Tool(("systemd-analyze",), None, "checks of the systemd unit"),
)


def find(tool: Tool, cache: Path = CACHE) -> Path | None:
    """Where the program is: on the PATH first, then among what was fetched."""
    places = os.pathsep.join([os.environ.get("PATH", ""), str(cache / "tools/usr/bin")])
    found = (shutil.which(name, path=places) for name in tool.names)
    return next((Path(path) for path in found if path), None)


def fetch(packages: list[str], cache: Path = CACHE) -> str:
    """Download and unpack Debian packages; what went wrong in one sentence, or ''."""
    missing = [name for name in ("apt-get", "dpkg") if not shutil.which(name)]
    if missing:
        return f"{missing[0]} is not on this system"
    debs = cache / "debs"
    shutil.rmtree(debs, ignore_errors=True)
    debs.mkdir(parents=True)
    error = ""
    for options in _apt_options(cache):
        command = ["apt-get", "--quiet=2", *options, "download", *packages]
        done = subprocess.run(command, cwd=debs, capture_output=True, text=True, check=False)
        error = done.stderr.strip().rpartition("\n")[2]
        if done.returncode == 0:
            break
    else:
        return f"apt-get download failed: {error}"
    for deb in sorted(debs.glob("*.deb")):
        subprocess.run(["dpkg", "-x", deb, cache / "tools"], check=True)
    shutil.rmtree(debs)
    return ""


def _apt_options(cache: Path) -> Iterator[list[str]]:
    """The system's package lists, then, where these are empty or stale, private ones."""
    unprivileged = ["-o", "APT::Sandbox::User="]  # else root drops to a user who cannot write here
    yield unprivileged
    lists, archives = cache / "apt/lists", cache / "apt/cache"
    for directory in (lists / "partial", archives / "archives/partial"):
        directory.mkdir(parents=True, exist_ok=True)
    settings = (f"Dir::State::lists={lists}", f"Dir::Cache={archives}", "Debug::NoLocking=1")
    private = unprivileged + [word for setting in settings for word in ("-o", setting)]
    print("reading package lists…", flush=True)
    subprocess.run(["apt-get", "--quiet=2", *private, "update"], capture_output=True, check=False)
    yield private


def fetch_newer(tool: Tool, cache: Path = CACHE) -> str:
    """The same of a program of another release, under a name of its own."""
    mirror = next(_mirrors(), "")
    if not mirror or not shutil.which("apt-get") or not shutil.which("dpkg"):
        return "this system has no packages of Debian"
    apart = cache / tool.suite
    shutil.rmtree(apart, ignore_errors=True)
    for folder in ("lists/partial", "archives/partial", "out"):
        (apart / folder).mkdir(parents=True)
    (apart / "list").write_text(f"deb [signed-by={KEYS}] {mirror} {tool.suite} main\n")
    settings = (
        "APT::Sandbox::User=",
        f"Dir::Etc::sourcelist={apart / 'list'}",
        "Dir::Etc::sourceparts=-",
        f"Dir::State::lists={apart / 'lists'}",
        f"Dir::Cache={apart}",
        "Debug::NoLocking=1",
    )
    apt = ["apt-get", "--quiet=2", *(word for one in settings for word in ("-o", one))]
    subprocess.run([*apt, "update"], capture_output=True, check=False)
    command = [*apt, "download", str(tool.package)]
    done = subprocess.run(command, cwd=apart / "out", capture_output=True, text=True, check=False)
    for deb in (apart / "out").glob("*.deb"):
        subprocess.run(["dpkg", "-x", deb, apart / "unpacked"], check=True)
        to = cache / "tools/usr/bin" / tool.names[0]
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(apart / "unpacked/usr/bin" / str(tool.package), to)
    shutil.rmtree(apart)
    error = done.stderr.strip().rpartition("\n")[2]
    return "" if done.returncode == 0 else f"apt-get download failed: {error}"


def _mirrors() -> Iterator[str]:
    """Where this system has Debian's packages from."""
    lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt").glob("sources.list.d/*"))]
    for path in filter(Path.is_file, lists):
        for uri in re.findall(r"^(?:URIs:|deb(?: \[.*\])?) +(\S+)", path.read_text(), re.MULTILINE):
            if uri.rstrip("/").endswith("/debian"):
                yield uri


def main() -> int:
    absent = [tool for tool in TOOLS if not find(tool)]
    packages = sorted({tool.package for tool in absent if tool.package and not tool.suite})
    problem = ""
    if packages:
        print(f"fetching {', '.join(packages)} into {CACHE.name}/tools…", flush=True)
        problem = fetch(packages)
    for tool in absent:
        if tool.suite:
            print(f"fetching {tool.names[0]} into {CACHE.name}/tools…", flush=True)
            problem = fetch_newer(tool) or problem
    absent = [tool for tool in absent if not find(tool)]
    for tool in absent:
        why = problem if tool.package else f"{tool.names[0]} is not on the PATH; install it"
        print(f"left out: {tool.needed_by} ({why})", file=sys.stderr)
    if absent and os.environ.get("CI") == "true":
        print("CI=true, so nothing may be left out", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
