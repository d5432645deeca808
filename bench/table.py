"""results.json as the table of docs/performance.md: `python -m bench.table [results.json]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.measure import number

HEAD = "| figure | what | cost: median (min to max) | peer's cost over ours | target |"


def rows(document: Mapping[str, Any]) -> list[str]:
    return [_row(figure) for figure in document["figures"]]


def _row(figure: Mapping[str, Any]) -> str:
    median, least, most = (number(figure[key]) for key in ("median", "min", "max"))
    cost = f"{median} {figure['unit']} ({least} to {most})"
    ratio = f"{number(figure['ratio'])} × {figure['peer']['name']}"
    return f"| `{figure['name']}` | {figure['what']} | {cost} | {ratio} | {_target(figure)} |"


def _target(figure: Mapping[str, Any]) -> str:
    target = figure["target"]
    if target is None:
        return ""
    limit = number(target["limit"])
    wanted = f">= {limit} ×" if target["of"] == "ratio" else f"<= {limit}"
    return f"{wanted}: **short**" if figure["short_of_target"] else f"{wanted}: met"


def main(arguments: list[str]) -> None:
    path = Path(arguments[0]) if arguments else Path(__file__).with_name("results.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    print(", ".join(f"{key} {value}" for key, value in document["machine"].items()))
    print("\n".join(["", HEAD, "|---|---|---|---|---|", *rows(document)]))


if __name__ == "__main__":
    main(sys.argv[1:])
