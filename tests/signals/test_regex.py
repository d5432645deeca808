"""Regular expressions that may never end are refused, those that people write are not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anomalyd.signals.regex import LONGEST, MOST_LOOPS, checked_regex

ENDLESS = [
    "(a+)+", "(a*)*b", "(a|a)*b", "(a|ab)+c", "([a-z]+-?)*x", "(?:a+){2,}", "(?P<n>a|b)*", "(.*)*",
    "((a|b)c)+", "(a?)*b", "(?i)(a+)+", r"(\d+)*\.", "([)]+)+", r"(\(+)+", "(a{1,9})*", "(a|b){20}",
    "(?=a+)*(b+)+", "(a+)+?", "(a+){,50}",
]  # fmt: skip


@pytest.mark.parametrize("text", ENDLESS)
def test_what_repeats_within_a_repetition_is_refused(text):
    with pytest.raises(ValueError, match="repeats a group"):
        checked_regex(text)


@pytest.mark.parametrize("text", [".*" * (MOST_LOOPS + 1), r"(\w+-){6}", "(a+b+c+){2}"])
def test_many_repetitions_side_by_side_are_refused(text):
    with pytest.raises(ValueError, match=r"repeats in more than 5 places|repeats a group"):
        checked_regex(text)


@pytest.mark.parametrize(
    "text",
    [
        "", ".*", "latency_.*", ".*-canary-.*", "(api|web)-.*", "(?i)api", r"\(a+\)+", "[(+*]+",
        "(api|web)(-canary)?", r"(\d{1,3}\.){3}\d", "(ab)+", "(?:abc)*", "5..", "a{2}b{3,}", "x{y}",
        "[]a]+", r"[^\]]*", "cart|pricing|.*-db", "(.*)-service", "(a|b){2}", "{", "a{,", "(?:a)?",
    ],
)  # fmt: skip
def test_what_people_write_is_kept(text):
    assert checked_regex(text) == text


def test_a_very_long_expression_is_refused():
    assert checked_regex("a" * LONGEST)
    with pytest.raises(ValueError, match="at most 1000"):
        checked_regex("a" * (LONGEST + 1))


@given(st.text(alphabet=r"ab(|)*+?{}12,[]^\.:P<>=!-", max_size=30))
@example("(?P<a>b)*")
@example("[[")
@example("[[a]")
@pytest.mark.filterwarnings("ignore:Possible:FutureWarning")
def test_every_text_is_kept_or_refused_with_a_sentence(text):
    try:
        kept = checked_regex(text)
    except ValueError as error:
        said = str(error)
    else:
        re.compile(kept)
        said = "kept"
    assert said


Node = tuple  # ("a",), (".",), ("", left, right), ("|", left, right), ("*" or "{2,}" …, inner)

TIMES = {"*": (0, 99), "+": (1, 99), "?": (0, 1), "{2,}": (2, 99), "{2}": (2, 2), "{1,3}": (1, 3)}

nodes = st.recursive(
    st.sampled_from([("a",), (".",)]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["", "|"]), inner, inner),
        st.tuples(st.sampled_from(sorted(TIMES)), inner),
    ),
    max_leaves=6,
)


def written(node: Node) -> str:
    sign, *inner = node
    parts = [f"(?:{written(one)})" if one[0] in {"", "|", *TIMES} else one[0] for one in inner]
    return parts[0] + sign if sign in TIMES else sign.join(parts) if inner else sign


def ends(node: Node, size: int, at: int, taken: list[int]) -> Iterator[int]:
    """Where a match of `node` from `at` on may end in a text of `size` a's, by backtracking as
    Python does; every step is counted."""
    taken[0] += 1
    sign, *inner = node
    if sign in TIMES:
        yield from repeated(inner[0], TIMES[sign], size, at, taken)
    elif sign == "|":
        for one in inner:
            yield from ends(one, size, at, taken)
    elif inner:
        for middle in ends(inner[0], size, at, taken):
            yield from ends(inner[1], size, middle, taken)
    elif at < size:
        yield at + 1


def repeated(node: Node, times: tuple[int, int], size: int, at: int, taken: list[int]):
    least, most = times
    if most > 0:
        for end in ends(node, size, at, taken):
            if end > at or least > 0:
                yield from repeated(node, (max(least - 1, 0), most - 1), size, end, taken)
    if least == 0:
        yield at


def steps(node: Node, size: int) -> int:
    """To find that nothing matches a text of `size` a's and something else."""
    taken = [0]
    for _ in ends(node, size, 0, taken):
        if taken[0] > 1_000_000:
            break
    return taken[0]


@settings(max_examples=60)
@given(nodes)
@example(("+", ("+", ("a",))))
@example(("", ("*", ("a",)), ("*", ("a",))))
def test_what_is_kept_fails_within_a_power_of_the_length(node):
    try:
        checked_regex(written(node))
    except ValueError:
        return
    assert steps(node, 14) <= 2 ** (MOST_LOOPS + 1) * steps(node, 7)


def test_what_is_refused_takes_steps_that_double_with_every_character():
    endless = ("+", ("+", ("a",)))
    assert steps(endless, 14) > 2**7 * steps(endless, 7) / 2
