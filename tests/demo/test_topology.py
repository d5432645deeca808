"""A seed names one fault, every fault is as likely, and all lie behind the entry."""

from collections import Counter

from anomalyd.demo.topology import EDGES, ENTRY, FaultKind, choose, faults, leaves_first


def test_every_kind_can_strike_and_never_the_entry() -> None:
    assert {fault.kind for fault in faults()} == set(FaultKind)
    assert {fault.service for fault in faults()} == {"cart", "pricing", "inventory"}


def test_only_a_service_that_calls_others_fans_out() -> None:
    assert [f.service for f in faults() if f.kind is FaultKind.FANOUT] == ["cart"]


def test_a_seed_always_chooses_the_same_fault() -> None:
    chosen = [(choose(seed).service, str(choose(seed).kind)) for seed in range(6)]
    assert chosen == [
        ("pricing", "leak"),
        ("cart", "leak"),
        ("cart", "latency"),
        ("cart", "fanout"),
        ("cart", "fanout"),
        ("inventory", "leak"),
    ]


def test_seeds_are_spread_evenly_over_the_faults() -> None:
    seen = Counter(choose(seed) for seed in range(5000))
    assert set(seen) == set(faults())
    expected = 5000 / len(faults())
    chi_squared = sum((count - expected) ** 2 / expected for count in seen.values())
    assert chi_squared < 27.9, "99.9% of the chi-squared distribution with 9 degrees of freedom"


def test_each_service_starts_after_those_it_calls() -> None:
    order = leaves_first()
    assert order[-1] == ENTRY
    assert all(
        order.index(callee) < order.index(caller)
        for caller, callees in EDGES.items()
        for callee in callees
    )
