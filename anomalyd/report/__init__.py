"""Reports of a finished run: one JSON document, and what is rendered from it.

Adding a format is one file and one line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from anomalyd.report.document import Document, ReportError, SeriesPlot, encode
from anomalyd.report.files import replace


@dataclass(frozen=True, slots=True)
class Format:
    """name: as in the setting `reports.formats`; render: a pure function of the document."""

    name: str
    filename: str
    render: Callable[[Document], str]


# The daemon renders in a process of its own: what only a renderer needs is not held all the time.


def _junit(document: Document) -> str:
    from anomalyd.report.junit import junit

    return junit(document)


def _markdown(document: Document) -> str:
    from anomalyd.report.markdown import markdown

    return markdown(document)


def _html(document: Document) -> str:
    from anomalyd.report.html import html

    return html(document)


FORMATS: tuple[Format, ...] = (
    Format("json", "report.json", encode),
    Format("junit", "junit.xml", _junit),
    Format("markdown", "report.md", _markdown),
    Format("html", "report.html", _html),
)


def write(document: Document, directory: Path, formats: Iterable[str]) -> list[Path]:
    """Render and write, each file whole or not at all; the paths in the order of `FORMATS`.

    Raises ReportError where a format is unknown or a file cannot be written.
    """
    wanted = set(formats)
    known = {form.name for form in FORMATS}
    if wanted - known:
        unknown = ", ".join(sorted(wanted - known))
        raise ReportError(
            f"{unknown}: no such report format; choose from {', '.join(sorted(known))}"
        )
    return [
        replace(directory / form.filename, form.render(document))
        for form in FORMATS
        if form.name in wanted
    ]


__all__ = ["FORMATS", "Document", "Format", "ReportError", "SeriesPlot", "write"]
