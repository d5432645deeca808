"""Facts that a file lists, made true of a pair of worlds: each side is, or has, what the file says.

Lists as `anomalyd parity --drift` reads them (docs/parity.md); the kinds that there are: `PLANTS`;
their places are written as a table of parity has them. A fact that is the same on both sides is
planted too, and must not be told; a side that is not named has nothing there. Services and files
that the shop does not have come into both environments first.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.e2e_parity.drift import Row
from tests.e2e_parity.world import Service, World, service

SIDES = ("staging", "production")
UNITS = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.IGNORECASE)
KINDS_OF_FILES = frozenset((".yaml", ".json", ".toml", ".env", ".properties"))
Facts = dict[str, dict[Row, Any]]


class PlantError(ValueError):
    """What is wrong with a file of facts, as a sentence that names the fact and the mend."""


def read(path: Path) -> Facts:
    """Facts by side, kind and place. Raises PlantError."""
    try:
        listed = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise PlantError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PlantError(f"{path}: is not YAML or JSON: {str(error).splitlines()[0]}") from error
    found: Facts = {side: {} for side in SIDES}
    if isinstance(listed, dict) and listed and set(listed) <= set(SIDES):
        entries = [{**_mapping(path, e), "side": s} for s in listed for e in listed[s] or ()]
    elif isinstance(listed, list) and listed:
        entries = [_mapping(path, entry) for entry in listed]
    else:
        raise PlantError(
            f"{path}: holds no facts; write a list like "
            "[{kind: cpu-limit, place: pricing/app, staging: 500m, production: 2}]"
        )
    for entry in entries:
        _take(path, entry, found)
    return found


def _mapping(path: Path, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict) or not {"kind", "place"} <= entry.keys():
        raise PlantError(f"{path}: {entry!r} is no fact; write kind, place and what the sides say")
    return entry


def _take(path: Path, entry: dict[str, Any], found: Facts) -> None:
    key = (str(entry["kind"]), str(entry["place"]))
    if key[0] not in PLANTS:
        known = ", ".join(sorted(PLANTS))
        raise PlantError(f"{path}: {key[0]} cannot be planted; the kinds are {known}")
    told = {side: entry[side] for side in SIDES if entry.get(side) is not None}
    if "side" in entry:
        if entry["side"] not in SIDES or "value" not in entry:
            raise PlantError(f"{path}: {_named(key)} needs a side of the two, and a value")
        told[entry["side"]] = entry["value"]
    if not told:
        raise PlantError(f"{path}: {_named(key)} says nothing of staging or production")
    for side, value in told.items():
        if key in found[side]:
            raise PlantError(f"{path}: {_named(key)} is listed twice for {side}; keep one of them")
        found[side][key] = value


def plant(facts: Facts, worlds: tuple[World, World]) -> set[Row]:
    """Make the facts true; the rows that must be told. Raises PlantError."""
    keys = {key for side in SIDES for key in facts[side]}
    differing: set[Row] = set()
    for kind, place in sorted(keys):
        values = []
        for world in worlds:
            value = facts[world.side].get((kind, place))
            try:
                values.append(PLANTS[kind](world, place, value))
            except (ValueError, TypeError, KeyError, IndexError) as error:
                told = str(error).strip("'\"")
                where = f"{_named((kind, place))} of {world.side}"
                raise PlantError(f"{where}: {value!r} cannot be planted: {told}") from error
        if values[0] != values[1]:
            differing.add((kind, place))
    return differing


def _named(key: Row) -> str:
    return f"{key[0]} of {key[1]}"


Plant = Callable[[World, str, Any], Any]
"""Make one fact true of a world, None: that it has none; what the world now says."""


def quantity(value: Any) -> float:
    """`500m`, `2`, `1Gi` as a number."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(\w*)", str(value))
    if not found or (found[2] and found[2] not in UNITS):
        raise ValueError("write a number, like 2, 500m or 1Gi")
    return float(found[1]) * UNITS.get(found[2], 1.0)


def _service(world: World, name: str) -> Service:
    """One that the shop does not have comes into both environments, alike."""
    if not NAME.fullmatch(name):
        raise ValueError("write the name of a service, like cart")
    if name not in world.services:
        world.services[name] = service(name, random.Random(name))  # noqa: S311
    return world.services[name]


def _given(value: Any) -> Any:
    if value is None:
        raise ValueError(
            "without it a whole metric, or what exists always, is missing; give a value for each"
        )
    return value


def _field(attribute: str, read: Callable[[Any], Any], before: str = "/app") -> Plant:
    """An attribute of the service that the place names, as `cart/app` or `job cart`."""

    def put(world: World, place: str, value: Any) -> Any:
        one = _service(world, place.removesuffix(before).removeprefix("job "))
        setattr(one, attribute, read(_given(value)))
        return getattr(one, attribute)

    return put


def _hpa(which: int) -> Plant:
    def put(world: World, place: str, value: Any) -> Any:
        one = _service(world, place)
        bounds = list(one.hpa)
        bounds[which] = int(_given(value))
        one.hpa = (bounds[0], bounds[1])
        return bounds[which]

    return put


def _resource(bound: str) -> Plant:
    def put(world: World, place: str, value: Any) -> Any:
        container, resource = place.split(" ")
        one = _service(world, container.removesuffix("/app"))
        if value is None:
            return None
        one.resources[bound, resource] = quantity(value)
        return one.resources[bound, resource]

    return put


def _info(world: World, place: str, value: Any) -> Any:
    name, metric, label = place.split(" ")
    _service(world, name).infos.setdefault(metric, {})[label] = str(_given(value))
    return str(value)


def _gauge(world: World, place: str, value: Any) -> Any:
    name, series = place.split(" ", 1)
    _service(world, name).gauges[series] = float(_given(value))
    return float(value)


def _metric(world: World, place: str, value: Any) -> bool:
    if value is not None:
        world.metrics.append(place)
    return value is not None


def _there(world: World, place: str, value: Any) -> bool:
    _service(world, place).gone = value is None
    return value is not None


def _operation(world: World, place: str, value: Any) -> bool:
    name, route = place.split(" ")
    one = _service(world, name)
    if value is not None:
        one.rates = {**one.rates, route: 0.01}
    return value is not None


def _edge(world: World, place: str, value: Any) -> bool:
    caller, callee = (part.strip() for part in place.split("→"))
    _service(world, caller), _service(world, callee)
    kept = [call for call in world.calls if call != (caller, callee)]
    world.calls = kept if value is None else [*kept, (caller, callee)]
    return value is not None


def _rule(world: World, place: str, value: Any) -> Any:
    if value is not None:
        world.rules[place] = str(value)
    return value


def _flag(world: World, place: str, value: Any) -> str:
    world.server_flags[place.removeprefix("--")] = str(_given(value))
    return str(value)


def _setting(world: World, place: str, value: Any) -> Any:
    file, key = place.split(" ")
    if file not in world.settings:
        if Path(file).suffix not in KINDS_OF_FILES:
            raise ValueError(f"its file must be one of {', '.join(sorted(KINDS_OF_FILES))}")
        world.settings[file] = {"planted": 1}
    kept = {name: told for name, told in world.settings[file].items() if name != key}
    world.settings[file] = kept if value is None else {**kept, key: value}
    return value


def _file(world: World, place: str, value: Any) -> bool:
    if value is not None:
        world.settings[place] = {"planted": 1}
    return value is not None


def _manifest(world: World, place: str, value: Any) -> bool:
    kind, name = place.split("/")
    made = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": {"planted": 1}}
    if value is not None:
        world.manifests.setdefault("k8s/planted.yaml", []).append(made)
    return value is not None


def _nodes(world: World, place: str, value: Any) -> str:
    world.nodes[place.removeprefix("nodes ")] = str(_given(value))
    return str(value)


PLANTS: dict[str, Plant] = {
    "replicas": _field("replicas", int),
    "cpu-limit": _field("cpu_limit", quantity),
    "memory-limit": _field("memory_limit", quantity),
    "cpu-request": _field("cpu_request", quantity),
    "memory-request": _field("memory_request", quantity),
    "resource-limit": _resource("limits"),
    "resource-request": _resource("requests"),
    "image": _field("image", str),
    "image-version": _field("image_tag", str),
    "node-type": _field("node", str),
    "node-version": _nodes,
    "throttling": _field("throttled", float),
    "hpa-min": _hpa(0),
    "hpa-max": _hpa(1),
    "version": _info,
    "runtime": _info,
    "attribute": _info,
    "pool": _gauge,
    "feature-flag": _gauge,
    "data": _gauge,
    "metric": _metric,
    "service": _there,
    "operation": _operation,
    "edge": _edge,
    "targets": _field("instances", int),
    "scrape-interval": _field("interval", str),
    "scrape-timeout": _field("timeout", str),
    "recording-rule": _rule,
    "server-flag": _flag,
    "setting": _setting,
    "secret": _setting,
    "file": _file,
    "manifest": _manifest,
}
"""Kinds that a file may list, each with what makes it so."""
