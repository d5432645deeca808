"""Starting the daemon where something is in the way: exit code 2, and one sentence."""

from __future__ import annotations

import asyncio
import signal
import socket

import pytest

from anomalyd.runs.store import Store
from tests.daemon.process import (
    END_SECONDS,
    PROGRAM,
    command,
    fast,
    serving,
    spawned,
    until,
    with_baseline,
    written,
)
from tests.fakes.prometheus import never, refuse
from tests.servers import free_port


@pytest.fixture
def tree(staging, production, tmp_path):
    made = fast(staging.url, production.url, tmp_path / "state")
    with_baseline(made)
    return made


async def refused(tree, tmp_path) -> str:
    """The one sentence that the daemon ends with."""
    ended = await command("serve", "-c", str(written(tmp_path / "c.yaml", tree)))
    told = [line for line in ended.said if line.startswith("anomalyd: ")]
    assert (ended.child.returncode, len(told), ended.out) == (2, 1, []), ended.said
    assert "Traceback" not in "\n".join(ended.said)
    return told[0]


async def test_a_port_in_use(tree, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        tree["api"] = {"listen": f"127.0.0.1:{other.getsockname()[1]}"}
        assert "something listens there already" in await refused(tree, tmp_path)


async def test_a_state_directory_in_use(tree, tmp_path):
    with Store.open(tmp_path / "state" / "anomalyd.db", exclusive=True):
        assert "is in use by another anomalyd" in await refused(tree, tmp_path)


async def test_a_state_directory_that_cannot_be_made(tree, tmp_path):
    (tmp_path / "file").write_text("")
    tree["state_dir"] = str(tmp_path / "file" / "state")
    assert "cannot be written" in await refused(tree, tmp_path)


async def test_a_state_database_that_is_none(tree, tmp_path):
    (tmp_path / "state" / "anomalyd.db").write_bytes(b"something else entirely" * 100)
    assert "is not a database" in await refused(tree, tmp_path)


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_staging_that_refuses_us(tree, tmp_path, staging, status):
    staging.trouble = refuse(status)
    assert f"HTTP {status}" in await refused(tree, tmp_path)


async def test_an_unknown_setting(tree, tmp_path):
    tree["stagin"] = {}
    ended = await command("serve", "-c", str(written(tmp_path / "c.yaml", tree)))
    assert ended.child.returncode == 2
    (line,) = ended.said
    assert "stagin" in line


async def test_a_signal_while_a_slow_server_is_looked_at_ends_the_start(tree, tmp_path, staging):
    tree["environments"]["staging"]["timeout"] = "60s"
    tree["signals"]["custom"][0] |= {"histogram": "latency_seconds"}
    del tree["signals"]["custom"][0]["gauge"]
    staging.trouble = never
    async with spawned("serve", "-c", str(written(tmp_path / "c.yaml", tree))) as process:
        await until(lambda: bool(staging.seen), "staging is asked", process)
        process.child.send_signal(signal.SIGTERM)
        assert await process.ended() == 0, process.said


async def test_a_staging_that_is_away_is_waited_for_and_then_judged(tree, tmp_path, staging):
    staging.trouble = refuse(503)
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        await daemon.answers("/-/ready", lambda _, told: "HTTP 503" in str(told))
        staging.trouble = None
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        assert daemon.count("HTTP 503") <= 2
        assert await daemon.stopped() == 0


async def test_a_production_that_is_away_is_told_on_the_transition_alone(
    tree, tmp_path, production
):
    (tmp_path / "state" / "baseline.npz").unlink()
    tree["baseline"] = {"refresh": "1s"}
    production.trouble = refuse(503)
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        await daemon.says("baseline: production")
        before = len(production.seen)
        await until(lambda: len(production.seen) > before + 3, "it is asked again", daemon)
        assert daemon.count("baseline: production") == 1
        _, answer = await daemon.ask("/-/ready")
        assert "no baseline has been fitted yet" in answer["reasons"][0]
        assert any("HTTP 503" in reason for reason in answer["reasons"])
        run = await daemon.start()
        verdict = await daemon.verdict(run)
        assert (verdict["outcome"], verdict["exit_code"]) == ("inconclusive", 3)
        assert await daemon.stopped() == 0


async def test_systemd_is_told_that_the_daemon_is_at_work_though_staging_is_away(
    tree, tmp_path, staging
):
    staging.trouble = refuse(503)
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(END_SECONDS)
        config = written(tmp_path / "c.yaml", tree)
        environ = {"NOTIFY_SOCKET": str(path)}
        async with serving(config, environ=environ, program=PROGRAM) as daemon:
            assert (await asyncio.to_thread(manager.recv, 4096)).startswith(b"READY=1")
            assert await daemon.stopped() == 0
            assert (await asyncio.to_thread(manager.recv, 4096)).startswith(b"STOPPING=1")


async def test_a_port_that_is_free_is_listened_on(tree, tmp_path):
    port = free_port()
    tree["api"] = {"listen": f"127.0.0.1:{port}"}
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        assert daemon.url == f"http://127.0.0.1:{port}"
        assert await daemon.ask("/-/healthy") == (200, {"status": "ok", "reasons": []})
