"""How much longer a run must be is said where length is what it lacks, and nowhere else."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from anomalyd.explain import wording
from anomalyd.report import advice, length, views
from anomalyd.report.html import html
from anomalyd.report.markdown import markdown
from anomalyd.report.terminal import terminal
from tests.report import samples

NAN = dict.fromkeys(("observed", "expected", "effect", "evidence", "mde"), math.nan)


def short(seconds, windows=0, warmup=30.0, window=30.0):
    """An inconclusive run of so many seconds of which so many windows were judged."""
    active = samples.START + warmup if seconds >= warmup else None
    run = replace(samples.run(), stopped_at=samples.START + seconds, active_at=active)
    document = samples.inconclusive()
    state = "weak" if windows else "missing"
    found = samples.finding("cart", state=state, windows=windows, **NAN)
    document["findings"] = samples.build_findings(found)
    document["coverage"]["missing"] = [] if windows else ['latency_p95{service="cart"}']
    lengths = {"warmup_seconds": warmup, "window_seconds": window}
    return document | {"run": samples.build_run(run) | lengths}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seconds": 20}, "by at least 5 minutes: this run took 20s, so about 5 minutes more."),
        ({"seconds": 107.3, "windows": 2}, "this run took 1m47s, so about 4 minutes more."),
        ({"seconds": 290, "windows": 7}, "this run took 4m50s, so about 10 seconds more."),
        ({"seconds": 20, "window": 1.0}, "by at least 10 seconds: this run took 20s"),
    ],
)
def test_a_run_that_was_too_short_is_told_how_much_longer_to_run(given, said):
    document = short(**given)
    steps = advice.next_steps(document)
    assert steps[0] == "Do not read this as a pass."
    assert steps[1].startswith("Run longer than the warm-up (30s)")
    assert said in steps[1]
    assert len(steps) == 2
    assert "too short" in advice.headline(document)
    for rendered in (terminal(document, color=False), markdown(document)):
        assert "did not report" not in rendered


def test_the_warm_up_and_the_windows_asked_for_make_a_run_long_enough():
    least = 30.0 + (length.FEWEST_WINDOWS + 1) * 30.0
    assert length.too_short(short(least - 1))
    assert not length.too_short(short(least))


def test_a_long_run_of_which_nothing_was_judged_lacks_load_not_length():
    steps = advice.next_steps(short(3600.0))
    assert steps[1:] == ["Give the run a steady load: none of its windows could be judged."]


def test_nothing_is_missing_from_a_run_of_which_nothing_was_judged():
    assert views.not_seen(short(20)) == "anything, as no window of the run was judged"
    assert "missing in staging" in views.not_seen(samples.inconclusive())


def test_a_report_of_an_older_version_is_still_rendered():
    document = short(20)
    for name in ("warmup_seconds", "window_seconds"):
        del document["run"][name]
    for finding in document["findings"]:
        del finding["times_longer"]
    said = terminal(document, color=False)
    assert "Run longer than the warm-up: the run ended within it." in said


def weak(*found):
    document = samples.inconclusive()
    built = samples.build_findings(*found)
    document["coverage"]["missing"] = []
    return document | {"findings": built}


def test_a_weak_run_is_told_how_long_to_run_instead():
    document = weak(samples.finding("cart", state="weak", mde=0.9), samples.finding("email"))
    assert advice.next_steps(document)[1:] == [
        "Run for about 71 minutes instead of 18m30s, so that 1 series that showed too little can "
        "show what was asked for."
    ]


def test_what_no_length_promises_is_told_what_helps_instead():
    document = weak(samples.finding("cart", state="weak", mde=9.0))
    (step,) = advice.next_steps(document)[1:]
    assert "even a much longer run may show too little" in step
    assert "signals.override.latency_p95.detect" in step


def test_what_is_off_over_the_whole_run_is_not_told_to_run_longer():
    found = samples.finding("cart", state="weak", mde=0.2, factor=1.7, note="+70% against")
    (step,) = advice.next_steps(weak(found))[1:]
    assert "a longer run does not help" in step
    assert "Run for" not in step


def test_the_verdict_and_the_report_ask_for_the_same_windows():
    assert length.FEWEST_WINDOWS == wording.FEWEST_WINDOWS


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "5 seconds"),
        (47.3, "50 seconds"),
        (60.0, "60 seconds"),
        (61.0, "2 minutes"),
        (107.3, "2 minutes"),
        (3600.0, "60 minutes"),
        (7200.0, "2 hours"),
        (7201.0, "2 hours 10 minutes"),
    ],
)
def test_a_duration_to_plan_by_is_round(seconds, said):
    assert views.about(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(1.25, "1.25s"), (47.3, "47s"), (107.3, "1m47s"), (3599.6, "1h")]
)
def test_a_duration_that_was_is_said_to_the_second(seconds, said):
    assert views.exactly(seconds) == said


def test_a_series_that_was_hardly_seen_is_asked_after_rather_than_run_longer():
    found = samples.finding("cart", state="weak", mde=0.9, windows=4)
    (step,) = advice.next_steps(weak(found, samples.finding("email")))[1:]
    assert step == (
        'Find out why staging showed latency_p95{service="cart"} so seldom: in 4 of the 19 windows '
        "that were judged."
    )


def test_the_first_card_of_a_weak_run_says_what_could_not_be_shown():
    page = html(weak(samples.finding("cart", state="weak", mde=0.9), samples.finding("email")))
    assert '<h2 id="began">What could not be shown</h2>' in page
    assert "could have shown +90%, +50% was asked for" in page


def test_the_first_card_of_a_run_of_which_nothing_was_judged_blames_no_series():
    page = html(short(20))
    assert '<h2 id="began">What was not seen</h2>' in page
    assert "No window of the run was judged." in page
    assert "series missing in staging" not in page


def test_what_to_do_next_is_not_folded_away_in_a_comment():
    for sample in samples.ALL.values():
        text = markdown(sample())
        assert text.index("**What to do next**") < text.index("<details>")
