"""Every setting of the configuration, as the tests of examples and of documentation walk them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from anomalyd import config


@dataclass(frozen=True)
class Setting:
    """`path` is dotted, `[]` where a list holds sections, `<name>` where a mapping does.

    holds_settings: it is a section, or a list or mapping of them.
    """

    path: str
    field: FieldInfo
    holds_settings: bool

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2].removesuffix("[]").removesuffix("<name>")


def settings(section: type[config._Section] = config.Config, prefix: str = "") -> Iterator[Setting]:
    """Every setting below `section`, sections before what they hold."""
    for name, field in section.model_fields.items():
        inner = config._section_of(field.annotation)
        kind = str(field.annotation)
        many = "[]" if "tuple[" in kind else ".<name>" if "dict[" in kind else ""
        yield Setting(f"{prefix}{name}", field, inner is not None)
        if inner is not None:
            yield from settings(inner, f"{prefix}{name}{many}.")


def values_at(tree: Any, path: str) -> list[Any]:
    """All values that a tree of settings has at a `Setting.path`."""
    found = [tree]
    for part in path.split("."):
        many = part.endswith("[]")
        key = part.removesuffix("[]")
        below: list[Any] = []
        for one in found:
            if not isinstance(one, dict):
                continue
            if key == "<name>":
                below += one.values()
            elif key in one:
                below += one[key] if many else [one[key]]
        found = below
    return found
