"""The steps of a run, one file each; each is loaded when it is first used, for a promotion needs no data contract."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlci.steps.protocol import Context, Inputs, Result, Step

if TYPE_CHECKING:
    from mlci.steps.build import Build
    from mlci.steps.deploy import Deploy
    from mlci.steps.gate import Gate
    from mlci.steps.promote import Promote, Rollback
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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    module = "promote" if name == "Rollback" else name.lower()
    return getattr(import_module(f"mlci.steps.{module}"), name)
