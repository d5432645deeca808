"""What a recorded run would have been called under other settings: a recording with them."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from anomalyd import assembly
from anomalyd.config import Config, ConfigError, parse
from anomalyd.config.reading import override_setting, read_tree
from anomalyd.explain.suspects import Graph
from anomalyd.judgement.silences import Silence
from anomalyd.model import LOAD_SIGNAL, Run, RunState, Signal
from anomalyd.pipeline import Settings
from anomalyd.replay.recorded import Conditions, RecordedRun, Resumed, Stretch
from anomalyd.signals.presets import PRESETS

SECTIONS = ("judgement", "graph", "silences", "signals", "environments")
"""Those of a configuration that change a verdict on windows that are what they are."""

OF_SIGNALS = ("worse", "tolerate", "detect", "limit")
OF_ENVIRONMENTS = "capacity"
RECORDED = frozenset({"judgement.settle"})
"""What is in the windows themselves."""

_SOMEWHERE = "http://localhost:9090"


def with_config(recorded: RecordedRun, path: Path) -> RecordedRun:
    """The run as if `path` had been the configuration; what it must connect to is left aside.

    Raises ConfigError.
    """
    tree = read_tree(path)
    config = parse(_judging(tree))
    changed = {s.name: _by_config(s, config) for s in _signals(recorded)}
    return _changed(recorded, config, changed, assembly.silences(config))


def with_settings(recorded: RecordedRun, overrides: Sequence[str]) -> RecordedRun:
    """The run with single settings changed, each as `dotted.path=value`. Raises ConfigError."""
    tree: dict[str, Any] = copy.deepcopy(dict(recorded.config or {}))
    for override in overrides:
        path = override.partition("=")[0].strip()
        if not _changes_something(path):
            raise ConfigError(
                [
                    f"--set {path}: changes nothing of a recorded run; judgement, graph, silences, "
                    f"signals.override and environments.<environment>.capacity do"
                ]
            )
        override_setting(tree, override)
    wanted = tree.pop("signals", {}).get("override", {})
    known = {s.name: s for s in _signals(recorded) if s.name != LOAD_SIGNAL}
    signals = {"presets": [], "custom": _custom(wanted, known)}
    try:
        config = parse(_judging(tree | {"signals": signals}))
    except ConfigError as error:
        raise ConfigError([_named(line, list(wanted)) for line in error.errors]) from None
    found = {one.name: one.signal() for one in config.signals.custom}
    changed = {
        name: replace(signal, **_given(found[name], wanted[name])) if name in found else signal
        for name, signal in known.items()
    }
    silences = assembly.silences(config) if "silences" in tree else None
    return _changed(recorded, config, changed, silences)


def _changes_something(path: str) -> bool:
    if path.startswith("environments."):
        return path.endswith(f".{OF_ENVIRONMENTS}")
    if path.split(".")[0] == "signals":
        return path.startswith("signals.override.")
    return path.split(".")[0] in SECTIONS and path not in RECORDED


def _custom(wanted: Any, known: Mapping[str, Signal]) -> list[dict[str, Any]]:
    """Overrides of recorded signals, as signals, so that they are checked as those are."""
    if not isinstance(wanted, dict):
        raise ConfigError(["signals.override: must be a mapping, like {name: {tolerate: 10%}}"])
    custom = []
    for name, given in wanted.items():
        if name not in known:
            raise ConfigError(
                [f"signals.override.{name}: no such signal was recorded; there are: "
                 f"{', '.join(sorted(known))}"]
            )  # fmt: skip
        if not isinstance(given, dict) or not given.keys() <= set(OF_SIGNALS):
            raise ConfigError([f"signals.override.{name}: may set {', '.join(OF_SIGNALS)}"])
        kind = known[name].kind.value
        custom.append({"name": name, "kind": kind, "gauge": "recorded", **given})
    return custom


def _named(error: str, names: Sequence[str]) -> str:
    """An error of the list that `_custom` made, placed where the setting was given."""
    for place, name in enumerate(names):
        error = re.sub(rf"^signals\.custom\.{place}\b", f"signals.override.{name}", error)
    return error


def _given(found: Signal, given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(found, name) for name in given}


def _judging(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The sections that judge, with environments that nothing is asked of."""
    judging = {name: tree[name] for name in SECTIONS if name in tree}
    sides = judging.get("environments")
    named = sides if isinstance(sides, dict) else {}
    judging["environments"] = {
        name: {"url": _SOMEWHERE}
        | ({OF_ENVIRONMENTS: side[OF_ENVIRONMENTS]} if OF_ENVIRONMENTS in (side or {}) else {})
        for name, side in (named or {"staging": {}}).items()
    }
    return judging


def _by_config(signal: Signal, config: Config) -> Signal:
    """A recorded signal as a configuration would have it judged."""
    own = next((one.signal() for one in config.signals.custom if one.name == signal.name), None)
    if own is not None:
        return replace(signal, **{name: getattr(own, name) for name in OF_SIGNALS})
    quantities = [q for preset in config.signals.presets for q in PRESETS[preset]]
    quantity = next((q for q in quantities if q.name == signal.name), None)
    if quantity is None:
        return signal
    usual = quantity.signal(quantity.alternatives[0])
    signal = replace(signal, **{name: getattr(usual, name) for name in OF_SIGNALS})
    override = config.signals.override.get(signal.name)
    return override.of(signal) if override is not None else signal


def _signals(recorded: RecordedRun) -> list[Signal]:
    found = {signal.name: signal for s in recorded.stretches for signal in s.signals}
    return list(found.values())


def _changed(
    recorded: RecordedRun,
    config: Config,
    signals: Mapping[str, Signal],
    silences: tuple[Silence, ...] | None,
) -> RecordedRun:
    """silences: None where they stay as they were."""
    warmup = config.judgement.warmup

    def conditions(one: Conditions, time: float) -> Conditions:
        kept = one.silences if silences is None else silences
        graph = _graph(one.graph, recorded, config)
        return replace(one, run=warmed(one.run, warmup, time), silences=kept, graph=graph)

    def stretch(one: Stretch) -> Stretch:
        windows = tuple(
            replace(w, conditions=conditions(w.conditions, w.batch.time)) for w in one.windows
        )
        resumed = one.resumed
        return replace(
            one,
            settings=_settings(one.settings, config),
            signals=tuple(signals.get(s.name, s) for s in one.signals),
            graph=_graph(one.graph, recorded, config),
            declared=frozenset(Graph(config.graph).services),
            begun=conditions(one.begun, one.begun.run.started_at),
            windows=windows,
            resumed=Resumed(resumed.until, None) if resumed is not None else None,
        )

    end = recorded.run.stopped_at or recorded.run.started_at
    return replace(
        recorded,
        stretches=tuple(map(stretch, recorded.stretches)),
        ended=conditions(recorded.ended, end),
        verdict=None,
    )


def _graph(
    known: Mapping[str, Sequence[str]], recorded: RecordedRun, config: Config
) -> Mapping[str, Sequence[str]]:
    """The configuration's, with what was learned besides the one that was recorded."""
    if recorded.config is None:
        return config.graph
    said: Mapping[str, Sequence[str]] = recorded.config.get("graph", {})
    calls = {caller: list(callees) for caller, callees in config.graph.items()}
    for caller, callees in known.items():
        learned = [one for one in callees if one not in said.get(caller, ())]
        more = [one for one in learned if one not in calls.get(caller, ())]
        if more:
            calls.setdefault(caller, []).extend(more)
    return Graph(calls).callees


def _settings(recorded: Settings, config: Config) -> Settings:
    """Windows and run label are those of the recording."""
    wanted = assembly.pipeline_settings(config, recorded.window)
    kept = {name: getattr(recorded, name) for name in ("window", "run_label", "ratio")}
    return replace(wanted, **kept)


def warmed(run: Run, warmup: float, time: float) -> Run:
    """The run as it would stand at `time` after another warm-up."""
    active_at = run.started_at + warmup
    if run.stopped_at is not None and active_at >= run.stopped_at:
        return replace(run, active_at=None)
    if time < active_at and run.state is not RunState.FINISHED:
        return replace(run, state=RunState.WARMUP, active_at=None)
    state = RunState.ACTIVE if run.state is RunState.WARMUP else run.state
    return replace(run, state=state, active_at=active_at)
