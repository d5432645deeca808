"""One name per service everywhere, and the canonical label set under which series are compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from anomalyd.model import EDGE, LOAD_SIGNAL, Labels, PromQL, Signal

SERVICE = "service"
"""The name under which the identity label goes, whichever label it was."""

_GROUP = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


class Canonical:
    """Maps label sets as found to the ones that staging and production share.

    Parameters: `service_labels`: identity labels, first present wins. `rewrite`: (regex,
    replacement) pairs; the first regex that matches the whole name replaces it, groups as `\\1` or
    `$1`. `drop`, `rename`: see `config.Match`. `run_label`: kept on every series if set.
    Raises ValueError for a regex or replacement that does not compile.
    """

    def __init__(
        self,
        service_labels: Sequence[str],
        rewrite: Iterable[tuple[str, str]] = (),
        drop: Iterable[str] = (),
        rename: Mapping[str, str] | None = None,
        run_label: str | None = None,
    ) -> None:
        self.service_labels = tuple(service_labels)
        self.run_label = run_label
        self.rename = dict(rename or {})
        self._drop = frozenset(drop)
        self._rewrite = [_rule(match, to) for match, to in rewrite]

    def named(self, name: str) -> str:
        """The one name of what is called `name` in one of the environments: a workload, a job."""
        return self._rewritten(name)

    def counts(self, label: str) -> bool:
        """Whether a label, as renamed, tells series of one environment apart."""
        return label not in self._drop and label != self.run_label

    def service(self, labels: Labels) -> str:
        """The one name of the service that `labels` belong to; '' if no identity label is there."""
        for label in self.service_labels:
            name = labels.get(label)
            if name:
                return self._rewritten(name)
        return ""

    def series(self, labels: Labels, by: Sequence[str] | None) -> Labels:
        """The canonical label set: only the names in `by`, or all but the dropped if `by` is None.

        `service` stands for the first identity label present. A name in `by` is kept even if
        `drop` holds it. The run label is always kept.
        """
        renamed = {self.rename.get(name, name): value for name, value in labels}
        if by is None:
            unwanted = self._drop | {"__name__", *self._found_identity(labels)}
            kept = {name: value for name, value in renamed.items() if name not in unwanted}
            kept[SERVICE] = self.service(labels)
        else:
            kept = {name: renamed.get(name, "") for name in by if name != SERVICE}
            if SERVICE in by:
                kept[SERVICE] = self.service(labels)
        if self.run_label:
            kept[self.run_label] = labels.get(self.run_label)
        return Labels.of(kept)

    def of(self, signal: Signal, labels: Labels) -> Labels:
        """`series` as `signal` wants it: the labels of an expression are not known beforehand."""
        unknown = isinstance(signal.definition, PromQL) and signal.name != LOAD_SIGNAL
        found = self.series(labels, None if unknown else signal.by)
        if not (signal.rename or signal.is_edge) or unknown:
            return found
        return self._renamed(signal, labels, dict(found))

    def edge(self, client: str, server: str) -> tuple[str, str]:
        """The names of the two services of a call."""
        return self._rewritten(client), self._rewritten(server)

    def _renamed(self, signal: Signal, labels: Labels, kept: dict[str, str]) -> Labels:
        """What stands under another name in the signal's metrics; services as they are called."""
        kept |= {to: labels.get(label) for label, to in signal.rename if to in signal.by}
        services = [to for _, to in signal.rename if to == SERVICE]
        for name in (*services, *(EDGE if signal.is_edge else ())):
            kept[name] = self._rewritten(kept.get(name, ""))
        return Labels.of(kept)

    def _found_identity(self, labels: Labels) -> tuple[str, ...]:
        found = next((name for name in self.service_labels if labels.get(name)), None)
        return (self.rename.get(found, found),) if found else ()

    def _rewritten(self, name: str) -> str:
        for pattern, template in self._rewrite:
            found = pattern.fullmatch(name)
            if found:
                return found.expand(template)
        return name


def _rule(match: str, to: str) -> tuple[re.Pattern[str], str]:
    template = _GROUP.sub(lambda group: rf"\g<{group[1] or group[2]}>", to)
    try:
        pattern = re.compile(match)
        pattern.sub(template, "")
    except (re.error, IndexError) as error:
        raise ValueError(f"identity.rewrite: {match!r} to {to!r}: {error}") from error
    return pattern, template
