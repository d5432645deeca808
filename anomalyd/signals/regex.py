"""Regular expressions of users, as far as they end: Prometheus's own (RE2) take linear time, those
of Python may take time that doubles with every character of a label's value."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

LONGEST = 1000
"""Characters."""

MOST_LOOPS = 5
"""Repetitions side by side: the steps over n characters are bounded by that power of n."""

_SIGN = re.compile(
    r"""\\. | \[\^?\]?(?:[^\]\\]|\\.)*\]           # one character, or a class of them
      | \(\?[a-zA-Z]+\)                            # flags
      | \((?:\?(?:P?<\w+>|[:=!>]|<[=!]|[a-zA-Z-]+:))? | [)|]
      | (?: [*+?] | \{(?:\d+(?:,\d*)?|,\d+)\} )[?+]?   # how often
      | . """,
    re.DOTALL | re.VERBOSE,
)
_TIMES = re.compile(r"\{(\d*)(,?)(\d*)\}")


def checked_regex(text: str) -> str:
    """The same expression; raises ValueError for one that is broken or may not end."""
    if len(text) > LONGEST:
        raise ValueError(f"a regular expression of {len(text)} characters; at most {LONGEST}")
    try:
        with warnings.catch_warnings():
            # [[ is what it is for Prometheus, though another Python may take it otherwise.
            warnings.simplefilter("ignore", FutureWarning)
            re.compile(text)
    except re.error as error:
        raise ValueError(f"broken regular expression: {error}") from error
    if _loops(text) > MOST_LOOPS:
        raise ValueError(
            f"{text!r} repeats in more than {MOST_LOOPS} places, which may take for ever; "
            "write fewer of * and +"
        )
    return text


@dataclass(slots=True)
class _Group:
    """loops: repetitions in it. choice: whether one text can match it in several ways."""

    loops: int = 0
    choice: bool = False


def _loops(text: str) -> int:
    """Repetitions side by side in an expression that compiles. Raises ValueError where something
    is repeated that repeats or chooses itself: (a+)+ tries every way to share out the a's."""
    groups, last = [_Group()], _Group()
    for sign in _SIGN.findall(text):
        if sign == "|":
            groups[-1].choice = True
        elif sign == ")":
            last = groups.pop()
            groups[-1].loops += last.loops
            groups[-1].choice |= last.choice
        elif sign[0] == "(" and sign[-1] != ")":
            groups.append(_Group())
        elif sign[0] in "*+?{" and sign != "{":
            _repeat(groups[-1], last, _least_and_most(sign), text)
        else:
            last = _Group()
    return groups[0].loops


def _repeat(within: _Group, what: _Group, times: tuple[int, int], text: str) -> None:
    least, most = times
    if most > 1 and (what.choice or what.loops):
        if most > MOST_LOOPS:
            raise ValueError(
                f"{text!r} repeats a group that repeats or has alternatives itself, which may take "
                "for ever; repeat a class like [a-z-] instead"
            )
        within.loops += (most - 1) * max(what.loops, 1)
    elif most > max(least, 1):
        within.loops += 1
    within.choice |= least != most


def _least_and_most(sign: str) -> tuple[int, int]:
    """How often a quantifier repeats; without an end: more often than any text is long."""
    endless = 2**31
    if sign[0] != "{":
        return {"*": (0, endless), "+": (1, endless), "?": (0, 1)}[sign[0]]
    found = _TIMES.match(sign)
    least, comma, most = found.groups() if found else ("", ",", "")
    at_least = int(least or 0)
    return at_least, int(most) if most else (endless if comma else at_least)
