"""Runs a module that ends when stdin does: `python -m anomalyd.demo.leash MODULE [ARGUMENT ...]`.

Whoever starts it holds the other end of a pipe, so that it ends with them, even when they are
killed. The module gets SIGTERM, as from anyone else.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def _follow(stdin: int) -> None:
    while os.read(stdin, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    module, sys.argv = sys.argv[1], sys.argv[1:]
    threading.Thread(target=_follow, args=(sys.stdin.fileno(),), daemon=True).start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
