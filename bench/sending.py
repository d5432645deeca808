"""A sender in a process of its own, so that only receiving is measured.

`python -m bench.sending <host:port> <path> <file>` posts the bodies of a file that `write` made.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

REMOTE_WRITE = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
OTLP = {"Content-Type": "application/x-protobuf"}


async def send(
    address: str, path: str, folder: Path, bodies: Sequence[bytes], headers: Mapping[str, str]
) -> None:
    """Post all bodies, one after another. Raises RuntimeError where one was not taken."""
    file = folder / "bodies"
    write(file, bodies, headers)
    command = ("-m", "bench.sending", address, path, str(file))
    child = await asyncio.create_subprocess_exec(sys.executable, *command)
    if await child.wait():
        raise RuntimeError("not every body was taken")


def write(file: Path, bodies: Sequence[bytes], headers: Mapping[str, str]) -> None:
    parts = [json.dumps(dict(headers)).encode(), *bodies]
    file.write_bytes(b"".join(struct.pack("<I", len(part)) + part for part in parts))


def read(file: Path) -> Iterator[bytes]:
    """The headers, then the bodies."""
    with file.open("rb") as parts:
        while size := parts.read(4):
            yield parts.read(struct.unpack("<I", size)[0])


def post_all(address: str, path: str, file: Path) -> None:
    connection = http.client.HTTPConnection(address)
    bodies = read(file)
    headers = json.loads(next(bodies))
    for body in bodies:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 204):
            sys.exit(f"HTTP {answer.status}")


if __name__ == "__main__":
    post_all(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
