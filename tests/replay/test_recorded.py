"""Recorded runs: from CSVs, through bundles and tapes, and what is not one."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from anomalyd import codec
from anomalyd.baseline.transfer import Transfer
from anomalyd.facts import Fact
from anomalyd.model import Environment, Outcome
from anomalyd.replay import bundle, compare, judge, references, tape
from anomalyd.replay.again import play
from anomalyd.replay.frames import Frame, told
from anomalyd.replay.given import given, of_csv
from anomalyd.replay.infer import columns
from anomalyd.replay.production import fit_production
from anomalyd.replay.recorded import RecordedRun
from anomalyd.replay.recording import RecordingError, write_csv
from tests.replay.system import CALLS, production, run, slower

EDGES = {caller: [callee] for caller, callee in CALLS}
EXAMPLES = 30
"""Of each property: a read takes some milliseconds."""


@pytest.fixture(scope="module")
def reference() -> judge.Reference:
    history = production(hours=2)
    found = columns(history.headers, EDGES)
    return judge.learn(found, fit_production(history, found, 15.0), 15.0, [], EDGES)


@pytest.fixture(scope="module")
def recorded(reference: judge.Reference) -> RecordedRun:
    """A run with a slow service and its verdict."""
    made = of_csv(slower(run(5, minutes=10), "pricing", 4.0, after=400), reference, EDGES)
    return replace(made, verdict=play(made).verdict)


@pytest.fixture
def folder(recorded: RecordedRun, tmp_path: Path) -> Path:
    bundle.write(recorded, tmp_path / "run")
    return tmp_path / "run"


def same(read: RecordedRun, recorded: RecordedRun) -> bool:
    """Its verdict, and the one that it plays to."""
    assert read.verdict is not None
    assert recorded.verdict is not None
    return compare.same(read.verdict, recorded.verdict) and compare.same(
        play(read).verdict, recorded.verdict
    )


def test_a_csv_is_given_as_it_is_judged(reference, recorded, tmp_path):
    recording = slower(run(5, minutes=10), "pricing", 4.0, after=400)
    write_csv(recording, tmp_path / "run.csv")
    assert recorded.verdict.outcome is Outcome.FAIL
    judged = judge.judge(reference, recording, EDGES)
    assert compare.same(judged.verdict, recorded.verdict)
    read = given(tmp_path / "run.csv", reference, EDGES)
    assert compare.same(play(read).verdict, recorded.verdict)


def test_a_bundle_is_the_run_that_was_written(recorded, folder):
    assert {path.name for path in folder.iterdir()} == {
        "run.json", "windows.npz", "baseline.npz", "transfer.npz",
    }  # fmt: skip
    read = given(folder)
    assert same(read, recorded)
    assert read.run == recorded.run
    assert [b.time for b in read.batches] == [b.time for b in recorded.batches]


def test_an_archive_is_the_run_that_was_packed(recorded):
    assert same(bundle.unpack(bundle.pack(recorded), "it"), recorded)


def test_other_batches_are_judged_anew(recorded, reference):
    good = of_csv(run(5, minutes=10), reference, EDGES)
    mended = recorded.with_batches(good.batches)
    assert mended.verdict is None
    assert play(mended).verdict.outcome is not Outcome.FAIL
    with pytest.raises(ValueError, match="as many batches are needed"):
        recorded.with_batches(good.batches[1:])


def test_what_accepted_runs_taught_is_kept(recorded, tmp_path):
    (by,) = recorded.references
    p = len(by.baseline.profiles.keys)
    learned = Transfer(
        3, 0.5, 80.0, *(np.arange(p) / k for k in range(1, len(fields(Transfer)) - 2))
    )
    references.write(replace(by, transfer=learned, smear=2), tmp_path, 1)
    meta = references.frame(replace(by, transfer=learned, smear=2)).meta
    read = references.read(meta, tmp_path, 1)
    assert (read.transfer.runs, read.transfer.centre, read.smear) == (3, 0.5, 2)
    np.testing.assert_array_equal(read.transfer.burst, learned.burst)


def test_a_folder_that_is_there_is_left_alone(recorded, folder):
    with pytest.raises(RecordingError, match="is there already"):
        bundle.write(recorded, folder)


def edited(path: Path, change) -> None:
    about = json.loads(path.read_text())
    change(about)
    path.write_text(json.dumps(about))


def frame_of(about: dict, kind: str) -> dict:
    return next(frame for frame in about["frames"] if frame["kind"] == kind)


DAMAGE = {
    "another format": (lambda a: a.update(format=99), "has format 99"),
    "no frames": (lambda a: a.pop("frames"), "'frames' is not there"),
    "a frame of no kind": (lambda a: a["frames"].append({"kind": "x"}), "'x' is no frame"),
    "a frame that is a number": (lambda a: a["frames"].append(1), "is damaged"),
    "a window out of order": (
        lambda a: frame_of(a, "window").update(time=9e12), "is out of order",
    ),
    "a reference that is not there": (
        lambda a: frame_of(a, "session").update(reference=7), "there is no reference 7",
    ),
    "another baseline": (
        lambda a: frame_of(a, "reference").update(baseline="0"), "is not the baseline",
    ),
    "fewer series than rows": (
        lambda a: frame_of(a, "session").update(keys=[]), "series that nothing names",
    ),
    "a run without an id": (lambda a: frame_of(a, "session")["run"].pop("id"), "id: is required"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "sentence"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_is_refused_in_one_sentence(folder, change, sentence):
    edited(folder / bundle.ABOUT, change)
    with pytest.raises(RecordingError) as refused:
        bundle.read(folder)
    assert sentence in str(refused.value)
    assert str(refused.value).startswith(str(folder))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["run.json", "windows.npz", "baseline.npz"])
def test_a_file_that_is_missing_or_cut_is_named(folder, name):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordingError, match="run: "):
        bundle.read(folder)
    (folder / name).unlink()
    with pytest.raises(RecordingError, match=name):
        bundle.read(folder)


def test_no_pickle_is_read(folder):
    np.savez(folder / "windows.npz", lengths=np.array([{}], dtype=object))
    with pytest.raises(RecordingError, match="is damaged"):
        bundle.read(folder)


def test_what_unpacks_to_too_much_is_refused(folder, monkeypatch):
    monkeypatch.setattr(bundle, "MOST_ABOUT", 10)
    with pytest.raises(RecordingError, match="larger than 10 bytes"):
        bundle.read(folder)


def test_an_archive_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../escaped", "x")
    with pytest.raises(RecordingError, match=r"it holds \.\./escaped"):
        bundle.unpack((tmp_path / "a.zip").read_bytes(), "it")


@settings(max_examples=EXAMPLES)
@drawn(st.binary(max_size=400))
def test_any_bytes_are_an_archive_or_refused(data):
    with pytest.raises(RecordingError, match=r"^it: "):
        bundle.unpack(data, "it")


def write_tape(recorded: RecordedRun, folder: Path) -> list[Frame]:
    tape.begin(folder)
    frames = [*map(references.frame, recorded.references), *told(recorded)]
    for place, one in enumerate(recorded.references):
        references.write(one, folder, place)
    for frame in frames:
        tape.append(folder, frame)
    return frames


def test_a_tape_is_the_run_that_was_appended(recorded, tmp_path):
    write_tape(recorded, tmp_path)
    assert same(tape.read(tmp_path), recorded)


def test_a_torn_tape_is_read_as_far_as_it_goes_and_gone_on_with(recorded, tmp_path):
    frames = write_tape(recorded, tmp_path)
    path = tmp_path / tape.FRAMES
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    torn = tape.read(tmp_path)
    assert torn.verdict is None
    assert len(torn.batches) == len(recorded.batches)
    assert len(tape.mend(tmp_path)) == len(frames) - 1
    tape.append(tmp_path, frames[-1])
    assert path.read_bytes() == whole


@pytest.fixture(scope="module")
def short_tape(recorded: RecordedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without windows, whose bytes would be most of what is changed."""
    folder = tmp_path_factory.mktemp("tape")
    (stretch,) = recorded.stretches
    short = replace(recorded, stretches=(replace(stretch, windows=stretch.windows[:1]),))
    write_tape(short, folder)
    shutil.copy(folder / tape.FRAMES, folder / "whole")
    return folder


@settings(max_examples=EXAMPLES)
@drawn(at=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_tape_with_any_byte_changed_is_told_as_far_as_it_is_whole(short_tape, at, byte):
    data = bytearray((short_tape / "whole").read_bytes())
    at %= len(data)
    changed = data[at] != byte
    data[at] = byte
    (short_tape / tape.FRAMES).write_bytes(data)
    try:
        read = tape.read(short_tape)
    except RecordingError:
        assert changed
    else:
        assert (read.verdict is None) == changed


def test_differences_are_told_by_what_they_change(recorded, reference):
    other = of_csv(run(5, minutes=10), reference, EDGES)
    verdict = play(other).verdict
    assert compare.differences(recorded.verdict, recorded.verdict) == []
    told_of = compare.differences(recorded.verdict, replace(verdict, run_id="other"))
    assert told_of[0] == f"fail became {verdict.outcome.value}"
    assert any('{service="pricing"}: fired became' in one for one in told_of)
    nearly = codec.from_dict(type(verdict), codec.to_dict(verdict) | {"budget": 0.02})
    assert compare.differences(verdict, nearly) == [
        "the outcome is the same, evidence differs by up to 0"
    ]


FACTS = (
    Fact("cpu-limit", "pricing/app", Environment.PRODUCTION, "2 cores", "a query", "pricing", 2.0),
    Fact("version", "pricing", Environment.STAGING, "v2", "a query", "pricing"),
)


def test_facts_are_part_of_a_recording_from_when_they_were_known(recorded, tmp_path):
    first, *rest = recorded.stretches[0].windows
    later = tuple(replace(w, conditions=replace(w.conditions, facts=FACTS)) for w in rest)
    stretch = replace(recorded.stretches[0], windows=(first, *later))
    knowing = replace(recorded, stretches=(stretch,), ended=replace(recorded.ended, facts=FACTS))
    bundle.write(knowing, tmp_path / "knowing")
    read = bundle.read(tmp_path / "knowing")
    assert codec.dumps(read.ended.facts[0]) == codec.dumps(FACTS[0])
    assert read.ended.facts[1].value == "v2"
    assert read.stretches[0].windows[0].conditions.facts == ()
    assert len(read.stretches[0].windows[-1].conditions.facts) == 2
    frames = [frame.meta for frame in told(knowing)]
    assert sum("facts" in meta for meta in frames) == 1
