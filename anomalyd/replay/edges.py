"""A service graph from a CSV file with the columns caller and callee."""

from __future__ import annotations

import csv
from pathlib import Path

from anomalyd.replay.recording import RecordingError


def read_edges(path: Path) -> dict[str, list[str]]:
    """Callees by caller, in order of appearance. Raises RecordingError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            if not {"caller", "callee"} <= set(rows.fieldnames or ()):
                raise RecordingError(f"{path}: its first line must name the columns caller,callee")
            found: dict[str, list[str]] = {}
            for row in rows:
                caller, callee = (row["caller"] or "").strip(), (row["callee"] or "").strip()
                if not caller or not callee:
                    raise RecordingError(f"{path}: line {rows.line_num} lacks a caller or callee")
                callees = found.setdefault(caller, [])
                if callee not in callees:
                    callees.append(callee)
            return found
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"{path}: is not CSV: {error}") from error
