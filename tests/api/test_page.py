"""The pages for people: they show what is there, escape it, and ask nothing of anyone."""

from __future__ import annotations

import re
from dataclasses import replace

from anomalyd.model import Enrichment, Estimate, Exemplar, Reshaped, ShapeChange, Suspect


async def page(api, path: str, status: int = 200) -> str:
    async with api.http.get(api.url + path) as response:
        assert response.status == status
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        return await response.text()


async def test_an_empty_server_says_how_to_begin(api):
    text = await page(api, "/")
    assert "anomalyd watch" in text


async def test_runs_are_listed_with_verdict_and_report(api):
    daemon = api.daemon
    run = daemon.start_run("nightly <b>", "", {})
    daemon.stop_run(run.id)
    daemon.tick(30.0)
    running = daemon.start_run("later", "", {})
    daemon.reasons_not_ready = ["no baseline"]
    daemon.reasons_degraded = ["the disk is full"]
    text = await page(api, "/")
    assert "nightly &lt;b&gt;" in text
    assert f'href="/api/v1/runs/{run.id}/report.html"' in text
    assert f'href="/api/v1/runs/{running.id}/report.html"' not in text
    assert '<strong class="fail">fail</strong>' in text
    assert "Not ready: no baseline" in text
    assert "Degraded: the disk is full" in text


async def test_a_run_has_its_page(api):
    daemon = api.daemon
    run = daemon.start_run("nightly", "", {"team": "<i>"})
    daemon.open_incident(run.id)
    daemon.add_note(run.id, "cold <cache>")
    text = await page(api, f"/runs/{run.id}")
    assert "Likely verdict" in text
    assert "not yet known" in text
    assert "cold &lt;cache&gt;" in text
    assert "{team=&#34;&lt;i&gt;&#34;}" in text
    assert "cart is slow" in text
    assert "Reports" not in text
    daemon.stop_run(run.id)
    daemon.tick(30.0)
    text = await page(api, f"/runs/{run.id}")
    assert "Likely verdict" not in text
    assert "8 of 10 series" in text
    assert re.findall(r"report\.\w+", text) == [
        "report.json",
        "report.xml",
        "report.md",
        "report.html",
    ]


async def test_every_link_of_the_pages_leads_somewhere(api):
    daemon = api.daemon
    run = daemon.start_run("nightly", "", {})
    daemon.stop_run(run.id)
    daemon.tick(30.0)
    links = set()
    for path in ("/", f"/runs/{run.id}"):
        text = await page(api, path)
        assert "<script" not in text
        links |= set(re.findall(r'(?:href|src)="([^"]+)"', text))
    assert len(links) == 7
    for link in links:
        async with api.http.get(api.url + link) as response:
            assert response.status == 200, link


async def test_a_page_of_no_run_is_not_found(api):
    status, body = await api.call("GET", "/runs/r9")
    assert (status, body["error"]["code"]) == (404, "unknown_run")


async def test_a_run_s_page_shows_suspects_traces_and_shape(api):
    daemon = api.daemon
    run = daemon.start_run("nightly", "", {})
    incident = replace(
        daemon.open_incident(run.id), suspects=(Suspect("cart", 0.9, "own time +140% <b>"),)
    )
    daemon.store.save_incident(incident)
    bad = Exemplar("4bf9", "cart", "GET /<id>", 1.0, 0.812, "slow", "https://t/4bf9")
    worse = replace(bad, trace_id="5c01", why="", link="javascript:alert(1)")
    daemon.store.save_enrichment(Enrichment(run.id, incident.id, 2.0, (bad, worse)))
    text = " ".join((await page(api, f"/runs/{run.id}")).split())
    assert "<strong>cart</strong> 90%: own time +140% &lt;b&gt;" in text
    assert 'slow trace <a href="https://t/4bf9">4bf9</a>, 812 ms: cart GET /&lt;id&gt;' in text
    assert "ordinary trace 5c01, 812 ms" in text
    assert "javascript" not in text
    assert "Shape of the traces" not in text
    seen, usual = Estimate(3.0, 2.9, 3.1, 120.0), Estimate(1.0, 1.0, 1.0, 900.0)
    change = ShapeChange(Reshaped.MORE_CALLS, "web", "GET /<b>", "cart", "db", seen, usual)
    daemon.stop_run(run.id)
    daemon.tick(30.0)
    verdict = replace(daemon.store.verdict(run.id), shape=(change,))
    daemon.store.save_verdict(daemon.store.run(run.id), verdict, daemon.clock, daemon.reports)
    text = await page(api, f"/runs/{run.id}")
    assert "GET /&lt;b&gt;: cart → db is called more often: 3 (2.9 to 3.1, of 120)" in text
