"""From what was seen of staging to checks: what failed, what could not be seen, what is well."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from anomalyd.config import DeploymentConfig, VersionConfig
from anomalyd.deployment import restarts, targets, versions
from anomalyd.deployment.asking import VERSIONS
from anomalyd.deployment.timeline import MOST_SERIES, MOST_STRETCHES, History, Watched
from anomalyd.deployment.told import Names, Span, clock
from anomalyd.deployment.versions import Expected
from anomalyd.model import CheckKind, CheckState, DeploymentCheck

MOST = 200
"""Of one run: what failed comes first."""

EVERYTHING = ".*"
"""Services, where none are named."""

PATIENCE = 3
"""Looks, or scrapes, that may be missing at the end."""

_NO_ANSWER = (CheckState.PASSED, CheckState.UNKNOWN)
"""To a probe that failed before."""

_OF = {
    Watched.UP: CheckKind.TARGETS,
    Watched.DOWN: CheckKind.TARGETS,
    Watched.STARTED: CheckKind.RESTARTS,
    Watched.RESTARTED: CheckKind.RESTARTS,
    Watched.WAITING: CheckKind.RESTARTS,
}
"""Of all else: versions."""

_ORDER = list(CheckState)
_KINDS = list(CheckKind)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is to be checked for. version: that came with it, '' where none did."""

    config: DeploymentConfig
    names: Names
    version: str = ""

    @property
    def expected(self) -> Expected | None:
        """The version that came with the run stands before the one of the configuration."""
        told = self.config.version
        services = re.compile(told.services)
        if isinstance(told.expected, dict) and told.expected:
            return Expected(by_service=told.expected)
        one = self.version or told.expected
        named = told.services != EVERYTHING
        return Expected(version=str(one), services=services, named=named) if one else None

    @property
    def insists(self) -> bool:
        """Whether something was asked for, so that not to see it is no pass."""
        config = self.config
        return config.targets is True or config.restarts is True or self.expected is not None

    @property
    def kinds(self) -> list[Watched]:
        """What has to be followed."""
        found: list[Watched] = []
        if self.config.targets:
            found += [Watched.UP, Watched.DOWN]
        if self.config.restarts:
            found += [Watched.STARTED, Watched.RESTARTED, Watched.WAITING]
        if self.expected is None:
            return found
        return [*found, *([] if self.config.targets else [Watched.UP]), *by(self.config.version)]


def by(config: VersionConfig) -> list[Watched]:
    """What tells versions, in the order that was asked for."""
    return [kind for name in config.by for kind in VERSIONS if kind.value == name]


def of_history(
    history: History, wanted: Wanted, span: Span, trouble: str = ""
) -> list[DeploymentCheck]:
    """One check per service and kind. trouble: why the last look found nothing, '' if it did."""
    config, found = wanted.config, list[DeploymentCheck]()
    if config.targets:
        made = targets.checks(history, wanted.names, span, config.scrapes)
        found += made or _nothing(CheckKind.TARGETS, config.targets, "`up`")
    if config.restarts:
        made = restarts.checks(history, wanted.names, span)
        said = "process_start_time_seconds or kube-state-metrics"
        found += made or _nothing(CheckKind.RESTARTS, config.restarts, said)
    expected = wanted.expected
    settled = span.ended or span.until >= span.since + versions.LEAVING_STEPS * span.step
    if expected is not None and settled:
        found += versions.checks(history, wanted.names, span, expected, by(config.version))
    return found + _dropped(history, wanted) + _unseen(history, wanted, span, trouble)


def _dropped(history: History, wanted: Wanted) -> list[DeploymentCheck]:
    """Of what there was no room for: what is not seen cannot pass."""
    found: dict[CheckKind, DeploymentCheck] = {}
    for watched in wanted.kinds:
        kind, timeline = _OF.get(watched, CheckKind.VERSION), history[watched]
        if not timeline.skipped and not timeline.forgotten:
            continue
        detail = (
            f"{timeline.skipped} series of {watched} were left out beyond {MOST_SERIES}, and "
            f"{timeline.forgotten} changes beyond {MOST_STRETCHES} of a series"
        )
        mend = f"narrow environments.staging.matchers, or set deployment.{kind} to false"
        if kind is CheckKind.VERSION:
            mend = "narrow environments.staging.matchers, or deployment.version.by"
        found.setdefault(kind, DeploymentCheck(kind, "", CheckState.UNKNOWN, detail, None, mend))
    return list(found.values())


def _nothing(kind: CheckKind, wish: bool | str, what: str) -> list[DeploymentCheck]:
    """Of what was asked for and is not there."""
    if wish == "auto":
        return []
    detail = f"deployment.{kind} is set, but staging has no {what}"
    mend = f"scrape it, or leave deployment.{kind} to auto"
    return [DeploymentCheck(kind, "", CheckState.UNKNOWN, detail, None, mend)]


def _unseen(history: History, wanted: Wanted, span: Span, trouble: str) -> list[DeploymentCheck]:
    """Of what was followed, or asked for, and could not be until the end."""
    seen = history.until is not None
    begun = max(span.since, history.until) if history.until is not None else span.since
    patience = PATIENCE * max(wanted.config.every, span.step)
    if span.ended and (seen or wanted.insists):
        # Nothing follows that could show it yet.
        patience = span.step if begun > span.since else 0.0
    if not wanted.kinds or not trouble or span.until - begun <= patience:
        return []
    detail = (
        f"targets, restarts and versions could not be seen from {clock(begun)} to "
        f"{clock(span.until)}: {trouble}"
    )
    return [DeploymentCheck(CheckKind.TARGETS, "", CheckState.UNKNOWN, detail)]


def excused(
    checks: Iterable[DeploymentCheck], config: DeploymentConfig, now: float
) -> list[DeploymentCheck]:
    """What failed and is ignored says so, with the reason."""
    return [_excused(check, config, now) for check in checks]


def _excused(check: DeploymentCheck, config: DeploymentConfig, now: float) -> DeploymentCheck:
    if check.state is not CheckState.FAILED:
        return check
    for rule in config.ignore:
        fits = re.fullmatch(rule.kind, check.kind) and re.fullmatch(rule.place, check.place)
        if fits and now < rule.until.timestamp():
            detail = f"{check.detail}; ignored: {rule.reason}"
            return replace(check, state=CheckState.IGNORED, detail=detail)
    return check


def lasting(check: DeploymentCheck) -> bool:
    """Whether a failure has to be kept, since nobody can be asked about it afterwards."""
    asked = check.kind in (CheckKind.PROBE, CheckKind.CERTIFICATE)
    return asked and check.state is CheckState.FAILED


def merged(
    before: Sequence[DeploymentCheck], now: Sequence[DeploymentCheck]
) -> tuple[DeploymentCheck, ...]:
    """What is so now, but a probe that failed once stays failed: of all else the whole history is
    looked at anew. In the order of reading, `MOST` of them; it does not depend on when what was
    seen."""
    kept = {(check.kind, check.place): check for check in now}
    for check in before:
        now_so = kept.get((check.kind, check.place))
        # One that fails still is told since when: what fails after the test alone does not count.
        if lasting(check) and (now_so is None or now_so.state in _NO_ANSWER or lasting(now_so)):
            kept[check.kind, check.place] = check
    order = sorted(
        kept.values(), key=lambda c: (_ORDER.index(c.state), _KINDS.index(c.kind), c.place)
    )
    return tuple(order[:MOST])
