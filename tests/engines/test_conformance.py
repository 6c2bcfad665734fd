"""The official suite on other engines: every test whose instance is a scalar, each a row of typed columns."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mlci.contract import decide
from mlci.errors import ConfigError

SUITE = Path(__file__).parents[1] / "conformance" / "json-schema"
PARTS = ("", "optional", "optional/format")


def groups() -> list[tuple[str, dict[str, Any], bool]]:
    """Schemas with their scalar instances; formats are asserted in their own part."""
    found = []
    for part in PARTS:
        for file in sorted((SUITE / part).glob("*.json")):
            for group in json.loads(file.read_text(encoding="utf-8")):
                tests = [test for test in group["tests"] if not isinstance(test["data"], (list, dict))]
                if tests:
                    name = f"{part}/{file.stem}: {group['description']}"
                    found.append((name, {**group, "tests": tests}, part == "optional/format"))
    return found


@pytest.mark.parametrize("engine", ["postgres", "pyspark"])
def test_every_scalar_test_has_the_expected_verdict(engine, request):
    backend = request.getfixturevalue(engine)
    if engine == "pyspark":  # compiling each of these small queries to bytecode takes longer than running it
        backend.raw_sql("SET spark.sql.codegen.wholeStage = false")
        backend.raw_sql("SET spark.sql.codegen.factoryMode = NO_CODEGEN")
    by, wrong = Counter[str](), []
    for name, group, formats in groups():
        tests = group["tests"]
        try:
            decisions = decide(group["schema"], [test["data"] for test in tests], backend, formats=formats)
        except ConfigError:
            continue
        for test, decision in zip(tests, decisions, strict=True):
            by[decision.by] += 1
            if decision.valid != test["valid"]:
                wrong.append((name, test["description"], test["data"], decision))
    assert wrong == []
    assert by == {engine: 792, "fallback": 371}  # as docs/contract-conformance.md says
