"""What a configuration may say, and what is said to whoever wrote a wrong one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd import config, model
from anomalyd.config import Config, ConfigError

ROOT = Path(__file__).resolve().parent.parent
BAD = sorted((ROOT / "tests" / "configs").glob("*.bad.yaml"))
STAGING = {"environments": {"staging": {"url": "http://localhost:9090"}}}


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in messages are those that were given."""
    monkeypatch.chdir(ROOT)


def errors_of(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        config.load(path, overrides)
    return raised.value.errors


def errors_in(tree: dict[str, Any]) -> list[str]:
    try:
        config.parse(tree, {})
    except ConfigError as error:
        return error.errors
    return []


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "anomalyd.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name.removesuffix(".bad.yaml"))
def test_a_bad_config_has_its_message(path: Path) -> None:
    expected = re.findall(r"^# expect: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert errors_of(path.relative_to(ROOT)) == expected
    assert expected


def test_every_error_is_one_line_without_our_own_words() -> None:
    for path in BAD:
        for error in errors_of(path.relative_to(ROOT)):
            assert "\n" not in error
            assert not re.search(r"pydantic|Section|instance of|Value error|constrained", error)


def test_what_is_not_utf8_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "anomalyd.yaml"
    path.write_bytes(b"environments: \xff\n")
    assert errors_of(path) == [f"{path}: is not UTF-8 text"]


def test_a_file_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "anomalyd.yaml"
    assert errors_of(path) == [f"{path}: cannot be read: No such file or directory; name one by -c"]
    assert errors_of(tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]


def test_control_characters_are_refused_in_one_sentence(tmp_path: Path) -> None:
    (error,) = errors_of(written(tmp_path, "step: \x01"))
    assert "special characters are not allowed" in error


def test_variables_are_replaced_anywhere_in_a_value() -> None:
    tree = {
        "environments": {
            "staging": {"url": "${SCHEME}://${HOST}/prom", "capacity": "${REPLICAS}"},
        },
        "identity": {"service": ["${LABEL}"]},
        "step": "${STEP}",
    }
    given_ = {"SCHEME": "https", "HOST": "mimir", "LABEL": "app", "STEP": "10s", "REPLICAS": "3"}
    parsed = config.parse(tree, given_)
    assert parsed.environments.staging.url == "https://mimir/prom"
    assert parsed.environments.staging.capacity == 3.0
    assert parsed.identity.service == ("app",)
    assert parsed.step == 10.0


def test_what_a_variable_holds_is_not_expanded_again() -> None:
    parsed = config.parse(
        {**STAGING, "api": {"token": "${TOKEN}"}}, {"TOKEN": "${HOME}", "HOME": "/"}
    )
    assert parsed.api.secret() == "${HOME}"


def test_a_dollar_that_is_no_variable_stays() -> None:
    tree = {**STAGING, "signals": {"custom": [
        {"name": "mine", "kind": "other", "promql": "rate(x{$matchers}[$window])"}]}}  # fmt: skip
    assert config.parse(tree, {}).signals.custom[0].promql == "rate(x{$matchers}[$window])"


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("judgement.warmup=5m", lambda c: c.judgement.warmup == 300.0),
        ("judgement.shadow=true", lambda c: c.judgement.shadow is True),
        ("limits.series=7", lambda c: c.limits.series == 7),
        ("signals.presets=[k6]", lambda c: c.signals.presets == ("k6",)),
        ("sinks.log=null", lambda c: c.sinks.log is None),
        ("sinks.log.level=info", lambda c: c.sinks.log.level == "info"),
        ("state_dir=/var/lib/anomalyd", lambda c: c.state_dir == Path("/var/lib/anomalyd")),
        ("environments.staging.headers={X-Tenant: a=b}", lambda c:
            c.environments.staging.headers == {"X-Tenant": "a=b"}),
        (" step = 10s", lambda c: c.step == 10.0),
        ("environments.production.url=http://b", lambda c:
            c.environments.production.url == "http://b"),
    ],
)  # fmt: skip
def test_an_override_wins_over_the_file(tmp_path: Path, override: str, read: Any) -> None:
    text = "environments: {staging: {url: http://a}}\nstep: 1s\nsinks:\n"
    assert read(config.load(written(tmp_path, text), ("sinks.queue=5", override)))


@pytest.mark.parametrize(
    ("override", "error"),
    [
        ("step", "--set step: write it as dotted.path=value"),
        ("=5s", "--set : write it as dotted.path=value"),
        ("judgement..warmup=5s", "--set judgement..warmup: write it as dotted.path=value"),
        ("step.a=5s", "--set step.a: step holds a value, not settings"),
        ("step=[", "--set step: line 1, column 2: expected the node content, but found"),
        ("step=5", "step: 5 is not a duration; write a number with its unit"),
        ("steep=5s", "steep: unknown setting; did you mean step"),
        ("limits={series: 1, series: 2}", "--set limits: line 1, column 13: series is set twice"),
    ],
)
def test_a_bad_override_is_named(tmp_path: Path, override: str, error: str) -> None:
    path = written(tmp_path, "environments: {staging: {url: http://a}}\nstep: 1s\n")
    (found,) = errors_of(path, override)
    assert found.startswith(error)


def test_a_merged_key_may_be_set_again(tmp_path: Path) -> None:
    text = """
environments:
  production: &one {url: http://a, timeout: 5s}
  staging: {<<: *one, url: http://b}
"""
    staging = config.load(written(tmp_path, text)).environments.staging
    assert (staging.url, staging.timeout) == ("http://b", 5.0)


def test_a_capacity_is_a_number_or_an_expression() -> None:
    for capacity, expected in (
        (3, 3.0),
        (2.5, 2.5),
        ("4", 4.0),
        ("up{$matchers}", "up{$matchers}"),
    ):
        tree = {"environments": {"staging": {"url": "http://a", "capacity": capacity}}}
        assert config.parse(tree).environments.staging.capacity == expected


def test_nothing_can_be_changed_after_it_was_checked() -> None:
    parsed = config.parse(STAGING)
    with pytest.raises(ValueError, match="frozen"):
        parsed.step = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given_", "worse", "tolerate", "detect", "unit"),
    [
        ({"kind": "latency", "gauge": "x"}, "up", (0.05, 0), (0.5, 0), ""),
        ({"kind": "traffic", "rate": "x"}, "both", (0.05, 0), (0.5, 0), ""),
        ({"kind": "errors", "ratio": {"bad": "x", "total": "y"}}, "up", (0, 0.005), (0, 0.05),
         "ratio"),
        ({"kind": "errors", "gauge": "x", "tolerate": "1pp", "detect": "2pp"}, "up", (0, 0.01),
         (0, 0.02), ""),
        ({"kind": "resource", "gauge": "x", "unit": "By", "worse": "down", "tolerate": "20%"},
         "down", (0.2, 0), (0.5, 0), "By"),
    ],
)  # fmt: skip
def test_a_signal_has_the_defaults_of_its_kind(
    given_: dict[str, Any],
    worse: str,
    tolerate: tuple[float, float],
    detect: tuple[float, float],
    unit: str,
) -> None:
    signal = config.SignalConfig.model_validate({"name": "mine", **given_}).signal()
    assert signal.worse == worse
    assert signal.tolerate == model.Change(*tolerate)
    assert signal.detect == model.Change(*detect)
    assert signal.unit == unit


def test_an_override_of_a_preset_changes_only_what_it_says() -> None:
    tree = {**STAGING, "signals": {"override": {"memory": {"tolerate": "20%", "limit": 2e9}}}}
    memory = model.Signal("memory", model.Kind.RESOURCE, model.Gauge(model.Selector("m")))
    changed = config.parse(tree).signals.override["memory"].of(memory)
    assert changed.tolerate == model.Change(relative=0.2)
    assert changed.limit == 2e9
    assert (changed.worse, changed.detect) == (memory.worse, memory.detect)


# Properties ---------------------------------------------------------------------------------

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(sorted(Config.model_fields)) | st.text(max_size=8), inner, max_size=4
    ),
    max_leaves=12,
)  # fmt: skip


@given(TREES)
def test_any_tree_is_a_config_or_a_list_of_sentences(tree: Any) -> None:
    if not isinstance(tree, dict):
        tree = {"environments": tree}
    for error in errors_in(tree):
        assert error
        assert "\n" not in error


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_file_is_a_config_or_a_list_of_sentences(tmp_path_factory: Any, text: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text)
    with pytest.raises(ConfigError) as raised:
        config.load(path)
    assert all("\n" not in error for error in raised.value.errors)
