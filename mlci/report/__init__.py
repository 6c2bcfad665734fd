"""The report of a run: one self-contained HTML page, and the same facts as Markdown for GitHub."""

from mlci.report.md import markdown
from mlci.report.page import html
from mlci.report.sections.suites import suite_pages

__all__ = ["html", "markdown", "suite_pages"]
