"""The steps of a run, one file each."""

from mlci.steps.build import Build
from mlci.steps.deploy import Deploy
from mlci.steps.gate import Gate
from mlci.steps.promote import Promote, Rollback
from mlci.steps.protocol import Context, Inputs, Result, Step
from mlci.steps.train import Train
from mlci.steps.validate import Validate

__all__ = [
    "Build",
    "Context",
    "Deploy",
    "Gate",
    "Inputs",
    "Promote",
    "Result",
    "Rollback",
    "Step",
    "Train",
    "Validate",
]
