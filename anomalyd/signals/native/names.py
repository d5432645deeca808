"""What a native histogram is called, and what it stands for among the names of metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Metrics = Mapping[str, frozenset[str]]
"""Names to the labels on them. `le` on a native histogram, which has none, says that it comes in
its classic form as well."""

COUNT, SUM, BUCKET = "_count", "_sum", "_bucket"
SUFFIXES = (COUNT, SUM, BUCKET)
"""What a classic histogram calls the series that one native series stands for."""


def natively(wanted: Callable[[str], bool]) -> Callable[[str], bool]:
    """Whether a name may be that of a native histogram whose count, sum or buckets are wanted."""
    return lambda name: not wanted(name) and any(wanted(name + suffix) for suffix in SUFFIXES)


def expanded(found: Metrics, wanted: Callable[[str], bool]) -> dict[str, frozenset[str]]:
    """The metrics that there are, with what native histograms among them stand for.

    A name that may be a native histogram's and carries `quantile` is a summary's.
    """
    whole, native = dict(found), natively(wanted)
    for name, labels in found.items():
        if not native(name) or "quantile" in labels:
            continue
        classic = f"{name}{BUCKET}" in found
        whole[name] = labels | {"le"} if classic else labels - {"le"}
        for suffix in filter(lambda suffix: wanted(name + suffix), SUFFIXES):
            own = labels - {"le"} | ({"le"} if suffix == BUCKET else frozenset())
            whole[name + suffix] = whole.get(name + suffix, frozenset()) | own
    return dict(sorted(whole.items()))


def natives(metrics: Metrics) -> frozenset[str]:
    """Names of native histograms."""
    return frozenset(
        name
        for name, labels in metrics.items()
        if "quantile" not in labels and any(name + suffix in metrics for suffix in SUFFIXES)
    )


def as_classic(own: Metrics, other: Metrics) -> frozenset[str]:
    """Native histograms to be read in the classic form that they have too, since `other` has that
    form alone: quantiles of both are then read off the same buckets."""
    theirs = natives(other)
    return frozenset(
        name for name in natives(own) - theirs if "le" in own[name] and f"{name}{BUCKET}" in other
    )
