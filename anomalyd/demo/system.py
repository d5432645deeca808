"""The demo's system as one environment: four processes on free loopback ports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp

from anomalyd.demo.process import DemoError, spawn, stop
from anomalyd.demo.topology import EDGES, ENTRY, Fault, leaves_first
from anomalyd.model import Environment


@dataclass(frozen=True, slots=True)
class Target:
    """One service to scrape: `url` of its exposition and the labels its series get."""

    url: str
    labels: Mapping[str, str]


class System:
    """Four running services of one environment; use as `async with System(...) as system`.

    `seed` fixes service times and errors. otlp: where their spans go, by OTLP/HTTP, if anywhere.
    The processes end with the context, or by themselves when this process dies. Entering raises
    DemoError when a service does not come up.
    """

    edges = EDGES

    def __init__(
        self,
        environment: Environment,
        seed: int,
        start_timeout: float = 30.0,
        otlp: str | None = None,
    ) -> None:
        self.environment = environment
        self.pids: dict[str, int] = {}
        self._seed, self._otlp = seed, otlp
        self._timeout = start_timeout
        self._base: dict[str, str] = {}
        self._exit = AsyncExitStack()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(aiohttp.ClientSession())
            for name in leaves_first():
                process = await self._spawn(name)
                stack.push_async_callback(stop, process)
                self.pids[name] = process.pid
                port = await _ready(process, name, self._timeout)
                self._base[name] = f"http://127.0.0.1:{port}"
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._exit.aclose()

    @property
    def entry(self) -> str:
        """Where the load goes."""
        return f"{self._base[ENTRY]}/{ENTRY}"

    def base(self, service: str) -> str:
        return self._base[service]

    def targets(self) -> list[Target]:
        return [
            Target(f"{base}/metrics", {"service": name})
            for name, base in sorted(self._base.items())
        ]

    async def fault(self, fault: Fault) -> None:
        """Switch `fault` on; it replaces the one its service has. Raises DemoError."""
        body = {"kind": fault.kind, "size": fault.size}
        await self._control("POST", fault.service, body)

    async def clear(self) -> None:
        """Switch every fault off. Raises DemoError."""
        for name in self._base:
            await self._control("DELETE", name, None)

    async def _control(self, method: str, service: str, body: Mapping[str, object] | None) -> None:
        if self._session is None:
            raise DemoError(f"the {self.environment} system was not started")
        url = f"{self._base[service]}/fault"
        try:
            async with self._session.request(method, url, json=body) as response:
                if response.status != 200:
                    raise DemoError(f"{service} refused the fault: {await response.text()}")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DemoError(f"{service} cannot be reached at {url}: {error}") from error

    async def _spawn(self, name: str) -> asyncio.subprocess.Process:
        arguments = [f"--name={name}", f"--seed={self.environment}/{name}/{self._seed}"]
        arguments += [f"--downstream={callee}={self._base[callee]}" for callee in EDGES[name]]
        if self._otlp:
            arguments.append(f"--otlp={self._otlp}")
        return await spawn("anomalyd.demo.service", *arguments)


async def _ready(process: asyncio.subprocess.Process, name: str, timeout: float) -> int:
    """The port from the line a service prints once it answers."""
    if process.stdout is None:
        raise DemoError(f"{name} has no output to read its port from")
    try:
        line = await asyncio.wait_for(process.stdout.readline(), timeout)
    except TimeoutError:
        raise DemoError(f"{name} did not come up within {timeout:g} s") from None
    if not line:
        raise DemoError(f"{name} ended with exit code {await process.wait()} before it was ready")
    return int(json.loads(line)["port"])
