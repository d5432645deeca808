"""`check-config`, `doctor` and `signals list`: exit codes, and one sentence for what is wrong."""

from __future__ import annotations

import json

from tests.commands.here import answered
from tests.daemon.process import PROGRAM, command, written
from tests.fakes.prometheus import refuse


async def test_a_doctor_with_nothing_to_mend_exits_0(config):
    ended = await command("doctor", "-c", config, program=PROGRAM)
    assert ended.child.returncode == 0, ended.out
    assert "Nothing to mend." in ended.out


async def test_a_doctor_with_something_to_mend_exits_1(config, staging):
    staging.trouble = refuse(401)
    ended = await answered("doctor", "-c", config, "--json")
    assert ended.code == 1
    (line,) = ended.out
    told = json.loads(line)
    assert told["ok"] is False
    assert any("HTTP 401" in check["detail"] for check in told["checks"])


async def test_signals_are_listed_with_their_queries(config):
    ended = await command("signals", "list", "-c", config, "--json")
    assert ended.child.returncode == 0, ended.said
    (line,) = ended.out
    told = json.loads(line)
    assert [one["name"] for one in told["signals"]] == ["load", "latency", "errors"]
    assert "latency_seconds" in told["signals"][1]["query"]
    assert told["troubles"] == {}


async def test_signals_of_a_server_that_is_away_come_with_its_trouble(config, staging):
    staging.trouble = refuse(503)
    ended = await answered("signals", "list", "-c", config)
    assert ended.code == 2
    (line,) = ended.said
    assert line.startswith("anomalyd: staging: ")
    assert "HTTP 503" in line


async def test_a_valid_configuration_exits_0_and_a_wrong_one_2(config, tree, tmp_path):
    ended = await command("check-config", "-c", config, program=PROGRAM)
    assert ended.child.returncode == 0
    tree["step"] = "soon"
    ended = await answered("check-config", "-c", str(written(tmp_path / "wrong.yaml", tree)))
    assert ended.code == 2
    (line,) = ended.said
    assert line.startswith("step: ")


async def test_a_configuration_that_is_not_there_is_one_sentence(tmp_path):
    for asked in (("serve",), ("doctor",), ("signals", "list"), ("baseline", "fit")):
        ended = await answered(*asked, "-c", str(tmp_path / "none.yaml"))
        assert (ended.code, len(ended.said)) == (2, 1), ended.said
        assert "cannot be read" in ended.said[0]


async def test_an_override_that_is_no_yaml_is_one_sentence(config):
    for override in ("step=[", "step", "environments.staging.url.x=1"):
        ended = await answered("check-config", "-c", config, "--set", override)
        assert ended.code == 2, (override, ended.said)
        assert not ended.has_said("Traceback")
        assert len(ended.said) == 1, ended.said


async def test_a_wrong_configuration_is_told_in_json_as_well(tree, tmp_path):
    tree["step"], tree["colour"] = "soon", "red"
    wrong = str(written(tmp_path / "wrong.yaml", tree))
    ended = await answered("check-config", "-c", wrong, "--json")
    assert ended.code == 2
    (line,) = ended.out
    told = json.loads(line)
    assert told["valid"] is False
    assert [error["path"] for error in told["errors"]] == ["colour", "step"]
    assert "unknown setting" in told["errors"][0]["message"]
