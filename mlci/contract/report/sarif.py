"""A report as SARIF 2.1.0, which code scanning and editors read: each rule of the contract, each broken one a result.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; what GitHub asks for beyond that (a region with its
ends, `primaryLocationLineHash`, help for each rule):
https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlci.contract.report import Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_SHOWN = 1000
"""GitHub shows so many characters of a description."""


def sarif(report: Report, *, root: Path | None = None) -> dict[str, Any]:
    """The report as one SARIF log. Paths in it are relative to `root`, the checkout (default: the working folder)."""
    return log([run(report.facts(), report.contract, root or Path.cwd())])


def log(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A SARIF log of some runs."""
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": list(runs)}


def run(
    facts: Mapping[str, Any], contract: Path, root: Path, dataset: str = "", folder: Path | None = None
) -> dict[str, Any]:
    """One validation from the facts of its report; `dataset` tells several in one log apart. The config, which has
    the rules of splits, is in `folder`.
    """
    from importlib.metadata import version

    rules = {
        _rule_id(column, rule): _descriptor(column, rule, asks)
        for column, asked in facts.get("rules", {}).items()
        for rule, asks in asked.items()
    }
    for one in facts["violations"]:
        name = _rule_id(one["column"], one["rule"])
        rules.setdefault(name, _descriptor(one["column"], one["rule"], one["expected"]))
    places = {name: i for i, name in enumerate(rules)}
    file = _uri(contract, root)
    since = (facts.get("since") or {}).get("rules", ())
    results, seen = [], Counter[str]()
    for i, one in enumerate(facts["violations"]):
        name = _rule_id(one["column"], one["rule"])
        found = _result(one, name, facts["rows"], since[i] if i < len(since) else {})
        place = (folder or contract.parent) / one["where"] if one.get("where") else contract
        where = {"artifactLocation": {"uri": _uri(place, root)}, "region": _region(one.get("line") or 1, _lines(place))}
        mark = hashlib.sha256(f"{dataset}\n{file}\n{name}".encode()).hexdigest()[:16]
        seen[mark] += 1  # a rule of files is broken by each of them
        results.append(
            {
                **found,
                "ruleIndex": places[name],
                "locations": [{"physicalLocation": where}],
                "partialFingerprints": {"primaryLocationLineHash": f"{mark}:{seen[mark]}"},
            }
        )
    driver = {"name": "mlci", "version": version("mlci"), "rules": list(rules.values())}
    about = {"rows": facts["rows"], "files": facts["files"]}
    identity = {"automationDetails": {"id": f"mlci validate/{dataset}/"}} if dataset else {}
    return {"tool": {"driver": driver}, **identity, "results": results, "properties": about}


def _rule_id(column: str, rule: str) -> str:
    return f"{column or '(table)'}/{rule}"


def _descriptor(column: str, rule: str, asks: str) -> dict[str, Any]:
    about = f"`{column}`" if column else "the table"
    said = f"{about}: {rule}, {asks}"[:_SHOWN]
    help = "Mend the data, or change the contract where it asks for too much."
    return {
        "id": _rule_id(column, rule),
        "name": rule,
        "shortDescription": {"text": said},
        "fullDescription": {"text": said},
        "help": {"text": help},
    }


def _result(one: Mapping[str, Any], name: str, rows: int, since: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("count", "found", "tolerance", "tolerated", "files", "samples", "random")
    about = {key: one[key] for key in kept if key in one}
    if rows and one["rule"] != "readable" and not one.get("found"):
        about["fraction"] = one["count"] / rows
    if since:
        about["changed"] = since["cause"]
    said = f"{one['column'] or 'the table'}: {one['rule']}: expected {one['expected']}; {times(one, rows)}"
    message = {"text": f"{said}. {since['says']}" if since.get("says") else said}
    return {"ruleId": name, "level": level(one), "message": message, "properties": about}


def times(one: Mapping[str, Any], rows: int) -> str:
    """What is wrong with a violation of the facts: the problem, what was found, or how many of the rows."""
    readable = one["rule"] == "readable"
    problem = next((str(row["(problem)"]) for row in one["samples"] if readable and "(problem)" in row), "")
    return problem or one.get("found") or f"{one['count']:,} of {rows:,} rows"


def level(one: Mapping[str, Any]) -> str:
    """How bad a violation of the facts is: `error`, `warning`, or `note` for what is tolerated."""
    if one.get("tolerated"):
        return "note"
    return "warning" if one.get("severity") == "warn" else "error"


def _region(line: int, lines: Sequence[str]) -> dict[str, int]:
    """The line of the rule, from its first character that is no space to its end."""
    text = lines[line - 1] if line <= len(lines) else ""
    first = len(text) - len(text.lstrip()) + 1
    return {"startLine": line, "startColumn": first, "endLine": line, "endColumn": max(len(text), first) + 1}


@lru_cache(maxsize=2)
def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []


def _uri(file: Path, root: Path) -> str:
    """The file relative to the checkout, as GitHub asks; a file outside of it by its whole URI."""
    from urllib.parse import quote

    whole = file.resolve()
    try:
        return quote(whole.relative_to(root.resolve()).as_posix())
    except ValueError:
        return whole.as_uri()
