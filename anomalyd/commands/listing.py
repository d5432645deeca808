"""`anomalyd signals list`."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from anomalyd import assembly
from anomalyd.assembly import Plan
from anomalyd.config import Config
from anomalyd.model import Environment, Signal, SpanMetric
from anomalyd.signals import presets, promql
from anomalyd.signals.native.names import natives


async def signals(config: Config) -> dict[str, Any]:
    """The signals that were found, their queries, and the presets' quantities that were not.

    troubles: by environment, why it did not answer; what was found is then less than there is.
    """
    async with AsyncExitStack() as stack:
        plan = await assembly.look(config, stack)
        sides = [side for side in (plan.staging, plan.production) if side is not None]
        found = presets.describe(config.signals.presets, plan.staging.metrics)
        return {
            "window": plan.window,
            "signals": [_signal(config, signal, plan) for signal in plan.signals],
            "not_found": [
                {"preset": one.preset, "quantity": one.quantity.name, "tried": list(one.tried)}
                for one in found
                if one.signal is None
            ],
            "troubles": {side.name.value: side.trouble for side in sides if side.trouble},
        }


def _signal(config: Config, signal: Signal, plan: Plan) -> dict[str, Any]:
    return {
        "name": signal.name,
        "kind": signal.kind.value,
        "unit": signal.unit,
        "worse": signal.worse.value,
        "tolerate": str(signal.tolerate),
        "detect": str(signal.detect),
        "by": list(signal.by),
        "query": _query(config, signal, plan),
    }


def _query(config: Config, signal: Signal, plan: Plan) -> str:
    """What is asked; of spans, in words."""
    if isinstance(signal.definition, SpanMetric):
        return str(signal.definition)
    names = assembly.canonical(config, Environment.STAGING)
    return promql.compile(
        signal,
        window=plan.window,
        matchers=config.environments.staging.matchers,
        service_labels=names.service_labels,
        rename=names.rename,
        run_label=names.run_label,
        native=natives(plan.staging.metrics) - plan.staging.classic,
    ).value


def render_signals(data: dict[str, Any]) -> str:
    lines = [f"window {data['window']:g} s"]
    for one in data["signals"]:
        lines.append(f"{one['name']}  ({one['kind']}, worse {one['worse']}, {one['tolerate']})")
        lines.append(f"    {one['query']}")
    for one in data["not_found"]:
        lines.append(f"{one['preset']}/{one['quantity']}: none of {', '.join(one['tried'])}")
    return "\n".join(lines)
