"""What a Prometheus has: metric names and their labels, its scrape interval, its clock.

Metadata is asked with prometheus-api-client, in a thread and imported when first used; what it
cannot do (or a server that refuses it) goes through our own client, whose errors have a name.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time as clock
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from anomalyd import http
from anomalyd.config import EnvironmentConfig, Limits
from anomalyd.model import Environment, Matcher, Selector
from anomalyd.query import QueryError, Trouble
from anomalyd.signals.native.names import expanded, natively
from anomalyd.signals.selector import matches
from anomalyd.sources.base import Side, SourceError, Wanted
from anomalyd.sources.promapi import PromApi, Target
from anomalyd.units import parse_duration

if TYPE_CHECKING:
    from prometheus_api_client import PrometheusConnect

log = logging.getLogger(__name__)

T = TypeVar("T")

SKEW_SECONDS = 5.0
"""A difference of clocks beyond it is worth mending."""
LOOKBACK_SECONDS = 3600.0
"""How far back a metric may have been seen last to count as there."""
CONCURRENCY = 4
_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Skew:
    """The server's clock less ours, known to ± `uncertainty` (half the round trip); seconds."""

    seconds: float
    uncertainty: float

    @property
    def certain(self) -> float:
        """The least skew there must be, 0 where the round trip explains it."""
        return max(0.0, abs(self.seconds) - self.uncertainty)


async def connect(
    name: Environment, environment: EnvironmentConfig, limits: Limits, stack: AsyncExitStack
) -> PromApi:
    """A client of the environment's Prometheus; its session goes on the stack, nothing is asked.

    Raises SourceError for a secret or certificate that cannot be read.
    """
    try:
        session = http.session(environment)
    except OSError as error:
        raise SourceError(
            f"{name}: a secret or certificate cannot be read: {error}; mend auth or tls"
        ) from error
    await stack.enter_async_context(session)
    series, size = limits.query_series, limits.body_bytes
    return PromApi(environment, session, name=name, query_series=series, body_bytes=size)


async def look(
    name: Environment, environment: EnvironmentConfig, wanted: Wanted, stack: AsyncExitStack
) -> Side:
    """What a Prometheus has, and how often it scrapes; see `Kind`."""
    api = await connect(name, environment, wanted.limits, stack)
    try:
        found = await discover(api, environment.matchers, wanted.metrics)
        every = await scrape_interval(api, environment.matchers)
    except QueryError as error:
        return Side(name, environment, api, {}, None, str(error), error.retryable)
    return Side(name, environment, api, found, every)


async def discover(
    api: PromApi,
    matchers: Sequence[Matcher],
    wanted: Callable[[str], bool] = lambda name: True,
    *,
    now: float | None = None,
) -> dict[str, frozenset[str]]:
    """Metric names that `wanted` accepts and `matchers` select, with the labels each carries.

    Native histograms stand for what their classic form would have. One query for the names and
    one per wanted name. Raises QueryError.
    """
    since = (clock.time() if now is None else now) - LOOKBACK_SECONDS
    match = [f"{{{','.join(map(str, matchers))}}}"] if matchers else ['{__name__!=""}']
    native = natively(wanted)
    names = await _metric_names(api, match, since)
    names = [name for name in names if wanted(name) or native(name)]
    gate = asyncio.Semaphore(CONCURRENCY)
    found: dict[str, frozenset[str]] = {}

    async def ask(name: str) -> None:
        async with gate:
            labels = await _label_names(api, str(Selector(name, tuple(matchers))), since)
            found[name] = frozenset(labels) - {"__name__"}

    await _together([ask(name) for name in names])
    return expanded(found, wanted)


async def scrape_interval(api: PromApi, matchers: Sequence[Matcher]) -> float | None:
    """Seconds between scrapes: the slowest that at least a tenth of the targets have.

    From `/api/v1/targets` where that is offered and says it, else from the timestamps of
    `up[5m]`; None where neither is to be had. Raises QueryError where the server is not.
    """
    try:
        targets = [target for target in await api.targets() if target.scrape_interval]
    except QueryError as error:
        if error.kind not in (Trouble.NOT_FOUND, Trouble.FORBIDDEN, Trouble.BAD_QUERY):
            raise
        targets = []
    intervals = [_interval(target) for target in targets if _matches(target.labels, matchers)]
    return _slowest_common(intervals or await _spacing(api, str(Selector("up", tuple(matchers)))))


async def clock_skew(api: PromApi, now: Callable[[], float] = clock.time) -> Skew:
    """The server's clock against ours, by `time()`. Raises QueryError."""
    before = now()
    answer = await api.instant("time()")
    after = now()
    return Skew(float(answer.values[0]) - (before + after) / 2, (after - before) / 2)


async def _together(calls: Sequence[Any]) -> None:
    try:
        async with asyncio.TaskGroup() as tasks:
            for number, call in enumerate(calls):
                tasks.create_task(call, name=f"discover-{number}")
    except* QueryError as troubles:
        raise next(_leaves(troubles)) from None


def _leaves(group: BaseExceptionGroup[QueryError]) -> Any:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def _metric_names(api: PromApi, match: list[str], since: float) -> list[str]:
    params = {"match[]": match, "start": f"{since:.3f}"}
    names = await _by_library(api, lambda client: client.get_label_values("__name__", params))
    return names if names is not None else await api.metric_names(match, since=since)


async def _label_names(api: PromApi, selector: str, since: float) -> list[str]:
    params = {"match[]": [selector], "start": f"{since:.3f}"}
    names = await _by_library(api, lambda client: client.get_label_names(params))
    return names if names is not None else await api.labels([selector], since=since)


async def _spacing(api: PromApi, selector: str) -> list[float]:
    """Median distance of the raw samples of each series, seconds; none with under two samples."""
    series = await _by_library(api, lambda client: client.custom_query(f"{selector}[5m]"))
    found = []
    for one in series or ():
        stamps = [float(point[0]) for point in one.get("values", ())]
        gaps = sorted(after - before for before, after in pairwise(stamps))
        if gaps:
            found.append(round(gaps[len(gaps) // 2], 1))
    return found


async def _by_library(api: PromApi, ask: Callable[[PrometheusConnect], list[Any]]) -> Any:
    """What `ask` answers, or None where the library could not have it."""
    if api.endpoint.tls.insecure_skip_verify:
        return None  # requests would warn at every call
    return await _apart(lambda: _ask(api, ask))


async def _apart(work: Callable[[], T]) -> T:
    """In a thread that nobody waits for at the end of the process, unlike an executor's."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(put: Callable[[Any], None], what: object) -> None:
        if not done.cancelled():
            put(what)

    def run() -> None:
        put: Callable[[Any], None] = done.set_result
        try:
            what: object = work()
        except BaseException as error:  # noqa: BLE001  it is raised where the work is awaited
            put, what = done.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, put, what)

    threading.Thread(target=run, name="discovery", daemon=True).start()
    return await done


def _ask(api: PromApi, ask: Callable[[PrometheusConnect], list[Any]]) -> list[Any] | None:
    import requests
    from prometheus_api_client import PrometheusConnect
    from prometheus_api_client.exceptions import PrometheusApiClientException
    from urllib3 import Retry

    endpoint = api.endpoint
    headers = dict(endpoint.headers)
    authorization = endpoint.auth.authorization()
    if authorization:
        headers["Authorization"] = authorization
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(endpoint.tls.ca_file) if endpoint.tls.ca_file else True
        if endpoint.tls.cert_file:
            cert, key = endpoint.tls.cert_file, endpoint.tls.key_file
            session.cert = (str(cert), str(key)) if key else str(cert)
        client = PrometheusConnect(
            url=endpoint.url,
            headers=headers,
            session=session,
            timeout=endpoint.timeout,
            retry=Retry(total=0),
        )
        try:
            return ask(client)
        except (OSError, PrometheusApiClientException, KeyError) as error:
            log.debug("%s: discovery goes on without prometheus-api-client: %s", api.name, error)
            return None


def _interval(target: Target) -> float:
    try:
        return parse_duration(target.scrape_interval)
    except ValueError:
        return 0.0


def _slowest_common(intervals: Sequence[float]) -> float | None:
    known = [interval for interval in intervals if interval > 0]
    common = [one for one in set(known) if known.count(one) >= _SHARE * len(known)]
    return max(common, default=None)


def _matches(labels: dict[str, str], matchers: Sequence[Matcher]) -> bool:
    return all(matches(matcher, labels.get(matcher.label, "")) for matcher in matchers)
