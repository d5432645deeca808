"""`python -m anomalyd.report DIR/report.json --formats junit,html`: renders beside the JSON.

A process of its own, so that matplotlib's memory ends with it. Exit code 1 and one sentence on
stderr where a report cannot be read or written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from anomalyd.report import FORMATS, write
from anomalyd.report.document import ReportError, read


def main(arguments: Sequence[str] | None = None) -> int:
    names = [form.name for form in FORMATS]
    parser = argparse.ArgumentParser(
        prog="python -m anomalyd.report", description="Render a report."
    )
    parser.add_argument("document", type=Path, help="a stored report.json")
    parser.add_argument(
        "--formats", default=",".join(names[1:]), help=f"comma-separated, from {', '.join(names)}"
    )
    parser.add_argument("--output", type=Path, help="directory; default: the document's own")
    options = parser.parse_args(arguments)
    try:
        wanted = [name.strip() for name in options.formats.split(",") if name.strip()]
        directory = options.output or options.document.parent
        for path in write(read(options.document), directory, wanted):
            print(path)
    except ReportError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
