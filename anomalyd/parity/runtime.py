"""What runs inside: builds, runtimes, resource attributes, pool sizes, feature flags."""

from __future__ import annotations

import math
import re
from collections import defaultdict

from anomalyd.model import Labels
from anomalyd.parity.asking import Look, distinct
from anomalyd.parity.kinds import Part
from anomalyd.signals.promql import duration

_OF_THE_CLUSTER = ("kube_", "node_", "machine_", "container_")
_RUNTIME = re.compile(
    r"(^|_)(jvm|java|python|go|golang|node|nodejs|dotnet|clr|php|ruby|perl|erlang|beam|process_runtime)"
    r"(_\w+)?_info$"
)
_ONE_AMONG_MANY = re.compile(
    r"(^|_)(id|uid|uuid|pid|ip|address|addr|host|hostname|host_name|pod_name|node_name|instance"
    r"|container_name|namespace_name|replicaset_name|start_time|start_timestamp|command_line"
    r"|command_args|owner|parent_pid|deployment_environment|environment_name)$"
)
"""Labels of one process among its like, or of the environment itself."""

POOL = re.compile(
    r"(pool|connections?|threads?|workers?|executor|sessions?|clients|acquired|idle)\w*"
    r"(_max|_min|_limit|_capacity|_maximum)(_\w+)?$"
    r"|\w*(max|min|maximum|core|limit)_\w*(pool|connections?|threads?|workers?|clients|sessions?)\w*$"
    r"|\w*(pool|threads?|workers?)_(size|count_configured|configured)$"
    r"|go_sched_gomaxprocs_threads$|gomaxprocs$|\w*_config_maxclients$|jvm_memory_max_bytes$"
    r"|go_gc_gomemlimit_bytes$|go_gc_gogc_percent$"
)
FLAG = re.compile(r"(^|_)(feature|featureflag|flags?|toggles?|experiments?)(_|$)")
_COUNTS = ("_total", "_bucket", "_count", "_sum", "_created", "_info", "_seconds")

AT_ONCE = 20


async def collect(look: Look) -> None:
    await _info(look)
    await _gauges(look)


async def _info(look: Look) -> None:
    names = sorted(
        name
        for name in look.names
        if name.endswith("_info") and not name.startswith(_OF_THE_CLUSTER)
    )
    if look.names:
        look.offers(Part.INFO)
    for name in names:
        query = look.select(name)
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for labels, value in await look.ask(Part.INFO, query):
            if value:
                service = look.canonical.service(labels)
                for label, text in _told(look, labels):
                    found[service, label].append(text)
        for (service, label), values in found.items():
            place = f"{service} {name} {label}".strip()
            look.add(_kind(name, label), place, distinct(values), query, service)


def _told(look: Look, labels: Labels) -> list[tuple[str, str]]:
    """What an info metric says, without what says whose it is."""
    of_series = {"__name__", "job", "instance", *look.canonical.service_labels}
    of_series |= {matcher.label for matcher in look.matchers}
    renamed = [
        (look.canonical.rename.get(name, name), v) for name, v in labels if name not in of_series
    ]
    return [
        (name, value)
        for name, value in renamed
        if look.canonical.counts(name) and not _ONE_AMONG_MANY.search(name)
    ]


def _kind(metric: str, label: str) -> str:
    if _RUNTIME.search(metric) or label.startswith(("process_runtime", "telemetry_")):
        return "runtime"
    return "version" if "version" in label else "attribute"


async def _gauges(look: Look) -> None:
    """Gauges that did not change are settings; what moves is a measurement."""
    if look.names:
        look.offers(Part.GAUGES)
    chosen = {name: kind for name in look.names if (kind := setting_of(name))}
    names = sorted(chosen)
    for at in range(0, len(names), AT_ONCE):
        for name in names[at : at + AT_ONCE]:
            await _gauge(look, name, chosen[name])


def setting_of(name: str) -> str:
    """`pool` or `feature-flag`, '' for a metric that is neither."""
    if name.endswith(_COUNTS) or name.startswith(_OF_THE_CLUSTER) or ":" in name:
        return ""
    if FLAG.search(name):
        return "feature-flag"
    return "pool" if POOL.match(name) or POOL.search(name) else ""


async def _gauge(look: Look, name: str, kind: str) -> None:
    selector = look.select(name)
    query = f"{selector} unless changes({selector}[{duration(look.span)}]) > 0"
    found: dict[tuple[str, str], set[float]] = defaultdict(set)
    for labels, value in await look.ask(Part.GAUGES, query):
        service = look.canonical.service(labels)
        kept = Labels.of(dict(_told(look, labels)))
        found[service, f"{name}{kept}"].add(value)
    for (service, what), values in found.items():
        number = next(iter(values)) if len(values) == 1 else math.nan
        said = distinct([_plain(one) for one in values])
        look.add(kind, f"{service} {what}".strip(), said, query, service, number)


def _plain(value: float) -> str:
    return f"{value:.12g}"
