"""One session under a clock that tests move: minutes of a run pass in milliseconds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from anomalyd.api.hub import Hub
from anomalyd.config import Config
from anomalyd.model import Labels, Run, Verdict
from anomalyd.running import Finished
from anomalyd.runs.store import Store
from anomalyd.session import Session
from anomalyd.sinks.base import Notice
from anomalyd.sinks.delivery import Delivery
from tests.daemon.shop import START, Shop

STEP = 10.0


class Told(Delivery):
    """Delivers nowhere; keeps what it was given."""

    def __init__(self) -> None:
        super().__init__([], queue=1, drain=0)
        self.notices: list[Notice] = []

    def put(self, notice: Notice) -> None:
        self.notices.append(notice)


@dataclass
class Bench:
    """session is None between two `at_work`. A tick is `STEP` seconds."""

    config: Config
    store: Store
    shops: tuple[Shop, ...] = ()
    now: float = START
    told: Told = field(default_factory=Told)
    ended: list[Finished] = field(default_factory=list)
    session: Session | None = None

    @asynccontextmanager
    async def at_work(self, config: Config | None = None) -> AsyncIterator[Session]:
        """A session, as after a start, a reload or a restart."""
        self.config = config or self.config
        session = Session(
            self.config, self.store, Hub(), self.told, self.ended.append, lambda: self.now
        )
        async with session:
            self.session = session
            yield session
        self.session = None

    async def passes(self, seconds: float) -> None:
        assert self.session is not None
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            for shop in self.shops:
                shop.now = self.now
            await self.session.tick(self.now)

    def start(self, name: str = "nightly", selector: str = "", version: str = "") -> Run:
        assert self.session is not None
        return self.session.runs.start(name, selector, Labels.of({"version": version}))

    async def verdict(self, run: Run) -> Verdict:
        """Stop the run and let it settle."""
        assert self.session is not None
        self.session.runs.stop(run.id)
        await self.passes(60)
        found = self.store.verdict(run.id)
        assert found is not None
        return found


@asynccontextmanager
async def bench(config: Config, *shops: Shop) -> AsyncIterator[Bench]:
    with Store.open(Path(config.state_dir) / "anomalyd.db") as store:
        made = Bench(config, store, shops)
        for shop in shops:
            shop.now = made.now
        yield made
