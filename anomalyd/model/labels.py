"""Labels of series, and what selects them, as in Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


class Labels(tuple[tuple[str, str], ...]):
    """A label set: name-value pairs sorted by name, empty values left out (as in Prometheus)."""

    __slots__ = ()

    @classmethod
    def of(cls, pairs: Mapping[str, str]) -> Labels:
        return cls(sorted((name, value) for name, value in pairs.items() if value))

    def get(self, name: str, default: str = "") -> str:
        return next((value for key, value in self if key == name), default)

    def without(self, names: Iterable[str]) -> Labels:
        dropped = frozenset(names)
        return Labels(pair for pair in self if pair[0] not in dropped)

    def __str__(self) -> str:
        body = ",".join(f'{name}="{escape_label_value(value)}"' for name, value in self)
        return "{" + body + "}" if body else ""


def escape_label_value(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher of a selector; `op` is one of `= != =~ !~`."""

    label: str
    op: str
    value: str

    def __str__(self) -> str:
        return f'{self.label}{self.op}"{escape_label_value(self.value)}"'


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric name with matchers, as `http_requests_total{code=~"5.."}`."""

    metric: str
    matchers: tuple[Matcher, ...] = ()

    def __str__(self) -> str:
        inner = ",".join(map(str, self.matchers))
        return self.metric + ("{" + inner + "}" if inner else "")
