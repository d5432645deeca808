"""`anomalyd record`, and `anomalyd replay` of what it recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anomalyd import __version__
from anomalyd.api.client import ServerClient
from anomalyd.commands import whatif
from anomalyd.commands.asking import PATIENCE_SECONDS, token
from anomalyd.config import Config
from anomalyd.model import Verdict
from anomalyd.recorder import recordings
from anomalyd.replay import bundle, compare, tape
from anomalyd.replay.again import play
from anomalyd.replay.frames import DAMAGED
from anomalyd.replay.judge import Judged
from anomalyd.replay.recorded import RecordedRun
from anomalyd.replay.recording import RecordingError
from anomalyd.report import replayed

DOWNLOAD_SECONDS = 300.0


async def fetch(options: Mapping[str, Any], environ: Mapping[str, str]) -> RecordedRun:
    """From a daemon. Raises ServerAway, ServerRefused, RecordingError."""
    client = ServerClient(
        options["server"],
        token(options["token_file"], environ),
        patience_seconds=PATIENCE_SECONDS,
        longest_pause_seconds=PATIENCE_SECONDS / 4,
    )
    async with client:
        data = await client.recording(options["run"], DOWNLOAD_SECONDS)
    return bundle.unpack(data, f"the recording of run {options['run']}")


def find(config: Config, run_id: str) -> RecordedRun:
    """From the state directory. Raises RecordingError."""
    directory = recordings(config.state_dir)
    folder = directory / run_id
    if folder.parent != directory or not (folder / tape.FRAMES).exists():
        raise RecordingError(
            f"{directory}: has no recording of a run {run_id}; `anomalyd runs list` shows the runs "
            "of a daemon, and limits.recording_bytes is what all recordings may take"
        )
    return tape.read(folder)


def save(recorded: RecordedRun, folder: Path) -> dict[str, Any]:
    """Write the bundle. Raises RecordingError where the run has no verdict yet."""
    if recorded.verdict is None:
        raise RecordingError(f"run {recorded.run.id} has no verdict yet; record it when it has")
    bundle.write(recorded, folder)
    return {
        "run": recorded.run.id,
        "path": str(folder),
        "windows": len(recorded.batches),
        "outcome": recorded.verdict.outcome.value,
        "lost": recorded.lost,
    }


def render_saved(data: Mapping[str, Any]) -> str:
    told = f"run {data['run']} ({data['outcome']}): {data['windows']} windows in {data['path']}"
    return f"{told}; {data['lost']} were lost" if data["lost"] else told


def replay(folder: Path, overrides: Sequence[str], config: Path | None) -> dict[str, Any]:
    """The verdict again, and what differs from the recorded one, or from it as it would be under
    other settings. Raises RecordingError, ConfigError."""
    recorded = bundle.read(folder)
    changed = recorded
    if config is not None:
        changed = whatif.with_config(changed, config)
    if overrides:
        changed = whatif.with_settings(changed, overrides)
    again = _played(recorded, folder)
    before = recorded.verdict
    same = before is not None and compare.same(before, again.verdict)
    told: dict[str, Any] = {
        "run": recorded.run.id,
        "version": recorded.version,
        "identical": same,
        "differences": compare.differences(before, again.verdict) if before is not None else [],
        "because": [] if same else _because(recorded),
    }
    if changed is recorded:
        return _document(again) | {"recorded": told}
    other = _played(changed, folder)
    return _document(other) | {
        "recorded": told | _gist(again.verdict),
        "changed": compare.changed_series(again.verdict, other.verdict),
    }


def _played(recorded: RecordedRun, folder: Path) -> Judged:
    try:
        return play(recorded)
    except DAMAGED as error:
        raise RecordingError(f"{folder}: is damaged ({error}); record the run again") from error


def _document(judged: Judged) -> dict[str, Any]:
    windows = len(judged.course.record.times)
    return replayed.document(judged.verdict, capacity=judged.capacity, windows=windows)


def _gist(verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": verdict.outcome.value,
        "exit_code": verdict.exit_code,
        "reasons": list(verdict.reasons),
    }


def _because(recorded: RecordedRun) -> list[str]:
    """What may be the reason that a verdict is not what it was."""
    told = []
    if recorded.verdict is None:
        told.append("no verdict was recorded")
    if recorded.version != __version__:
        told.append(f"it was judged by anomalyd {recorded.version}, this is {__version__}")
    if recorded.lost:
        told.append(f"{recorded.lost} windows could not be written when they were judged")
    return told


def render(found: Mapping[str, Any]) -> str:
    """What a person reads on a terminal."""
    recorded = found["recorded"]
    lines = [replayed.render(dict(found))]
    if "changed" in found:
        lines.append(f"as it was recorded: {recorded['verdict']}")
        lines += [f"  {reason}" for reason in recorded["reasons"]]
        lines += [
            f"{one['series']}: {one['before'] or 'absent'} became {one['after'] or 'absent'}"
            for one in found["changed"]
        ] or ["no series changed its state"]
    if recorded["identical"]:
        lines.append("the recording replays identical to what was judged then")
        return "\n".join(lines)
    lines.append("the recording does not replay to what was judged then:")
    lines += [f"  {one}" for one in (*recorded["differences"], *recorded["because"])]
    return "\n".join(lines)
