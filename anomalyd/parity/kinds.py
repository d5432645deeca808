"""The kinds of facts: how much each matters, when two of them differ, and what to do then."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from anomalyd.facts import Fact


class Measure(StrEnum):
    """When two facts of a kind differ, given the kind's `slack`.

    exact: their values are not the same. ratio: their numbers differ by more than that share of
    the larger. points: by more than that.
    """

    EXACT = "exact"
    RATIO = "ratio"
    POINTS = "points"


class Part(StrEnum):
    """What tells facts; one that only one environment offers is not compared."""

    BUILDINFO = "status/buildinfo"
    FLAGS = "status/flags"
    RULES = "rules"
    TARGETS = "targets"
    METRICS = "metrics"
    BUCKETS = "bucket boundaries"
    WORKLOADS = "kube-state-metrics"
    NODES = "nodes"
    CADVISOR = "cAdvisor"
    INFO = "info metrics"
    GAUGES = "settings in gauges"
    SERVICES = "request metrics"
    EDGES = "service graph"
    TRAFFIC = "traffic"
    DATA = "data volume"
    FILES = "files"
    GIVEN = "given facts"


@dataclass(frozen=True, slots=True)
class Kind:
    """weight: 0 to 100, how much a difference spoils what a test says. mend: what to do."""

    name: str
    part: Part
    weight: int
    mend: str
    measure: Measure = Measure.EXACT
    slack: float = 0.0


_LIMITS = (
    "give the container the same {what} in both, or declare the difference under parity.expect"
)
_STAGING = "deploy what production runs, or declare the release under parity.expect"


def _limit(name: str, weight: int) -> Kind:
    return Kind(name, Part.WORKLOADS, weight, _LIMITS.format(what=name.replace("-", " ")))


KINDS: tuple[Kind, ...] = (
    Kind("service", Part.SERVICES, 96, "deploy the service, or rewrite its name under identity"),
    Kind("edge", Part.EDGES, 88, "call what production calls; a stub does not slow down or fail"),
    _limit("cpu-limit", 90),
    _limit("memory-limit", 84),
    _limit("cpu-request", 72),
    _limit("memory-request", 70),
    _limit("resource-limit", 60),
    _limit("resource-request", 56),
    Kind("replicas", Part.WORKLOADS, 76, "run as many, or set environments.*.capacity"),
    Kind("hpa-min", Part.WORKLOADS, 62, "give the autoscaler the same bounds"),
    Kind("hpa-max", Part.WORKLOADS, 64, "give the autoscaler the same bounds"),
    Kind("image", Part.WORKLOADS, 86, _STAGING),
    Kind("version", Part.INFO, 86, _STAGING),
    Kind("image-version", Part.WORKLOADS, 86, _STAGING),
    Kind("node-type", Part.NODES, 80, "run on machines of the same type"),
    Kind("node-version", Part.NODES, 48, "give the nodes the same system"),
    Kind(
        "throttling",
        Part.CADVISOR,
        78,
        "compare the CPU limits, and what else runs on the nodes",
        Measure.POINTS,
        0.05,
    ),
    Kind("runtime", Part.INFO, 74, "run on the same runtime"),
    Kind(
        "attribute", Part.INFO, 40, "build and configure it alike, or ignore it under parity.ignore"
    ),
    Kind("pool", Part.GAUGES, 82, "configure the same pool size"),
    Kind("feature-flag", Part.GAUGES, 82, "switch the flag alike"),
    Kind("operation", Part.SERVICES, 66, "let the test call it, or deploy what offers it"),
    Kind(
        "traffic-share",
        Part.TRAFFIC,
        68,
        "let the test call operations in production's proportions",
        Measure.POINTS,
        0.1,
    ),
    Kind(
        "load",
        Part.TRAFFIC,
        58,
        "test up to the load that production sees",
        Measure.RATIO,
        0.5,
    ),
    Kind("data", Part.DATA, 74, "fill staging with as much data", Measure.RATIO, 0.5),
    Kind(
        "hit-ratio",
        Part.DATA,
        66,
        "warm the cache, and let the test ask for as many different things",
        Measure.POINTS,
        0.1,
    ),
    Kind("scrape-interval", Part.TARGETS, 64, "scrape as often, so that rates mean the same"),
    Kind("scrape-timeout", Part.TARGETS, 24, "set the same scrape_timeout"),
    Kind(
        "targets",
        Part.TARGETS,
        54,
        "scrape as many targets, or declare how many under parity.expect",
    ),
    Kind("targets-down", Part.TARGETS, 70, "start the targets that are down"),
    Kind("buckets", Part.BUCKETS, 68, "give the histogram the same boundaries"),
    Kind("metric", Part.METRICS, 50, "expose it in both, or ignore it under parity.ignore"),
    Kind(
        "label", Part.METRICS, 44, "set the label in both, or add it to match.drop or match.rename"
    ),
    Kind("recording-rule", Part.RULES, 52, "load the same rules"),
    Kind("server-version", Part.BUILDINFO, 42, "run the same version of the server"),
    Kind("server-flag", Part.FLAGS, 38, "start the server with the same flag"),
    Kind("file", Part.FILES, 60, "add the file to both directories"),
    Kind("manifest", Part.FILES, 78, "apply the manifest in both"),
    Kind("setting", Part.FILES, 62, "set the same value, or declare it under parity.expect"),
    Kind("secret", Part.FILES, 20, "declare it under parity.expect if both are meant to differ"),
    Kind(
        "not-compared", Part.FILES, 92, "mend what the detail says; what is not compared may differ"
    ),
)
"""In no order: `weight` orders what differs."""

BY_NAME = {kind.name: kind for kind in KINDS}


def kind_of(name: str) -> Kind:
    """A name that is not in `KINDS` (of a list of facts that somebody gave) is compared exactly."""
    return BY_NAME.get(name) or Kind(name, Part.GIVEN, 50, "make both environments alike")


def differ(kind: Kind, one: Fact, other: Fact) -> bool:
    """Whether two facts of one place are not the same, as `kind` measures it."""
    known = math.isfinite(one.number) and math.isfinite(other.number)
    if not known:
        return one.value != other.value
    apart = abs(one.number - other.number)
    largest = max(abs(one.number), abs(other.number))
    if kind.measure is Measure.EXACT:
        return apart > 1e-9 * largest
    return apart > kind.slack * (largest if kind.measure is Measure.RATIO else 1.0) + 1e-12
