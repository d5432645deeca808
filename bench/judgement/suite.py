"""Which runs are judged, in which regimes, and by whom; one world at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.judgement.judges import ENTRANTS, Entrant
from bench.judgement.production import production
from bench.judgement.records import Decision, Recording, Run, Truth
from bench.judgement.staging import RUNS, run
from bench.judgement.world import World, draw

WORLDS, QUICK_WORLDS = 100, 10
REGIMES = ("calibrated", "first")
"""With the accepted runs, and with none. The runs that are judged are the same."""


@dataclass(frozen=True, slots=True)
class Record:
    """One decision beside the truth. seconds: CPU time of the decision."""

    judge: str
    regime: str
    part: str
    world: int
    number: int
    truth: Truth
    decision: Decision
    seconds: float


def judge_world(seed: int, index: int, entrants: Sequence[Entrant] = ENTRANTS) -> list[Record]:
    """Every run of the world by every entrant in both regimes."""
    world = draw(seed, index)
    history = production(world)
    accepted = [run(world, "accepted", k).recording for k in range(RUNS["accepted"])]
    runs = {part: [run(world, part, k) for k in range(n)] for part, n in RUNS.items()}
    return [
        record for entrant in entrants for record in _judge(entrant, world, history, accepted, runs)
    ]


def _judge(
    entrant: Entrant,
    world: World,
    history: Recording,
    accepted: Sequence[Recording],
    runs: dict[str, list[Run]],
) -> list[Record]:
    fitted = entrant.judge.fit(history)
    records = []
    for regime in REGIMES:
        given = accepted if regime == "calibrated" else ()
        for part in entrant.parts:
            for number, one in enumerate(runs[part]):
                begun = time.process_time()
                decision = entrant.judge.judge(fitted, one.recording, given, world.named_edges)
                seconds = time.process_time() - begun
                records.append(
                    Record(
                        entrant.name,
                        regime,
                        part,
                        world.index,
                        number,
                        one.truth,
                        decision,
                        seconds,
                    )
                )
    return records
