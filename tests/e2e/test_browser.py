"""The report in a real browser: it needs no network, and it fits a desk and a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

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
