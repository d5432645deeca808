"""Directories of settings, compared by what they say and not by how they are written.

A file is known by its path in the directory, with the environment's name in it left out. A
Kubernetes manifest is known by its kind and name, whichever file it is in. Lists whose items have
names are compared by them; a list of plain values is one value.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from anomalyd.facts import Fact
from anomalyd.model import Environment
from anomalyd.parity.asking import Collected
from anomalyd.parity.formats import FormatError, read, reader
from anomalyd.parity.kinds import Part
from anomalyd.parity.quantity import quantity
from anomalyd.parity.secrets import Mask, is_secret

MOST_FILES = 5_000
MOST_BYTES = 2 * 2**20
"""Of one file."""
MOST_SETTINGS = 100_000
"""Of one directory: YAML's aliases can make millions of a few lines."""
DEEPEST = 60
LONGEST = 500

_ENVIRONMENT = re.compile(
    r"(?i)(?:(?<=[^a-z])|^)(staging|stage|stg|production|prod|prd)(?=[^a-z]|$)"
)
_NAMES = ("name", "key", "id", "containerPort", "mountPath", "path", "host")
_SKIPPED = {".git", ".hg", ".svn", "node_modules", "__pycache__", ".terraform", ".venv"}


class FilesError(Exception):
    """One sentence: which directory cannot be compared."""


@dataclass(slots=True)
class Walk:
    """One directory on its way to facts."""

    side: Environment
    root: Path
    mask: Mask
    named: Callable[[str], str]
    collected: Collected
    seen: set[tuple[str, str]] = field(default_factory=set)
    settings: int = 0

    def add(self, kind: str, place: str, value: str, found: str, number: float = math.nan) -> None:
        at = place
        again = 2
        while (kind, at) in self.seen:
            at, again = f"{place} ({again})", again + 1
        self.seen.add((kind, at))
        self.collected.facts.append(Fact(kind, at, self.side, value, found, "", number))


def collect(
    side: Environment, root: Path, mask: Mask, named: Callable[[str], str] = str
) -> Collected:
    """Every setting in `root`; `named` gives workloads the name that both environments know.

    Raises FilesError where `root` is no directory. A file that cannot be read is a note.
    """
    if not root.is_dir():
        raise FilesError(f"{root}: is not a directory; name one that holds {side}'s settings")
    collected = Collected(side, offered={Part.FILES})
    walk = Walk(side, root, mask, named, collected)
    for path in _paths(walk):
        _file(walk, path)
        if walk.settings > MOST_SETTINGS:
            collected.notes[str(root)] = (
                f"holds more than {MOST_SETTINGS} settings; the rest is left"
            )
            break
    return collected


def _paths(walk: Walk) -> list[PurePath]:
    """Of the files to compare, below the root, in order; links are not followed."""
    found = []
    for folder, folders, files in os.walk(walk.root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        here = PurePath(folder).relative_to(walk.root)
        found += [here / name for name in sorted(files) if reader(PurePath(name))]
        if len(found) > MOST_FILES:
            walk.collected.notes[str(walk.root)] = f"holds more than {MOST_FILES} files"
            return found[:MOST_FILES]
    return found


def _file(walk: Walk, path: PurePath) -> None:
    place = shared_name(path)
    try:
        documents = read(path, _text(walk.root / path))
    except FormatError as error:
        walk.collected.notes[place] = f"{walk.root / path}: {error}"
        return
    manifests = [one for one in documents if _is_manifest(one)]
    others = [one for one in documents if not _is_manifest(one)]
    for document in manifests:
        for one in _items(document):
            _manifest(walk, one, path)
    if others or not documents:
        walk.add("file", place, "present", str(walk.root / path))
    for number, document in enumerate(others, 1):
        at = place if len(others) == 1 else f"{place} #{number}"
        _settings(walk, document, at, path)


def _text(path: Path) -> str:
    try:
        if path.is_symlink() or not path.is_file():
            raise FormatError("is a link or no file, and is not followed")
        if path.stat().st_size > MOST_BYTES:
            raise FormatError(f"is larger than {MOST_BYTES} bytes")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FormatError("is not UTF-8 text") from error


def shared_name(path: PurePath) -> str:
    """A path as both environments have it: `values-production.yaml` is `values-*.yaml`."""
    return _ENVIRONMENT.sub("*", path.as_posix())


def _is_manifest(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and isinstance(document.get("kind"), str)
        and "apiVersion" in document
        and (isinstance(document.get("metadata"), dict) or "items" in document)
    )


def _items(document: Any) -> Iterator[Any]:
    """What a list of manifests holds, or the manifest itself."""
    items = document.get("items") if str(document.get("kind")).endswith("List") else None
    yield from (
        (one for one in items if _is_manifest(one)) if isinstance(items, list) else [document]
    )


def _manifest(walk: Walk, document: dict[str, Any], path: PurePath) -> None:
    metadata = document.get("metadata") or {}
    name = walk.named(str(metadata.get("name") or metadata.get("generateName") or "unnamed"))
    place = f"{document['kind']}/{name}"
    walk.add("manifest", place, "present", str(walk.root / path))
    kept = {
        key: value for key, value in document.items() if key not in ("kind", "metadata", "status")
    }
    kept["metadata"] = {
        key: value
        for key, value in metadata.items()
        if key in ("labels", "annotations", "finalizers")
    }
    secret = document["kind"] == "Secret"
    if secret:
        kept["data"] = {"secrets": kept.get("data"), "secret": kept.pop("stringData", None)}
    _settings(walk, kept, place, path)


def _settings(walk: Walk, document: Any, place: str, path: PurePath) -> None:
    found = f"{walk.root / path}"
    typed = path.suffix.lower() not in (".env", ".properties") and ".env" not in path.name
    for keys, value in _leaves(document, (), 0):
        walk.settings += 1
        if walk.settings > MOST_SETTINGS:
            return
        text, secret = _masked(walk, _plain_keys(keys), value, typed)
        at = f"{place} {joined(keys)}" if keys else place
        number = math.nan if secret else _number(keys, value)
        walk.add("secret" if secret else "setting", at, _short(text, walk), found, number)


def _masked(walk: Walk, keys: list[str], value: Any, typed: bool) -> tuple[str, bool]:
    """As it may be shown, and whether it is a secret."""
    if isinstance(value, list) and not is_secret(keys):
        words = walk.mask.words([one if isinstance(one, str) else "" for one in value])
        told = [
            word if isinstance(one, str) else one for word, one in zip(words, value, strict=True)
        ]
        return json.dumps(told, ensure_ascii=False, default=str), False
    if isinstance(value, bool) or value is None:
        return as_text(value), False
    return walk.mask.value(keys, as_text(value) if typed else str(value))


def _short(text: str, walk: Walk) -> str:
    """A long text by its beginning, and a tag by which two of them are told apart."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:200]}… ({len(text)} characters, {walk.mask.tag(text)})"


def as_text(value: Any) -> str:
    """A value as it is shown; a number in quotes is not a number."""
    if isinstance(value, str):
        return json.dumps(value) if _reads_as_another(value) else value
    return json.dumps(value, default=str)


def _reads_as_another(text: str) -> bool:
    if text in ("true", "false", "null", "") or text[0] in '[{"':
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(keys: tuple[str, ...], value: Any) -> float:
    if isinstance(value, bool):
        return math.nan
    if isinstance(value, int | float):
        return float(value)
    of_resources = any(key in ("limits", "requests") for key in keys[:-1])
    return quantity(value) if of_resources and isinstance(value, str) else math.nan


def _leaves(node: Any, keys: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that holds no others, with the keys that lead to it."""
    if depth > DEEPEST:
        yield keys, "nested too deeply"
    elif isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _leaves(value, (*keys, str(key)), depth + 1)
    elif isinstance(node, list) and any(isinstance(one, dict | list) for one in node):
        for key, value in _keyed(node):
            yield from _leaves(value, (*keys, key), depth + 1)
    else:
        yield keys, node


def _keyed(items: list[Any]) -> list[tuple[str, Any]]:
    """Items by their names where each has one of its own, else by number."""
    if all(isinstance(item, dict) for item in items):
        for name in _NAMES:
            names = [str(item.get(name)) for item in items]
            if all(name in item for item in items) and len(set(names)) == len(names):
                return [
                    (f"[{key}]", {k: v for k, v in item.items() if k != name} or {name: key})
                    for key, item in zip(names, items, strict=True)
                ]
    return [(f"[{number}]", item) for number, item in enumerate(items)]


def _plain_keys(keys: tuple[str, ...]) -> list[str]:
    return [key.strip("[]") for key in keys]


def joined(keys: tuple[str, ...]) -> str:
    """`spec.template.containers[app].image`."""
    return re.sub(r"\.\[", "[", ".".join(keys))
