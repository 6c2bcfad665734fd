"""The data contract: a JSON Schema for a row, checked over whole tables by one columnar query."""

from mlci.contract.data import validate
from mlci.contract.load import load
from mlci.contract.report import Report, Violation
from mlci.contract.request import RequestModel, request
from mlci.contract.sarif import sarif
from mlci.contract.schema import Contract
from mlci.contract.splits import splits
from mlci.contract.text import render
from mlci.contract.verdicts import Decision, decide, verdicts

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
