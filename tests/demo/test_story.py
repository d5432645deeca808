"""The command ends as it says: one JSON line, and 0 only if all is as claimed."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from anomalyd.demo.load import Counts, Load, Steady
from anomalyd.demo.plan import Plan
from anomalyd.demo.process import DemoError
from anomalyd.demo.story import Ended, Story, document, tell
from anomalyd.demo.topology import Fault, FaultKind, choose


def test_the_json_line_names_both_verdicts_the_suspects_the_fault_and_the_reports() -> None:
    good = {"outcome": "pass", "incidents": []}
    bad = {"outcome": "fail", "incidents": [{"suspects": [{"service": "cart", "score": 1.0}]}]}
    ended = Ended(Fault("cart", FaultKind.LEAK, 0.1), good, bad, (Path("/r/report.json"),))
    assert document(ended) == {
        "good": {"verdict": "pass"},
        "bad": {"verdict": "fail", "suspects": [{"service": "cart", "score": 1.0}]},
        "fault": {"service": "cart", "kind": "leak"},
        "reports": ["/r/report.json"],
    }


async def test_a_directory_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(DemoError, match="is not empty; name a new directory"):
        await tell(1, tmp_path, as_json=True)


async def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match="name another directory"):
        await tell(1, tmp_path / "file", as_json=True)


@pytest.mark.e2e
@pytest.mark.timeout(300)
async def test_the_demo_does_what_it_claims(tmp_path: Path) -> None:
    seed = 9
    demo = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "anomalyd", "demo", "--json", f"--seed={seed}", f"--keep={tmp_path / 'kept'}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, progress = await demo.communicate()
    assert demo.returncode == 0, progress.decode()
    told = json.loads(said.splitlines()[-1])
    assert told["good"]["verdict"] == "pass"
    assert told["bad"]["verdict"] == "fail"
    assert told["fault"] == {"service": choose(seed).service, "kind": choose(seed).kind}
    assert told["bad"]["suspects"][0]["service"] == choose(seed).service
    assert len(told["reports"]) == 8
    assert not empty(told["reports"])


def empty(paths: list[str]) -> list[str]:
    return [path for path in paths if not Path(path).stat().st_size]


@pytest.mark.parametrize(
    ("lateness", "runs"), [([0.01], 1), ([0.4, 0.01], 2), ([0.4, 0.4, 0.4, 0.4], 3)]
)
async def test_a_test_on_a_busy_machine_is_done_again_whatever_its_verdict(
    lateness: list[float], runs: int, tmp_path: Path
) -> None:
    said: list[str] = []

    class Disturbed(Story):
        done = 0

        async def _run(self, api, staging, name, shape, fault):
            self._loads.append(Load("", shape, 0, counts=Counts(late=lateness[self.done])))
            self.done += 1
            return f"run {self.done}", {"outcome": "pass"}

    story = Disturbed(1, tmp_path, Plan(), said.append)
    run_id, _ = await story._test(None, None, "good", Steady(1, 1), None)
    assert run_id == f"run {runs}"
    assert len(said) == runs - 1
