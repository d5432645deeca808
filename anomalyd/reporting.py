"""From a finished run to its report: the document, with what is drawn of the deciding series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anomalyd import __version__
from anomalyd.assembly import digest
from anomalyd.config import Config
from anomalyd.explain import wording
from anomalyd.model import Finding, Run, Verdict
from anomalyd.pipeline import Pipeline
from anomalyd.report.document import Document, SeriesPlot, document

PLOTS = 24
"""Series drawn at most: those that decided, then those that came nearest to it."""


def build(
    run: Run,
    verdict: Verdict,
    pipeline: Pipeline,
    config: Config,
    parity: Document | None = None,
) -> Document:
    """The report's document of a run whose record the pipeline still holds. parity: what differs
    between the environments, None where they were not compared."""
    return _document(run, verdict, plots(run, verdict, pipeline), config, pipeline) | {
        "parity": parity
    }


def rebuild(run: Run, verdict: Verdict, config: Config) -> Document:
    """The same without plots, of a run whose record is gone."""
    return _document(run, verdict, [], config, None)


def _document(
    run: Run,
    verdict: Verdict,
    traces: Sequence[SeriesPlot],
    config: Config,
    pipeline: Pipeline | None,
) -> Document:
    return document(
        run,
        verdict,
        traces,
        config_digest=digest(config),
        version=__version__,
        edges=pipeline.graph.callees if pipeline is not None else config.graph,
        warmup_seconds=config.judgement.warmup,
        window_seconds=pipeline.settings.window if pipeline is not None else None,
        times_longer={
            f.series: wording.times_longer(f.mde, f.detect, f.absolute)
            for f in verdict.findings
            if f.state == "weak" and not f.note
        },
    )


def noted(document: Document, notes: Sequence[str]) -> Document:
    """The same document with these notes of the run."""
    return document | {"run": document["run"] | {"notes": list(notes)}}


def plots(run: Run, verdict: Verdict, pipeline: Pipeline) -> list[SeriesPlot]:
    """Observed values and production's band at the run's own load, every window of the run."""
    record = pipeline.courses[run.id].record
    chosen = [f for f in sorted(verdict.findings, key=_telling) if f.windows][:PLOTS]
    rows = np.array([pipeline.table.row_of(f.series) for f in chosen], dtype=np.intp)
    if not len(rows) or not record.times:
        return []
    observed = record.matrix(rows)
    at = zip(record.loads, record.times, strict=True)
    bands = [pipeline.reference.band(load, rows, time) for load, time in at]
    return [
        SeriesPlot(
            finding.series,
            finding.unit,
            finding.kind,
            record.times,
            observed[:, i].tolist(),
            [float(band.expected[i]) for band in bands],
            [float(band.low[i]) for band in bands],
            [float(band.high[i]) for band in bands],
        )
        for i, finding in enumerate(chosen)
    ]


def _telling(finding: Finding) -> tuple[bool, bool, float, str]:
    evidence = finding.evidence if finding.evidence == finding.evidence else -np.inf
    return (finding.state != "fired", finding.state != "weak", -evidence, finding.series)


def directory(state_dir: Path, run_id: str) -> Path:
    return state_dir / "reports" / run_id
