"""The servers themselves: version, flags, recording rules, what they scrape and how often."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from anomalyd.model import Labels
from anomalyd.parity.asking import Look, distinct
from anomalyd.parity.kinds import Part
from anomalyd.signals.selector import matches
from anomalyd.units import parse_duration

_OF_THE_HOST = re.compile(
    r"config\.file|web\.|log\.|storage\.(tsdb|agent)\.path|alertmanager\.|rules\.alert\.|http\."
    r"|storage\.tsdb\.max-block-duration"
)
"""Flags that say where a server is, not what its numbers mean; or that follow from another, as the
longest block does from retention."""

_SPACE = re.compile(r"\s+")


async def collect(look: Look) -> None:
    await _version(look)
    await _flags(look)
    await _rules(look)
    await _targets(look)


async def _version(look: Look) -> None:
    path = "/api/v1/status/buildinfo"
    told = await look.read(Part.BUILDINFO, path)
    version = _text(told, "version")
    if version:
        look.offers(Part.BUILDINFO)
        name = _text(told, "application") or "Prometheus"
        look.add("server-version", "metrics server", f"{name} {version}", path)


async def _flags(look: Look) -> None:
    path = "/api/v1/status/flags"
    told = await look.read(Part.FLAGS, path)
    if not isinstance(told, dict):
        return
    look.offers(Part.FLAGS)
    for name, value in told.items():
        if not _OF_THE_HOST.match(str(name)):
            look.add("server-flag", f"--{name}", str(value) or "none", path)


async def _rules(look: Look) -> None:
    path = "/api/v1/rules"
    told = await look.read(Part.RULES, path, [("type", "record")])
    if not isinstance(told, dict):
        return
    look.offers(Part.RULES)
    expressions: dict[str, list[str]] = defaultdict(list)
    for rule in _recording(told):
        labels = rule.get("labels")
        marked = Labels.of({str(k): str(v) for k, v in labels.items()}) if labels else ""
        text = _SPACE.sub(" ", _text(rule, "query")).strip()
        expressions[f"{_text(rule, 'name')}{marked}"].append(text)
    for name, found in expressions.items():
        look.add("recording-rule", name, distinct(found), path)


def _recording(told: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for group in told.get("groups") or ():
        for rule in group.get("rules") or ():
            if rule.get("type", "recording") == "recording":
                yield rule


async def _targets(look: Look) -> None:
    path = "/api/v1/targets"
    told = await look.read(Part.TARGETS, path, [("state", "active")])
    active = told.get("activeTargets") if isinstance(told, dict) else None
    if active is None:
        return
    look.offers(Part.TARGETS)
    jobs: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for target in active:
        labels = target.get("labels") or {}
        if all(matches(one, labels.get(one.label, "")) for one in look.matchers):
            jobs[look.canonical.named(labels.get("job", ""))].append(target)
    for job, targets in jobs.items():
        _job(look, job, targets, path)


def _job(look: Look, job: str, targets: list[Mapping[str, Any]], path: str) -> None:
    place = f"job {job}"
    look.add("targets", place, str(len(targets)), path, job, float(len(targets)))
    down = sum(target.get("health") == "down" for target in targets)
    look.add("targets-down", place, str(down), path, job, float(down))
    for kind, key in (("scrape-interval", "scrapeInterval"), ("scrape-timeout", "scrapeTimeout")):
        found = [str(target[key]) for target in targets if target.get(key)]
        if found:
            value = distinct(found)
            look.add(kind, place, value, path, job, _seconds(value))


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError:
        return float("nan")


def _text(told: object, key: str) -> str:
    found = told.get(key) if isinstance(told, dict) else None
    return str(found) if found is not None else ""
