"""Prometheus selectors as users write them in a signal: `name{label="value",other=~"re"}`."""

from __future__ import annotations

import re

from anomalyd.model import Labels, Matcher, Selector
from anomalyd.signals.regex import checked_regex

_SELECTOR = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*\Z", re.DOTALL)
_MATCHER = re.compile(r'\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(,|\Z)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def parse_selector(text: str) -> Selector:
    """Read a selector; raises ValueError with one sentence that names what is wrong."""
    found = _SELECTOR.match(text)
    if not found:
        raise ValueError(f'{text!r} is not a selector like http_requests_total{{code=~"5.."}}')
    return Selector(found[1], parse_matchers(found[2] or ""))


def parse_series(key: str) -> tuple[str, Labels]:
    """(name, labels) of a series written as a selector of equalities, as signal tables key them."""
    selector = parse_selector(key)
    return selector.metric, Labels.of({m.label: m.value for m in selector.matchers})


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Read the inside of a selector's braces: `env="staging",tenant!="b"`."""
    matchers: list[Matcher] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        found = _MATCHER.match(text, position)
        if not found:
            raise ValueError(f'{text[position:].strip()!r} is not a matcher like env="staging"')
        value = _ESCAPE.sub(lambda escape: {"n": "\n"}.get(escape[1], escape[1]), found[3])
        if found[2] in ("=~", "!~"):
            try:
                checked_regex(value)
            except ValueError as error:
                raise ValueError(f"{found[0].strip()!r}: {error}") from error
        matchers.append(Matcher(found[1], found[2], value))
        position = found.end()
    return tuple(matchers)


def matches(matcher: Matcher, value: str) -> bool:
    """Prometheus 3's semantics: regexes match the whole value, a dot any character, an absent
    label is ''."""
    if matcher.op in ("=", "!="):
        return (value == matcher.value) == (matcher.op == "=")
    found = re.fullmatch(matcher.value, value, re.DOTALL)
    return (found is not None) == (matcher.op == "=~")
