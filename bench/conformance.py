"""How exactly a contract is checked: the official JSON-Schema-Test-Suite, by mlci and beside it by other validators.

The suite is draft 2020-12 of commit 44401e0c, as far as the tests carry it. Each test is a row of a table, judged by
the same compiler and the same engine as data. The tables stand in docs/contract-conformance.md between their marks.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.measure import ROOT, Command, Options, installed, run, say, table
from mlci.contract import decide
from mlci.errors import ConfigError

SUITE = ROOT / "tests" / "conformance" / "json-schema"
DOCS = ROOT / "docs" / "contract-conformance.md"
PARTS = {"": "required", "optional/format": "formats, asserted", "optional": "other optional"}
"""The parts of the suite by their folder; formats are asserted in their own part only."""
RIVALS = {
    "jsonschema-rs": ("jsonschema-rs==0.60.3",),
    "jsonschema": ("jsonschema[format-nongpl]==4.26.0",),
    "fastjsonschema": ("fastjsonschema==2.22.3",),
    "pointblank": ("pointblank==1.1.1", "polars==2.1.0"),
}
"""What each tool needs, itself first; they are judged by `contract_rivals/suite.py`."""
HEAD = ("part", "tests", "as expected", "decided by DuckDB", "by the fallback", "refused", "wrong")
BESIDE = ("", "tests", "right", "invalid accepted", "valid rejected", "error")


@dataclass(frozen=True)
class Scores:
    """Tests by who decided, those that went wrong, and those whose schema was refused, with the reasons."""

    by: Counter[str]
    wrong: list[tuple[str, str, str, str]]
    refused: Counter[str]
    reasons: set[str]

    @property
    def tests(self) -> int:
        """How many tests there are."""
        return sum(self.by.values()) + sum(self.refused.values())


@cache
def scores(part: str) -> Scores:
    """All tests of a part of the suite, by mlci."""
    found = Scores(Counter(), [], Counter(), set())
    for file in sorted((SUITE / part).glob("*.json")):
        for group in json.loads(file.read_text(encoding="utf-8")):
            _group(file.stem, group, part == "optional/format", found)
    return found


def _group(name: str, group: dict[str, Any], formats: bool, found: Scores) -> None:
    tests = group["tests"]
    try:
        decisions = decide(group["schema"], [test["data"] for test in tests], formats=formats)
    except ConfigError as error:
        found.refused[name] += len(tests)
        found.reasons.update(problem.message for problem in error.problems)
        return
    for test, decision in zip(tests, decisions, strict=True):
        found.by[decision.by] += 1
        if decision.valid != test["valid"]:
            said = "accepted" if decision.valid else "rejected"
            found.wrong.append((name, group["description"], test["description"], f"{said} by {decision.by}"))


def measure(options: Options) -> str:
    """Both tables, as the page has them."""
    theirs = {tool: _theirs(tool, options) for tool in RIVALS}
    return f"{marked('ours', ours())}\n\n{marked('beside', beside(theirs))}"


def ours() -> str:
    """The table of who decided, of mlci alone."""
    return _right(table(HEAD, [[name, *map(str, _row(scores(part)))] for part, name in PARTS.items()]), len(HEAD))


def _row(found: Scores) -> list[int]:
    judged, wrong = sum(found.by.values()), len(found.wrong)
    return [found.tests, judged - wrong, found.by["duckdb"], found.by["fallback"], found.tests - judged, wrong]


def beside(theirs: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    """The table of right and wrong: mlci and each tool, by part."""
    lines = []
    for part, name in PARTS.items():
        lines.append(row_beside(part))
        for tool, found in theirs.items():
            said = [found[part].get(kind, 0) for kind in ("right", "accepted", "rejected", "error")]
            lines.append([f"{name}: {_title(tool)}", *map(str, [sum(said), *said])])
    return _right(table(BESIDE, lines), len(BESIDE))


def row_beside(part: str) -> list[str]:
    """The line of mlci in the second table: a schema that it refuses is an error, as another tool's would be."""
    found = scores(part)
    wrong = Counter(said.split(" ", 1)[0] for *_, said in found.wrong)
    right = sum(found.by.values()) - len(found.wrong)
    said = [right, wrong["accepted"], wrong["rejected"], sum(found.refused.values())]
    return [f"{PARTS[part]}: **mlci**", *map(str, [found.tests, *said])]


def _title(tool: str) -> str:
    return RIVALS[tool][0].replace("==", " ")


def _right(markdown: str, columns: int) -> str:
    """The table with its numbers, all columns but the first, at the right."""
    head, _, *rows = markdown.split("\n")
    return "\n".join([head, f"|---|{'--:|' * (columns - 1)}", *rows])


def _theirs(tool: str, options: Options) -> dict[str, dict[str, int]]:
    say(tool)
    python = installed(options.data / "rivals" / f"suite-{tool}", RIVALS[tool]) / "python"
    script = Path(__file__).with_name("contract_rivals") / "suite.py"
    found: dict[str, dict[str, int]] = json.loads(
        run(Command([str(python), str(script), tool, str(SUITE), *PARTS])).out
    )
    return found


def marked(name: str, text: str) -> str:
    """A text between its marks."""
    return f"<!-- {name} -->\n{text}\n<!-- end of {name} -->"


def written(page: str, section: str) -> str:
    """The page with what is between marks in the section; what is written by hand stays."""
    for name in re.findall(r"<!-- end of (\w+) -->", section):
        between = re.compile(f"<!-- {name} -->.*?<!-- end of {name} -->", re.DOTALL)
        (found,) = between.findall(section)
        page = between.sub(lambda _, text=found: text, page)
    return page
