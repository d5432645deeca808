"""Files of settings as plain values: YAML, JSON, TOML, `.env` and properties.

Loaders are safe: nothing in a file is run, and a tag that YAML does not know is text. Aliases are
shared, not copied: whoever walks what is returned must bound the walk.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import yaml

_ENV = re.compile(r"\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*$")
_PROPERTY = re.compile(r"((?:\\.|[^\s:=\\])+)\s*(?:[:=]\s*|\s+)?(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}


class FormatError(Exception):
    """One sentence: where a file is not what its name says."""


class _Loader(yaml.SafeLoader):
    """Dates stay text, and tags of others (`!Ref`, `!vault`) become part of it."""


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return f"!{suffix} {node.value}"
    if isinstance(node, yaml.SequenceNode):
        return {f"!{suffix}": loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)  # noqa: S101 - there are three kinds of nodes
    return {f"!{suffix}": loader.construct_mapping(node, deep=True)}


def _as_text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return str(node.value)


_Loader.add_multi_constructor("!", _tagged)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)
_Loader.add_constructor("tag:yaml.org,2002:binary", _as_text)


def _yaml(text: str) -> list[Any]:
    try:
        return [one for one in yaml.load_all(text, _Loader) if one is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise FormatError(
            f"line {mark.line + 1}: {error.problem}" if mark else str(error)
        ) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise FormatError(" ".join(str(error).split())) from error


def _json(text: str) -> list[Any]:
    try:
        return [json.loads(text)]
    except ValueError as error:
        raise FormatError(str(error)) from error


def _toml(text: str) -> list[Any]:
    try:
        return [tomllib.loads(text)]
    except ValueError as error:
        raise FormatError(str(error)) from error


def _env(text: str) -> list[Any]:
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = _ENV.match(line)
        if not parts:
            raise FormatError(f"line {number}: is not NAME=value")
        found[parts[1]] = _unquoted(parts[2])
    return [found]


def _unquoted(value: str) -> str:
    for quote in ("'", '"'):
        if len(value) >= 2 and value[0] == quote and quote in value[1:]:
            return value[1 : value.index(quote, 1)]
    return value.partition(" #")[0].rstrip()


def _properties(text: str) -> list[Any]:
    """As java.util.Properties reads them."""
    found = {}
    joined = re.sub(r"(?<!\\)((?:\\\\)*)\\\r?\n[ \t]*", r"\1", text)
    for line in joined.splitlines():
        line = line.lstrip(" \t\f")
        if not line or line[0] in "#!":
            continue
        parts = _PROPERTY.match(line)
        if parts:
            found[_unescaped(parts[1])] = _unescaped(parts[2])
    return [found]


def _unescaped(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        if found[1][0] == "u" and len(found[1]) == 5:
            return chr(int(found[1][1:], 16))
        return _ESCAPED.get(found[1], found[1])

    return _ESCAPE.sub(one, text)


READERS: dict[str, Callable[[str], list[Any]]] = {
    ".yaml": _yaml,
    ".yml": _yaml,
    ".json": _json,
    ".toml": _toml,
    ".env": _env,
    ".properties": _properties,
}


def reader(path: PurePath) -> Callable[[str], list[Any]] | None:
    """How a file of that name is read, `.env.local` too; None if not at all."""
    if path.name == ".env" or path.name.startswith(".env."):
        return _env
    return READERS.get(path.suffix.lower())


def read(path: PurePath, text: str) -> list[Any]:
    """The documents in a file: one, but for YAML. Raises FormatError."""
    found = reader(path)
    if found is None:
        raise FormatError("is of no format that is known")
    try:
        return found(text)
    except RecursionError as error:
        raise FormatError("is nested too deeply") from error
