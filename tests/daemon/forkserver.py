"""Commands in processes of their own that need not import anomalyd: forks of one that has.

A start costs some milliseconds of processor time in place of a second. All else is as with
`python -m anomalyd`: signals, exit codes, stdout and stderr, an environment of its own.

The server is a child of the test process. A request is one datagram with the arguments and three
descriptors: stdout, stderr, and a pipe for the exit code; the answer is the pid.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("cli", "daemon", "commands.asking", "commands.recordings", "commands.watching")
LARGEST = 1 << 18
"""Bytes of a request."""
CODE = struct.Struct("i")


class Child:
    """One command, as `asyncio.subprocess.Process` is to those who wait for it."""

    def __init__(self, pid: int, pipes: Sequence[int]) -> None:
        """pipes: of stdout, stderr and the exit code, to be read."""
        self.pid = pid
        self.returncode: int | None = None
        self.stdout, self.stderr, self._code = (asyncio.StreamReader() for _ in range(3))
        self._descriptors = pipes
        self._transports: list[asyncio.BaseTransport] = []
        self._ended = asyncio.Event()

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        readers = (self.stdout, self.stderr, self._code)
        for reader, descriptor in zip(readers, self._descriptors, strict=True):
            protocol = functools.partial(asyncio.StreamReaderProtocol, reader)
            pipe = os.fdopen(descriptor, "rb", 0)
            transport, _ = await loop.connect_read_pipe(protocol, pipe)
            self._transports.append(transport)

    async def follow(self) -> None:
        """Until it has ended; to be run beside those who wait."""
        (self.returncode,) = CODE.unpack(await self._code.readexactly(CODE.size))
        self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        for transport in self._transports:
            transport.close()


async def start(arguments: Sequence[str], environ: dict[str, str]) -> Child:
    """Start `anomalyd ARGUMENTS`; `follow` it, and `close` it in the end."""
    server = _server()
    pipes = [os.pipe() for _ in range(3)]
    request = json.dumps([list(arguments), environ]).encode()
    socket.send_fds(server, [request], [write for _, write in pipes])
    for _, write in pipes:
        os.close(write)
    pid = CODE.unpack(server.recv(CODE.size))[0]
    child = Child(pid, [read for read, _ in pipes])
    await child.connect()
    return child


@functools.cache
def _server() -> socket.socket:
    """The server of this process; it ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST)
        served = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, str(theirs.fileno())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )

    def end() -> None:
        ours.close()
        served.wait()

    atexit.register(end)
    return ours


def serve(requests: socket.socket) -> None:
    """Fork for every request, until nobody is left to ask; returns in the children, too."""
    children: dict[int, tuple[int, int]] = {}
    with selectors.DefaultSelector() as ready:
        ready.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fd in children:
                    ready.unregister(key.fd)
                    _tell(key.fd, *children.pop(key.fd))
                    continue
                request, descriptors, *_ = socket.recv_fds(requests, LARGEST, 3)
                if not request:
                    return
                pid = os.fork()
                if pid == 0:
                    for each, (_, status) in children.items():
                        os.close(each)
                        os.close(status)
                    _become(*json.loads(request), *descriptors)
                    return
                watched = os.pidfd_open(pid)
                children[watched] = (pid, descriptors[2])
                ready.register(watched, selectors.EVENT_READ)
                for descriptor in descriptors[:2]:
                    os.close(descriptor)
                requests.send(CODE.pack(pid))


def _tell(watched: int, pid: int, status: int) -> None:
    os.close(watched)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        os.write(status, CODE.pack(code))
    except BrokenPipeError:
        return  # whoever started it has gone
    finally:
        os.close(status)


def _become(
    arguments: list[str], environ: dict[str, str], stdout: int, stderr: int, status: int
) -> None:
    os.close(status)
    for descriptor, number in ((stdout, 1), (stderr, 2)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["anomalyd", *arguments]


def main() -> None:
    for name in MODULES:
        importlib.import_module(f"anomalyd.{name}")
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv.pop())) as requests:
        serve(requests)
    if sys.argv[0] == "anomalyd":
        runpy.run_module("anomalyd", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
