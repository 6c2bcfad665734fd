"""The data contract: a JSON Schema for a row, checked over whole tables by one columnar query.

`language` reads a contract and makes a plan of it, `query` runs the plan over files with DuckDB, `table` has the rules
of a whole table, `judging` puts them together, `report` says what was found; `elsewhere` runs the plan on other
engines. `sources`, `learn`, `change` and `exchange` are about data elsewhere, first contracts, changes, other tools.

What is public is imported when it is asked for: a run that has nothing to do needs little of it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlci.contract.judging.request import RequestModel, request
    from mlci.contract.judging.splits import splits
    from mlci.contract.judging.verdicts import Decision, decide, verdicts
    from mlci.contract.language.load import load
    from mlci.contract.language.schema import Contract
    from mlci.contract.report import Report, Violation
    from mlci.contract.report.sarif import sarif
    from mlci.contract.report.text import render
    from mlci.contract.sources.data import validate

__all__ = [
    "Contract",
    "Decision",
    "Report",
    "RequestModel",
    "Violation",
    "decide",
    "load",
    "render",
    "request",
    "sarif",
    "splits",
    "validate",
    "verdicts",
]
_HOMES = {
    "Contract": "language.schema",
    "Decision": "judging.verdicts",
    "Report": "report",
    "RequestModel": "judging.request",
    "Violation": "report",
    "decide": "judging.verdicts",
    "load": "language.load",
    "render": "report.text",
    "request": "judging.request",
    "sarif": "report.sarif",
    "splits": "judging.splits",
    "validate": "sources.data",
    "verdicts": "judging.verdicts",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
