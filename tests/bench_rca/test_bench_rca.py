"""Labelled incidents are read, ranked and scored; what must be committed before scoring is."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from bench.rca import configuration, load, nezha, peers, table
from bench.rca.__main__ import anomalyd, document, ranked
from bench.rca.archive import unpacked
from bench.rca.cases import DataError
from bench.rca.score import Answered, Share, top
from tests.bench_rca import worlds

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    worlds.petshop(folder)
    root = worlds.nezha(folder)
    with tarfile.open(root.parent / "shop.tar.xz", "w:xz") as packed:
        packed.add(root, arcname=root.name)
    return folder


def test_both_layouts_are_read_and_what_began_it_is_named(data, tmp_path):
    found = {(c.set, c.name): (c.answer, anomalyd(c)[0]) for c in load.cases(data, tmp_path)}
    assert {answer for answer, _ in found.values()} == {"cart", "db"}
    assert len(found) == 4, "the archive holds what is there unpacked, and counts once"
    assert all(ranking[0] == answer for answer, ranking in found.values())


def test_an_archive_alone_gives_the_same_cases(data, tmp_path):
    alone = tmp_path / "only"
    (alone / "nezha").mkdir(parents=True)
    archive = data / "nezha" / "shop.tar.xz"
    (alone / "nezha" / archive.name).write_bytes(archive.read_bytes())
    plain = [(c.name, anomalyd(c)) for c in load.cases(data, tmp_path) if c.set.startswith("nezha")]
    assert [(c.name, anomalyd(c)) for c in load.cases(alone, tmp_path / "cache")] == plain


def test_what_peers_say_is_a_ranking_of_services(data, tmp_path):
    (case, *_) = load.cases(data, tmp_path)
    assert set(peers.largest_z(case)) == {"web", "cart", "db"}
    assert peers.deepest_anomalous(case) == ["cart", "web"]


def test_a_run_says_how_often_it_was_right_with_which_settings(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = document(ranked(data), 1, same=True)
    (first, *_) = (f for f in made["figures"] if f["ranking"] == "anomalyd")
    assert (first["set"], first["top1"]["hits"], first["top1"]["n"]) == (
        "petshop little_traffic",
        2,
        2,
    )
    held = [f["top1"]["n"] for f in made["figures"] if f["part"] == "held out"]
    assert set(held) == {1}
    told = "\n".join(table.lines(made))
    assert "top-1 1.00" in told
    assert f"configuration {made['configuration'][:16]}, as committed" in told
    assert any(
        row.startswith("| petshop little_traffic | **anomalyd** | 2 |") for row in table.rows(made)
    )


def test_processes_that_want_an_archive_at_once_all_get_it(data, tmp_path):
    ask = (
        "import sys; from pathlib import Path; from bench.rca.archive import unpacked;"
        "print(unpacked(*map(Path, sys.argv[1:])))"
    )
    command = [sys.executable, "-c", ask, str(data / "nezha" / "shop.tar.xz"), str(tmp_path / "c")]
    three = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(3)]
    said = {process.communicate(timeout=60)[0] for process in three}
    assert [process.returncode for process in three] == [0, 0, 0]
    (folder,) = said
    assert [str(one) for one in (tmp_path / "c").iterdir()] == [folder.decode().strip()]


@pytest.mark.parametrize(
    ("member", "size", "why"),
    [
        ("../out", 1, "leads outside"),
        ("/etc/out", 1, "leads outside"),
        ("link", None, "neither a file nor a folder"),
        ("big", 2000, "more than"),
    ],
)
def test_an_archive_that_would_do_harm_is_refused_and_nothing_kept(tmp_path, member, size, why):
    archive, cache = tmp_path / "a.tar.xz", tmp_path / "cache"
    with tarfile.open(archive, "w:xz") as packed:
        info = tarfile.TarInfo(member)
        if size is None:
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        info.size = size or 0
        packed.addfile(info, io.BytesIO(b"x" * (size or 0)))
    with pytest.raises(DataError, match=why):
        unpacked(archive, cache, most_bytes=1000)
    assert list(cache.iterdir()) == []


def test_what_is_no_archive_is_said_to_be_none(tmp_path):
    (tmp_path / "a.tar.xz").write_bytes(b"no")
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpacked(tmp_path / "a.tar.xz", tmp_path / "cache")


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_without_data_is_a_usage_error(tmp_path, there):
    folder = tmp_path if there else tmp_path / "none"
    done = subprocess.run(
        [sys.executable, "-m", "bench.rca"],
        env={**os.environ, "DATA": str(folder), "QUICK": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert str(folder) in done.stderr
    assert "Traceback" not in done.stderr


def test_wilsons_interval_is_that_of_the_textbook():
    assert Share(8, 10).interval == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert Share(0, 10).interval == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_the_place_counts_from_one_and_what_is_not_named_is_missed():
    answers = [
        Answered("s", "n", "k", answer, ("a", "b", "c", "d"), False)
        for answer in ("a", "c", "d", "x")
    ]
    assert [one.place for one in answers] == [1, 3, 4, 0]
    assert (top(answers, 1).hits, top(answers, 3).hits) == (1, 2)


def test_the_settings_that_rank_are_those_committed():
    """`python -m bench.rca.configuration` writes them: commit, then score again and say so in
    docs/accuracy.md."""
    assert json.loads(configuration.COMMITTED.read_text("utf-8")) == configuration.current()


def test_the_accuracy_page_is_of_these_settings():
    page = (ROOT / "docs" / "accuracy.md").read_text("utf-8")
    assert configuration.committed()["hash"][:16] in page


@pytest.mark.parametrize(
    ("pod", "service"),
    [
        ("cart-579f59597d-wc2lz", "cart"),
        ("ts-order-service-6cfdd55578-gfj6q", "ts-order-service"),
        ("ts-order-mysql-0", "ts-order-mysql"),
        ("cart", "cart"),
        ("front-end", "front-end"),
    ],
)
def test_a_pod_is_its_services(pod, service):
    assert nezha.service_of(pod) == service


def test_ids_of_any_form_are_told_apart():
    ids = [nezha._id(text) for text in ("0a", "A", "a.57.1661", "a.57.1662")]
    assert ids[0] == ids[1] == 10
    assert len(set(ids)) == 3
