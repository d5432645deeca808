from __future__ import annotations

import pytest

from anomalyd.model import LOAD_SIGNAL, Kind, Labels, PromQL, Rate, Selector, Signal
from anomalyd.signals.identity import Canonical

ORDER = ["service", "service_name", "app", "job"]


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"service": "cart", "job": "kube"}, "cart"),
        ({"job": "kube", "app": "cart"}, "cart"),
        ({"service": "", "job": "cart"}, "cart"),
        ({"pod": "cart-1"}, ""),
        ({"job": "cart-7f9c6d-x2k"}, "cart"),
        ({"job": "prod/cart"}, "cart"),
        ({"job": "prod/cart-7f9c6d-x2k"}, "cart-7f9c6d-x2k"),
    ],
)
def test_the_first_identity_label_present_names_the_service_by_the_first_rule_that_fits(
    labels, service
):
    rules = [("prod/(.*)", r"\1"), ("(?P<name>[a-z]+)-[0-9a-f]+-[a-z0-9]+", "${name}")]
    canonical = Canonical(ORDER, rewrite=rules)
    assert canonical.service(Labels.of(labels)) == service


@pytest.mark.parametrize(("match", "to"), [("a", r"\1"), ("a", "${name}"), ("(", "x")])
def test_a_rule_that_cannot_work_is_refused_by_name(match, to):
    with pytest.raises(ValueError, match=r"identity\.rewrite: "):
        Canonical(ORDER, rewrite=[(match, to)])


@pytest.mark.parametrize(
    ("by", "found", "kept"),
    [
        (["service"], {"job": "cart", "pod": "x", "route": "/"}, {"service": "cart"}),
        (["service", "route"], {"app": "cart", "route": "/"}, {"service": "cart", "route": "/"}),
        (["route"], {"app": "cart", "path": "/"}, {"route": "/"}),
        (["service", "pod"], {"app": "cart", "pod": "x"}, {"service": "cart", "pod": "x"}),
        (["service"], {"pod": "x"}, {}),
        ([], {"app": "cart", "pod": "x"}, {}),
        (
            None,
            {"__name__": "m", "app": "cart", "pod": "x", "path": "/", "job": "j"},
            {"service": "cart", "route": "/", "job": "j"},
        ),
    ],
)
@pytest.mark.parametrize("run", [{}, {"testid": "r1"}])
def test_a_series_keeps_what_it_is_grouped_by_and_the_run(by, found, kept, run):
    canonical = Canonical(
        ORDER, drop=["pod"], rename={"path": "route"}, run_label="testid" if run else None
    )
    assert canonical.series(Labels.of({**found, **run}), by) == Labels.of({**kept, **run})


def test_an_expression_keeps_its_own_labels_and_the_load_none():
    canonical = Canonical(ORDER, drop=["pod"])
    labels = Labels.of({"job": "cart", "queue": "q", "pod": "x"})
    query = PromQL("sum(x{$matchers})")
    assert canonical.of(Signal("mine", Kind.OTHER, query), labels) == Labels.of(
        {"service": "cart", "queue": "q"}
    )
    assert canonical.of(Signal(LOAD_SIGNAL, Kind.TRAFFIC, query, by=()), labels) == Labels()
    rate = Rate(Selector("x"))
    assert canonical.of(Signal("rate", Kind.TRAFFIC, rate), labels) == Labels.of(
        {"service": "cart"}
    )
