"""The page in a real browser, offline: silent, navigable, sortable, and no wider than a phone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

from anomalyd.report import write
from tests.report import samples

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

if CHROMIUM is None and os.environ.get("CI") != "true":
    pytest.skip("chromium is not on the PATH", allow_module_level=True)

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Contrast (WCAG 2.2, 1.4.3) of every visible text on the nearest opaque ground behind it.
CONTRAST = """() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || e.closest('svg, script, style')) continue;
    const [a, b] = [parse(getComputedStyle(e).color), ground(e)].map(light).sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push([walk.currentNode.data.trim().slice(0, 40), ratio.toFixed(2)]);
  }
  return poor;
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    assert CHROMIUM, "CI must have chromium on the PATH"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """Each sample's report, drawn once."""
    folder = tmp_path_factory.mktemp("pages")
    return {name: write(one(), folder / name, ["html"])[0] for name, one in samples.ALL.items()}


class Visit:
    """A page opened without a network; what it asked for and complained of is kept."""

    def __init__(self, page):
        self.page, self.requests, self.complaints = page, [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


async def visit(browser, path, width=1280, theme="light"):
    context = await browser.new_context(
        offline=True, viewport={"width": width, "height": 844}, color_scheme=theme
    )
    opened = Visit(await context.new_page())
    await opened.page.goto(path.as_uri())
    return opened


async def test_every_report_opens_silently_without_a_network(browser, pages):
    for name, path in pages.items():
        opened = await visit(browser, path)
        assert opened.complaints == []
        assert opened.requests == [path.as_uri()]
        assert name.upper() in await opened.page.locator("h1").inner_text()


async def test_the_first_screen_says_what_who_how_sure_and_what_next(browser, pages):
    opened = await visit(browser, pages["fail"])
    said = ("FAIL", "Where it began", "cart-db", "What to do next", "How sure this is", "+131%")
    for text in said:
        box = await opened.page.get_by_text(text).first.bounding_box()
        assert box["y"] + box["height"] < 844, text
    headings = await opened.page.locator("h2").all_inner_texts()
    assert "What is worse" in headings
    assert "How it was judged" in headings


async def test_the_table_of_all_series_sorts_by_the_pressed_column(browser, pages):
    page = (await visit(browser, pages["fail"])).page
    head = page.get_by_role("columnheader", name="effect").last
    column = page.locator("table.sortable tbody tr td:nth-child(6)")
    await head.get_by_role("button").press("Enter")
    assert await head.get_attribute("aria-sort") == "ascending"
    assert (await column.all_inner_texts())[0] == "–"
    await head.get_by_role("button").click()
    assert await head.get_attribute("aria-sort") == "descending"
    assert (await column.all_inner_texts())[0] == "+131%"
    await page.get_by_role("button", name="service").click()
    assert await head.get_attribute("aria-sort") is None
    names = await page.locator("table.sortable tbody tr td:nth-child(2)").all_inner_texts()
    assert names == sorted(names)


async def test_without_a_script_the_table_is_still_there(browser, pages):
    context = await browser.new_context(offline=True, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(pages["fail"].as_uri())
    assert await page.locator("table.sortable tbody tr").count() == 36


@pytest.mark.parametrize("name", samples.ALL)
async def test_a_phone_shows_it_without_scrolling_sideways(browser, tmp_path, name):
    document = samples.ALL[name]()
    document["run"]["labels"]["branch"] = "feature/" + "x" * 90
    document["coverage"]["missing"].append('latency{path="/' + "y" * 200 + '"}')
    (path,) = write(document, tmp_path, ["html"])
    page = (await visit(browser, path, width=390)).page
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    for mark in await page.locator(".marks span").all():
        box = await mark.bounding_box()
        assert box is None or box["height"] < 30, "a time of the timeline is broken up"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", samples.ALL)
async def test_every_text_can_be_read_on_its_ground(browser, pages, name, theme):
    page = (await visit(browser, pages[name], theme=theme)).page
    assert await page.evaluate(CONTRAST) == []


async def test_plots_follow_the_theme(browser, pages):
    strokes = set()
    for theme in ("light", "dark"):
        page = (await visit(browser, pages["fail"], theme=theme)).page
        line = page.locator('figure svg path[style*="--observed"]').first
        strokes.add(await line.evaluate("path => getComputedStyle(path).stroke"))
    assert strokes == {"rgb(29, 95, 191)", "rgb(125, 178, 255)"}


async def test_on_a_phone_a_plot_opens_where_its_fault_begins(browser, pages):
    page = (await visit(browser, pages["fail"], width=390)).page
    plot = page.get_by_role("region", name='Plot of error_ratio{service="payment"}')
    onset = await plot.get_by_text("onset 14:15:05").bounding_box()
    assert 0 < onset["x"] < 390


async def test_a_printed_page_is_not_cut_at_its_side(browser, pages):
    page = (await visit(browser, pages["fail"], width=760, theme="dark")).page
    await page.emulate_media(media="print")
    assert await page.evaluate("document.documentElement.scrollWidth") == 760
    ground = "getComputedStyle(document.body).backgroundColor"
    assert await page.evaluate(ground) == "rgb(255, 255, 255)"


async def test_print_opens_what_was_folded(browser, pages):
    page = (await visit(browser, pages["fail"])).page
    assert await page.locator("details:not([open])").count() > 0
    pdf = await page.pdf()
    assert pdf.startswith(b"%PDF")
    assert await page.locator("details:not([open])").count() == 0
