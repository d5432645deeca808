"""Raw histories that misbehave as real ones do, from a seed: resets, gaps, jitter, births."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable

from anomalyd.model import Labels

START = 1_700_000_000_000
"""The first millisecond; samples fall on odd ones, so that no even one is ever a boundary."""

History = dict[Labels, list[tuple[int, float]]]
BOUNDS = ("0.005", "0.05", "0.1", "0.5", "1", "2.5", "+Inf")


def generate(seed: int, seconds: int = 600, interval: float = 5.0) -> History:
    """Three services of two instances; counters, a histogram and a gauge each."""
    chance = random.Random(seed)  # noqa: S311
    history: History = {}
    for service in ("cart", "checkout", "search"):
        for instance in ("a", "b"):
            times = scrapes(chance, seconds, interval)
            for series, values in _instance(chance, service, len(times)):
                labels = Labels.of({**series, "service": service, "instance": instance})
                born = chance.randrange(len(times)) if chance.random() < 0.2 else 0
                kept = zip(times[born:], values[born:], strict=True)
                history[labels] = [sample for sample in kept if chance.random() > 0.02]
    return history


def exposition(history: History) -> str:
    """The history as OpenMetrics for promtool's backfill."""
    families: dict[str, list[str]] = defaultdict(list)
    for labels, samples in history.items():
        name = labels.get("__name__")
        shown = f"{name}{labels.without(['__name__'])}"
        families[name] += [f"{shown} {value!r} {time / 1000:.3f}" for time, value in samples]
    lines = [line for name in sorted(families) for line in families[name]]
    return "\n".join([*lines, "# EOF", ""])


def scrapes(chance: random.Random, seconds: int, interval: float) -> list[int]:
    """Jittered scrape times; now and then a scrape is missing, or the target is away a while."""
    times, now, away = [], chance.random() * interval, -1.0
    while now < seconds:
        if chance.random() < 0.02:
            away = now + chance.uniform(10, 60)
        if now > away and chance.random() > 0.05:
            times.append(START + int(now * 500) * 2 + 1)
        now += interval * chance.uniform(0.9, 1.1)
    return times


def _instance(
    chance: random.Random, service: str, n: int
) -> Iterable[tuple[dict[str, str], list[float]]]:
    codes = ("200", "404") if service == "search" else ("200", "500", "503")
    for code in codes:
        pace = chance.choice([0, 3, 40])
        yield (
            {"__name__": "http_requests_total", "code": code},
            _counter(chance, n, lambda pace=pace: chance.randint(0, pace)),
        )
    share = [0.0, *sorted(chance.random() for _ in BOUNDS[1:])]
    share[-1] = 1.0
    resets = {i for i in range(n) if chance.random() < 0.03}
    count, totals = 0, []
    for i in range(n):
        count = 0 if i in resets else count
        count += chance.randint(0, 50) if chance.random() < 0.8 else 0
        totals.append(count)
    for le, part in zip(BOUNDS, share, strict=True):
        shown = f"{float(le):.1f}" if le == "1" and chance.random() < 0.5 else le
        bucket = [float(int(total * part)) for total in totals]
        yield {"__name__": "http_request_duration_seconds_bucket", "le": shown}, bucket
    yield {"__name__": "http_request_duration_seconds_count"}, [float(total) for total in totals]
    yield {"__name__": "memory_bytes"}, [chance.uniform(-1e9, 1e9) for _ in range(n)]


def _counter(chance: random.Random, n: int, step: Callable[[], int]) -> list[float]:
    value, values = float(chance.choice([0, 0, 1000, 10**9])), []
    for _ in range(n):
        value = 0.0 if chance.random() < 0.03 else value
        value += step()
        values.append(value)
    return values
