"""What a user can cause: printed as one sentence each, with no traceback."""

from __future__ import annotations

from collections.abc import Iterator

from anomalyd.api.client import ServerAway, ServerRefused
from anomalyd.api.server import ApiError
from anomalyd.baseline.file import BaselineError
from anomalyd.config import ConfigError
from anomalyd.demo.process import DemoError
from anomalyd.mirror import MirrorError
from anomalyd.parity.files import FilesError
from anomalyd.parity.given import GivenError
from anomalyd.query import QueryError
from anomalyd.refresh import FitError
from anomalyd.replay.recording import RecordingError
from anomalyd.report.document import ReportError
from anomalyd.runs.acceptance import BadAcceptance, NotAcceptable
from anomalyd.runs.errors import StoreError
from anomalyd.runs.life import RunConflict, SelectorRefused, UnknownRun
from anomalyd.runs.outcomes import NotRecordable
from anomalyd.sinks.base import SinkError
from anomalyd.sources.base import SourceError


class WatchError(Exception):
    """One sentence: why a command cannot be watched, and how to mend it."""


USER_ERRORS = (
    ApiError,
    BadAcceptance,
    BaselineError,
    ConfigError,
    DemoError,
    FilesError,
    FitError,
    GivenError,
    MirrorError,
    NotAcceptable,
    NotRecordable,
    QueryError,
    RecordingError,
    ReportError,
    RunConflict,
    SelectorRefused,
    ServerAway,
    ServerRefused,
    SinkError,
    SourceError,
    StoreError,
    UnknownRun,
    WatchError,
)


def sentences(group: BaseExceptionGroup[BaseException]) -> Iterator[str]:
    """Each leaf's sentence once."""
    said = set()
    for error in group.exceptions:
        for line in sentences(error) if isinstance(error, BaseExceptionGroup) else [str(error)]:
            if line not in said:
                said.add(line)
                yield line
