"""Log lines grouped by their shape, with Drain; which shapes are new or came more often.

He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017; drain3 is
imported when lines are there to be grouped.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable

from anomalyd.enrich.loki import Lines
from anomalyd.model import LogTemplate

WILD = "<*>"
SHAPES = 1000
"""Shapes at most; the one that was not seen for longest makes room."""
SIMILAR = 0.5
"""Share of words that lines of one shape have in common."""
GROWN = 2.0
"""Times as often as before, at least."""
TELLING = 3.0
"""Nats by which more lines than expected must be less likely than they are, as Poisson counts."""
EXAMPLE = 300

SEVERE = re.compile(r"\b(?:error|fatal|panic|exception|traceback|critical|segfault|oom)\b", re.I)

_MASKS = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"  # a time
    r"|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"  # a UUID
    r"|\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"  # an address
    r"|\b0x[0-9a-f]+\b|\b(?=[a-f]*\d)[0-9a-f]{8,64}\b"  # a hexadecimal id
    r"|(?<![\w.])[-+]?\d+(?:\.\d+)?(?=(?:[a-zµ]{1,3}|%)?\b)",  # a number, whatever its unit
    re.I,
)
_MESSAGE = ("message", "msg", "log", "body", "event")
_LEVEL = ("level", "severity", "lvl")
_ERROR = ("error", "err", "exception")


def telling(service: str, during: Lines, before: Lines, most: int) -> list[LogTemplate]:
    """The shapes that are new or grew, severe ones first, then by how unlikely it is; at most
    `most`. CPU for a few milliseconds per hundred lines: call it in a thread."""
    from drain3.drain import Drain

    drain = Drain(sim_th=SIMILAR, max_clusters=SHAPES, param_str=WILD)
    counts: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
    shapes: dict[int, str] = {}
    examples: dict[int, str] = {}
    for place, lines in enumerate((before, during)):
        for line in lines.texts:
            shape, _ = drain.add_log_message(masked(plain(line)))
            counts[place][shape.cluster_id] += 1
            shapes[shape.cluster_id] = shape.get_template()
            if place:
                examples.setdefault(shape.cluster_id, line)
    found = [
        (known, _unlikely(known.count, known.before * during.seconds, during, before))
        for known in _templates(service, counts, shapes, examples, during, before)
    ]
    chosen = [(one, nats) for one, nats in found if _is_telling(one, nats)]
    chosen.sort(key=lambda pair: (not _severe(pair[0]), -pair[1], pair[0].template))
    return [one for one, _ in chosen[:most]]


def plain(line: str) -> str:
    """Level, message and error of a line of JSON; any other line as it is."""
    if not line.lstrip().startswith("{"):
        return line
    try:
        found = json.loads(line)
    except ValueError:
        return line
    if not isinstance(found, dict):
        return line
    parts = [_first(found, names) for names in (_LEVEL, _MESSAGE, _ERROR)]
    return " ".join(part for part in parts if part) if parts[1] or parts[2] else line


def masked(line: str) -> str:
    """What differs from line to line, as far as it can be told by its form, becomes `<*>`."""
    return _MASKS.sub(WILD, line)


def _first(found: dict[str, object], names: Iterable[str]) -> str:
    value = next((found[name] for name in names if found.get(name)), "")
    return value if isinstance(value, str) else json.dumps(value)


def _templates(
    service: str,
    counts: tuple[Counter[int], Counter[int]],
    shapes: dict[int, str],
    examples: dict[int, str],
    during: Lines,
    before: Lines,
) -> list[LogTemplate]:
    then, now = counts
    return [
        LogTemplate(
            service=service,
            template=shapes[shape][:EXAMPLE],
            count=count,
            rate=count / during.seconds,
            before=then[shape] / before.seconds,
            example=examples[shape][:EXAMPLE],
        )
        for shape, count in now.items()
    ]


def _is_telling(one: LogTemplate, nats: float) -> bool:
    if not one.before and _severe(one):
        return True
    return nats >= TELLING and one.rate >= GROWN * one.before


def _severe(one: LogTemplate) -> bool:
    return SEVERE.search(one.example) is not None


def _unlikely(count: int, expected: float, during: Lines, before: Lines) -> float:
    """Log-likelihood ratio of a Poisson count; half a line more is granted to the time before."""
    expected += 0.5 * during.seconds / before.seconds
    return count * math.log(count / expected) - (count - expected) if count > expected else 0.0
