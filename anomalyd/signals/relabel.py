"""Rules that keep, drop and rename series before anything else sees them, as Prometheus has them.

Source: `relabel_config` of Prometheus 3 (model/relabel/relabel.go).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from anomalyd.model import Labels

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
TARGET = re.compile(r"(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))(?:\w|\$(?:\{\w+\}|\w+))*", re.ASCII)
"""A label's name with references in it."""

_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rule:
    """One `relabel_config`; regex matches the whole of what it is asked."""

    action: str = "replace"
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: re.Pattern[str] = re.compile("(.*)", re.DOTALL)
    target_label: str = ""
    replacement: str = "$1"
    modulus: int = 1


def relabel(labels: Labels, rules: Sequence[Rule]) -> Labels | None:
    """The labels that the rules leave, None where one drops the series."""
    named = dict(labels)
    for rule in rules:
        if not _apply(rule, named):
            return None
    return Labels.of(named)


def _apply(rule: Rule, named: dict[str, str]) -> bool:
    """Changes `named`; whether the series is kept."""
    value = rule.separator.join(named.get(name, "") for name in rule.source_labels)
    match rule.action:
        case "keep":
            return rule.regex.fullmatch(value) is not None
        case "drop":
            return rule.regex.fullmatch(value) is None
        case "keepequal":
            return named.get(rule.target_label, "") == value
        case "dropequal":
            return named.get(rule.target_label, "") != value
        case "replace":
            _replace(rule, value, named)
        case "hashmod":
            digest = hashlib.md5(value.encode(), usedforsecurity=False).digest()
            named[rule.target_label] = str(int.from_bytes(digest[8:], "big") % rule.modulus)
        case "lowercase":
            named[rule.target_label] = value.lower()
        case "uppercase":
            named[rule.target_label] = value.upper()
        case _:
            _names(rule, named)
    return True


def _replace(rule: Rule, value: str, named: dict[str, str]) -> None:
    found = rule.regex.fullmatch(value)
    if found is None:
        return
    target = _expanded(found, rule.target_label)
    if LABEL_NAME.fullmatch(target):
        named[target] = _expanded(found, rule.replacement)


def _names(rule: Rule, named: dict[str, str]) -> None:
    """What is done to labels by their names."""
    for name, value in list(named.items()):
        found = rule.regex.fullmatch(name)
        if rule.action == "labelmap":
            if found is not None:
                named[_expanded(found, rule.replacement)] = value
        elif (found is not None) == (rule.action == "labeldrop"):
            del named[name]


def _expanded(found: re.Match[str], template: str) -> str:
    """`$1`, `${1}` and `$name` as Go has them: the longest name, and nothing for an unknown one."""

    def group(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        number = int(name) if name.isdigit() else found.re.groupindex.get(name, -1)
        return (found[number] or "") if 0 <= number <= found.re.groups else ""

    return _REFERENCE.sub(group, template)
