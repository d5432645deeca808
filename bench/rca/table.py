"""The figures as people read them: on the terminal, and as the table of docs/accuracy.md.

`python -m bench.rca.table` prints the rows of that table from bench/rca.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent.parent / "rca.json"

PUBLISHED: Mapping[str, tuple[str, float, float]] = {
    "petshop low_traffic": ("PetShop's graph traversal, on these 26", 0.69, 0.77),
    "nezha onlineboutique-2022-08-23": (
        "Nezha, metrics and traces, on all its OnlineBoutique faults",
        0.643,
        0.643,
    ),
}
"""By set: whose figure, its top-1 and its top-3."""


def lines(document: Mapping[str, Any]) -> list[str]:
    """A line per ranking and set, and what makes the figures fit to quote, or not."""
    told = [
        f"{one['set']:<34} {one['ranking']:<23} {one['part']:<9} n {one['top1']['n']:>3}  "
        f"top-1 {share(one['top1'])}  top-3 {share(one['top3'])}  abstained {one['abstained']}"
        for one in document["figures"]
    ]
    for name, (whose, first, three) in PUBLISHED.items():
        if any(one["set"] == name for one in document["figures"]):
            told.append(f"{name:<34} published: {whose}: top-1 {first:.2f}, top-3 {three:.2f}")
    told += [
        f"missed: {one['set']} {one['name']} ({one['kind']}): {one['answer']} is "
        f"{'number ' + str(one['place']) if one['place'] else 'not named'}"
        + (f"; abstained: {one['abstained']}" if one["abstained"] else "")
        for one in document["cases"]
        if one["place"] != 1
    ]
    told.append(
        f"configuration {document['configuration'][:16]}, "
        + ("as committed" if document["committed"] else "NOT the committed one: not to be quoted")
    )
    seeds = document["hash_seeds"]
    same = "identical" if document["identical"] else "NOT identical"
    return [*told, f"rankings {same} over {seeds} hash seed{'s' * (seeds != 1)}"]


def share(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"


def rows(document: Mapping[str, Any]) -> list[str]:
    """The rows of the table in docs/accuracy.md."""
    found: list[str] = []
    for name in dict.fromkeys(one["set"] for one in document["figures"]):
        mine = [one for one in document["figures"] if one["set"] == name]
        found += [_row(name, one) for one in mine if one["ranking"] == "anomalyd"]
        found += [
            _row(name, one) for one in mine if one["ranking"] != "anomalyd" and one["part"] == "all"
        ]
        if name in PUBLISHED:
            whose, first, three = PUBLISHED[name]
            found.append(f"| {name} | *{whose}* | | {first:.2f} | {three:.2f} |")
    return found


def _row(name: str, one: Mapping[str, Any]) -> str:
    who = one["ranking"] + (", held out" if one["part"] == "held out" else "")
    who = f"**{who}**" if one["ranking"] == "anomalyd" else who
    return f"| {name} | {who} | {one['top1']['n']} | {share(one['top1'])} | {share(one['top3'])} |"


def main(arguments: Sequence[str] = ()) -> None:
    path = Path(arguments[0]) if arguments else RESULTS
    print("\n".join(rows(json.loads(path.read_text("utf-8")))))


if __name__ == "__main__":
    main()
