"""docs/trust.md says of faults, sizes and few runs what the program does."""

from __future__ import annotations

import re
from pathlib import Path

from anomalyd.commands.calibrated import NEAR
from anomalyd.commands.calibrating import SILENCED_SECONDS
from anomalyd.replay.calibrate import Rate, runs_needed
from anomalyd.replay.faults import GRADES, SIZES, FaultKind

DOCS = (Path(__file__).resolve().parent.parent / "docs" / "trust.md").read_text("utf-8")
ROWS = dict(re.findall(r"^\| `([\w-]+)` \| .* \| (.*) \|$", DOCS, re.M))


def test_every_kind_of_fault_is_there_with_its_sizes() -> None:
    assert set(ROWS) == {str(kind) for kind in FaultKind}
    assert ROWS["latency"] == ", ".join(f"{size * 100:g}" for size in GRADES) + "%"
    assert ROWS["errors"] == ", ".join(f"{s * 100:g}" for s in SIZES[FaultKind.ERRORS]) + " pp"
    for kind in (FaultKind.LEAK, FaultKind.SATURATION, FaultKind.FAN_OUT):
        assert SIZES[kind] == GRADES
        assert ROWS[kind].startswith("5 to 160%")
    assert SIZES[FaultKind.LOST] == (1.0,)


def test_what_few_runs_show_is_what_is_worked_out_of_them() -> None:
    assert f"0 failed of 6 leaves a rate of up to {Rate(0, 6).up_to:.0%} possible" in DOCS
    assert f"budget of 1% is kept takes {runs_needed(0.01)} good runs" in DOCS
    assert f"for {SILENCED_SECONDS / 86400:g} days" in DOCS
    assert NEAR == 0.5
    assert "at least half of the evidence" in DOCS
