"""Files are whole or not there; rendering runs apart, with a limit, and its failure is one line."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anomalyd.report import FORMATS, ReportError, write
from anomalyd.report import __main__ as command
from anomalyd.report.document import encode, read
from anomalyd.report.process import render
from tests.report import samples

NAMES = [form.name for form in FORMATS]


def test_all_formats_are_written_in_order(tmp_path):
    paths = write(samples.failing(), tmp_path / "new" / "run", reversed(NAMES))
    assert [path.name for path in paths] == ["report.json", "junit.xml", "report.md", "report.html"]
    assert all(path.stat().st_size > 500 for path in paths)
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in paths)
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(p.name for p in paths)


def test_a_stored_report_renders_to_the_same_files(tmp_path):
    first = write(samples.failing(), tmp_path / "a", NAMES)
    again = write(read(first[0]), tmp_path / "b", NAMES)
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]


def test_an_unknown_format_is_refused_by_name(tmp_path):
    with pytest.raises(ReportError, match="pdf: no such report format; choose from html"):
        write(samples.passing(), tmp_path, ["json", "pdf"])
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence_and_leaves_the_old_report(tmp_path, monkeypatch):
    (path,) = write(samples.passing(), tmp_path, ["markdown"])
    before = path.read_bytes()

    def full(_handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ReportError, match="cannot be written: No space left on device") as caught:
        write(samples.failing(), tmp_path, ["markdown"])
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_disk_that_is_really_full_is_reported_alike():
    code = (
        "import os, tempfile, pathlib\n"
        "tempfile.mkstemp = lambda **_: (os.open('/dev/full', os.O_WRONLY), '/nonexistent/x')\n"
        "from anomalyd.report.files import replace\n"
        "from anomalyd.report.document import ReportError\n"
        "try: replace(pathlib.Path('report.json'), 'x')\n"
        "except ReportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "report.json: the report cannot be written: No space left on device\n"


def test_a_directory_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="cannot be written"):
        write(samples.passing(), tmp_path / "file" / "run", ["json"])


def test_the_daemon_never_loads_matplotlib():
    code = (
        "import sys, tempfile, pathlib\n"
        "from anomalyd.report import write\n"
        "import anomalyd.report.process, anomalyd.report.terminal\n"
        "from tests.report import samples\n"
        "where = pathlib.Path(tempfile.mkdtemp())\n"
        "write(samples.failing(), where, ['json', 'junit', 'markdown'])\n"
        "sys.exit('matplotlib' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_command_renders_beside_the_document(tmp_path, capsys):
    write(samples.passing(), tmp_path, ["json"])
    assert command.main([str(tmp_path / "report.json"), "--formats", "markdown, junit"]) == 0
    assert capsys.readouterr().out.split() == [
        str(tmp_path / "junit.xml"),
        str(tmp_path / "report.md"),
    ]


def test_the_command_renders_to_another_directory(tmp_path, capsys):
    write(samples.passing(), tmp_path, ["json"])
    target = tmp_path / "out"
    assert command.main([str(tmp_path / "report.json"), "--output", str(target)]) == 0
    assert {p.name for p in target.iterdir()} == {"junit.xml", "report.md", "report.html"}
    assert str(target) in capsys.readouterr().out


def test_the_command_says_in_one_sentence_what_is_wrong(tmp_path, capsys):
    path = tmp_path / "report.json"
    assert command.main([str(path)]) == 1
    assert capsys.readouterr().err == f"{path}: cannot be read: No such file or directory\n"


async def test_the_daemon_renders_in_a_process(tmp_path):
    paths = await render(samples.failing(), tmp_path, ["html", "junit"], cache_dir=tmp_path / "mpl")
    assert [p.name for p in paths] == ["report.json", "junit.xml", "report.html"]
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!doctype html>")


async def test_the_json_is_there_even_where_rendering_takes_too_long(tmp_path, caplog):
    began = time.monotonic()
    paths = await render(samples.failing(), tmp_path, ["html"], timeout=0.01)
    assert time.monotonic() - began < 5
    assert [p.name for p in paths] == ["report.json"]
    assert (tmp_path / "report.json").read_text("utf-8") == encode(samples.failing())
    (record,) = caplog.records
    assert "rendering took longer than 0.01 s" in record.message


async def test_a_rendering_that_fails_is_one_logged_sentence(tmp_path, caplog):
    (tmp_path / "junit.xml").mkdir()
    paths = await render(samples.failing(), tmp_path, ["junit"])
    assert paths[0].name == "report.json"
    (record,) = caplog.records
    assert "junit.xml: the report cannot be written: Is a directory" in record.message
    assert "\n" not in record.message


async def test_a_directory_that_cannot_be_written_is_one_logged_sentence(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert await render(samples.passing(), tmp_path / "file", ["html"]) == []
    assert len(caplog.records) == 1
