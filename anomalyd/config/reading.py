"""Reads a configuration file; the only reader of YAML."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import (
    BaseModel,
    ValidationError,
)

from anomalyd.config.tree import Config
from anomalyd.config.types import ConfigError, Section

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")


class _Loader(yaml.SafeLoader):
    """YAML in which a key that is set twice is an error; plain YAML would let the last one win."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"{key.value} is set twice; keep one of them",
                        problem_mark=key.start_mark,
                    )
                seen.add(key.value)
        return node


def load(path: Path, overrides: tuple[str, ...] = ()) -> Config:
    """Read and check a config file; `overrides` are `dotted.path=value`. Raises ConfigError."""
    tree = read_tree(path)
    for override in overrides:
        override_setting(tree, override)
    config = parse(tree)
    unreadable = sorted(_unreadable(config))
    if unreadable:
        raise ConfigError(unreadable)
    return config


def read_tree(path: Path) -> dict[str, Any]:
    """What a config file says, unchecked. Raises ConfigError where it is not a mapping in YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        mend = "; name one by -c" if isinstance(error, FileNotFoundError) else ""
        raise ConfigError([f"{path}: cannot be read: {error.strerror}{mend}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from error
    tree = _read(text, str(path))
    if not isinstance(tree, dict):
        raise ConfigError([f"{path}: must be a mapping, like `environments: ...`"])
    return tree


def parse(tree: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Config:
    """Check a config tree. Raises ConfigError naming every error with its dotted path."""
    unset: dict[str, str] = {}
    expanded = _expand(tree, environ, "", unset)
    errors = [f"{path}: the environment variable {name} is not set" for path, name in unset.items()]
    try:
        config = Config.model_validate(expanded)
    except ValidationError as error:
        found = [(_path(one["loc"]), one) for one in error.errors(include_url=False)]
        errors += [
            _sentence(path, one)
            for path, one in found
            if path not in unset and not any(other.startswith(f"{path}.") for other, _ in found)
        ]
        raise ConfigError(sorted(errors)) from None
    errors += _shown_secrets(config)
    if errors:
        raise ConfigError(sorted(errors))
    return config


def _read(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigError([f"{where}: {place}{error.problem}"]) from error
    except yaml.YAMLError as error:
        raise ConfigError([f"{where}: {' '.join(str(error).split())}"]) from error
    except RecursionError as error:
        raise ConfigError([f"{where}: is nested too deeply"]) from error
    except ValueError as error:  # a date or number that YAML recognises and Python has not
        raise ConfigError([f"{where}: {error}; put it in quotes"]) from error


def _expand(node: Any, environ: Mapping[str, str], path: str, unset: dict[str, str]) -> Any:
    """`node` with every `${NAME}` replaced; `unset` gets the path and name of those not there."""
    if path.count(".") > DEEPEST:
        raise ConfigError([f"{path[:60]}…: is nested too deeply"])
    if isinstance(node, Mapping):
        return {
            key: _expand(value, environ, f"{path}.{key}".lstrip("."), unset)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_expand(v, environ, f"{path}.{i}", unset) for i, v in enumerate(node)]
    if not isinstance(node, str):
        return node

    def value_of(found: re.Match[str]) -> str:
        if found[1] not in environ:
            unset[path] = found[1]
        return environ.get(found[1], "")

    return _VARIABLE.sub(value_of, node)


DEEPEST = 20
"""Levels of settings: far more than there are; an alias of YAML may lead into itself."""
_SAID = {
    "missing": "is required",
    "invalid_key": "a name must be text; put it in quotes",
    "model_type": "must hold settings; write them below it, or leave it out",
    "model_attributes_type": "must hold settings; write them below it, or leave it out",
    "dict_type": "must be a mapping, like {name: value}",
    "tuple_type": "must be a list, like [one, two]",
    "too_short": "must not be empty",
    "string_type": "must be text; put it in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
}
"""What is wrong, by pydantic's name for it; other messages of pydantic are good as they are."""


def _sentence(path: str, detail: Any) -> str:
    message = str(detail["msg"]).removeprefix("Value error, ")
    message = re.sub(r"^(Input|String|Value) should (be|have|match)", r"must \2", message)
    message = _SAID.get(detail["type"], message)
    if detail["type"] == "extra_forbidden":
        message = _unknown(detail["loc"])
    return f"{path}: {message}" if path else message


def _unknown(loc: tuple[str | int, ...]) -> str:
    """What an unknown setting may have been meant to be: one of its section."""
    section: Any = Config
    for part in loc[:-1]:
        if isinstance(part, str) and section is not None and part in section.model_fields:
            section = section_of(section.model_fields[part].annotation)
    known = sorted(section.model_fields) if section is not None else []
    near = get_close_matches(str(loc[-1]), known, n=1)
    return f"unknown setting; {'did you mean ' + near[0] if near else 'known: ' + ', '.join(known)}"


def section_of(annotation: Any) -> Any:
    """The model in a field's annotation, as `Section` in `tuple[Section, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for one in get_args(annotation) if (found := section_of(one))), None)


def _path(loc: tuple[str | int, ...]) -> str:
    words = (" ".join(str(part).split()) for part in loc if not _is_union_branch(part))
    return ".".join(words)


def _is_union_branch(part: object) -> bool:
    return isinstance(part, str) and ("[" in part or part in {"float", "str"})


def _leaves(node: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every setting that holds no others, with its dotted path."""
    if isinstance(node, BaseModel):
        for name, value in node:
            yield from _leaves(value, f"{path}.{name}".lstrip("."))
    elif isinstance(node, tuple):
        for i, value in enumerate(node):
            yield from _leaves(value, f"{path}.{i}")
    else:
        yield path, node


def _shown_secrets(config: Config) -> Iterator[str]:
    """Passwords in URLs: a URL is shown in logs and reports."""
    for path, value in _leaves(config):
        if isinstance(value, str) and re.match(r"https?://[^/]*@", value):
            yield f"{path}: holds a user or password; put them under auth, where they are kept"


def _unreadable(config: Config) -> Iterator[str]:
    """What is wrong with the files that settings name: secrets and certificates."""
    for path, value in _leaves(config):
        if path.endswith("_file") and isinstance(value, Path):
            try:
                if not value.read_text(encoding="utf-8").strip():
                    yield f"{path}: {value} is empty"
            except OSError as error:
                yield f"{path}: {value} cannot be read: {error.strerror}"
            except UnicodeDecodeError:
                yield f"{path}: {value} is not text"


def override_setting(tree: dict[str, Any], override: str) -> None:
    """Put `dotted.path=value` into a tree of settings. Raises ConfigError."""
    path, separator, text = override.partition("=")
    *parents, last = keys = path.strip().split(".")
    if not separator or not all(keys):
        raise ConfigError([f"--set {path}: write it as dotted.path=value"])
    for key in parents:
        below = {} if tree.get(key) is None else tree[key]
        if not isinstance(below, dict):
            raise ConfigError([f"--set {path}: {key} holds a value, not settings"])
        tree[key] = below
        tree = below
    tree[last] = _read(text, f"--set {path}")
