"""As much of TraceQL's conditions and metrics as is asked with; anything else is a syntax error."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.traces import Span

Test = Callable[[Span], bool]

_TOKEN = re.compile(r'\s*(\(|\)|&&|\|\||!=|<=|>=|=|<|>|"(?:[^"\\]|\\.)*"|[\w.:]+|-\d+)')
_KINDS = ("server", "client", "consumer", "producer", "internal", "unspecified")


class SyntaxTrouble(Exception):
    """As Tempo words it."""


@dataclass(frozen=True)
class Metrics:
    """function: `rate` or a quantile."""

    test: Test
    function: str
    quantile: float
    by: tuple[str, ...]


def metrics(text: str) -> Metrics:
    found = re.fullmatch(r"\s*\{(.*)\}\s*\|\s*(\w+)\((.*?)\)\s*(?:by\s*\((.*)\))?\s*", text, re.S)
    if found is None:
        raise SyntaxTrouble("parse error at line 1, col 1: syntax error")
    condition, function, arguments, by = found.groups()
    names = tuple(one.strip() for one in (by or "").split(",") if one.strip())
    for name in names:
        if name not in ("name", "kind", "status") and not name.startswith(("resource.", "span.")):
            raise SyntaxTrouble(f"parse error: unknown identifier: {name}")
    if len(names) > 5:
        raise SyntaxTrouble("metrics group-by: too many attributes, max 5")
    if function == "rate" and not arguments:
        return Metrics(conditions(condition), "rate", 0.0, names)
    quantile = re.fullmatch(r"duration,\s*(0?\.\d+|1)", arguments)
    if function == "quantile_over_time" and quantile:
        return Metrics(conditions(condition), function, float(quantile[1]), names)
    raise SyntaxTrouble(f"parse error: unexpected {function}({arguments})")


def conditions(text: str) -> Test:
    tokens, rest = [], text.strip()
    while rest:
        found = _TOKEN.match(rest)
        if found is None:
            raise SyntaxTrouble(f"parse error: unexpected {rest[:10]!r}")
        tokens.append(found[1])
        rest = rest[found.end() :].strip()
    if not tokens:
        return lambda span: True
    parser = _Parser(tokens)
    test = parser.any_of()
    if parser.tokens:
        raise SyntaxTrouble(f"parse error: syntax error: unexpected {parser.tokens[0]}")
    return test


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens

    def any_of(self) -> Test:
        tests = [self.all_of()]
        while self._next("||"):
            tests.append(self.all_of())
        return lambda span: any(test(span) for test in tests)

    def all_of(self) -> Test:
        tests = [self.one()]
        while self._next("&&"):
            tests.append(self.one())
        return lambda span: all(test(span) for test in tests)

    def one(self) -> Test:
        if self._next("("):
            inner = self.any_of()
            if not self._next(")"):
                raise SyntaxTrouble("parse error: syntax error: unexpected $end, expecting )")
            return inner
        if len(self.tokens) < 3:
            raise SyntaxTrouble("parse error: syntax error: unexpected $end")
        name, op, value = (self.tokens.pop(0) for _ in range(3))
        return _comparison(name, op, value)

    def _next(self, token: str) -> bool:
        if self.tokens and self.tokens[0] == token:
            self.tokens.pop(0)
            return True
        return False


def _comparison(name: str, op: str, value: str) -> Test:
    if name == "nestedSetParent" and (op, value) == ("<", "0"):
        return lambda span: not span.parent
    if op not in ("=", "!="):
        raise SyntaxTrouble(f"parse error: unexpected {op}")
    equal = op == "="
    if name == "kind" and value in _KINDS:
        return lambda span: (span.kind == value) is equal
    if name == "status" and value in ("error", "ok", "unset"):
        return lambda span: (span.failed == (value == "error")) is equal
    if name.startswith(("resource.", "span.")) or name == "name":
        if value == "nil":
            return lambda span: (attribute(span, name) is None) is equal
        if value.startswith('"'):
            text = re.sub(r"\\(.)", r"\1", value[1:-1])
            return lambda span: (attribute(span, name) == text) is equal
    raise SyntaxTrouble(f"parse error: unexpected {name} {op} {value}")


def attribute(span: Span, name: str) -> str | None:
    known = {
        "resource.service.name": span.service,
        "name": span.name,
        "kind": span.kind,
        "span.peer.service": span.peer or None,
        "resource.deployment.environment.name": span.env or None,
    }
    return known.get(name)
