"""The report in a real browser: it needs no network, and it fits a desk and a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from mlci import report
from tests.unit.report.report_runs import RUNS

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "the tests need chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
@pytest.mark.parametrize("name", sorted(RUNS))
def test_the_page_is_whole_quiet_and_as_wide_as_the_window(
    browser: Browser, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    file = tmp_path / "report.html"
    file.write_text(report.html(RUNS[name]()))
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    widths = page.locator("svg:visible").evaluate_all("all => all.map(s => s.getBoundingClientRect().width)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").count() == 1
    assert all(drawn > 0 for drawn in widths)
    assert said == []
    assert asked == [file.as_uri()]
    page.close()


CONTRAST = """
() => {
  const channels = c => c.match(/[\\d.]+/g).map(Number);
  const bright = c => {
    const [r, g, b] = c.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const found = channels(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const own = e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  const all = [...document.querySelectorAll("main *")].filter(e => own(e) && e.checkVisibility());
  const said = all.map(e => {
    const style = getComputedStyle(e);
    const ink = channels(e instanceof SVGElement ? style.fill : style.color).slice(0, 3);
    const [high, low] = [bright(ink), bright(ground(e))].sort((a, b) => b - a);
    return [(high + 0.05) / (low + 0.05), e.textContent.trim().slice(0, 40)];
  });
  return said.filter(([ratio]) => ratio < 4.5).concat(all.length < 300 ? [[all.length, "too little text"]] : []);
}
"""


COVERED = """
() => [...document.querySelectorAll("figure svg, .paired")].flatMap(svg => {
  const boxes = [...svg.querySelectorAll("text")].map(t => [t.getBoundingClientRect(), t.textContent]);
  const aside = (a, b) => a.left < b.right - 1 && b.left < a.right - 1;
  const meet = (a, b) => aside(a, b) && a.top < b.bottom - 3 && b.top < a.bottom - 3;
  return boxes.flatMap(([a, name], n) => boxes.slice(n + 1).filter(([b]) => meet(a, b)).map(([, o]) => [name, o]));
})
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_of_the_gate_can_be_read_in_light_and_dark(browser: Browser, tmp_path: Path, scheme: str) -> None:
    page = opened(browser, tmp_path, 1280, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate(CONTRAST) == []
    page.close()


def test_the_gate_draws_both_models_curves_and_each_has_a_table_under_its_name(
    browser: Browser, tmp_path: Path
) -> None:
    page = opened(browser, tmp_path, 1280, "light")
    for name in ("ROC", "Precision and recall", "Calibration", "Errors by prediction"):
        figure = page.locator("figure", has=page.get_by_text(name, exact=True))
        assert figure.locator("svg path.series.new").first.bounding_box(), name
        assert figure.locator("svg path.series.old").first.bounding_box(), name
        figure.get_by_text("The same as a table").press("Enter")
        table = page.get_by_role("region", name=name, exact=True)
        assert table.is_visible()
        assert table.get_by_role("row").count() > 4
    matrix = page.get_by_role("region", name="Who is taken for whom by the champion")
    assert matrix.get_by_role("rowheader").all_inner_texts() == ["EWR", "JFK", "LGA", "none of these"]
    page.close()


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_the_curves_fit_and_no_text_of_a_drawing_covers_another(browser: Browser, tmp_path: Path, width: int) -> None:
    page = opened(browser, tmp_path, width, "light")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(COVERED) == []
    page.close()


def opened(browser: Browser, tmp_path: Path, width: int, scheme: str) -> Page:
    """A page whose gate has every kind of figure."""
    file = tmp_path / "report.html"
    file.write_text(report.html(RUNS["gate"]()))
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(file.as_uri())
    return page
