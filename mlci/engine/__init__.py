"""The graph of steps, the plan and the run; each part is loaded when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlci.engine.asked import graph, select
    from mlci.engine.run import Observer, Session, execute
    from mlci.engine.why import Outlook, outlooks
    from mlci.steps import Step

__all__ = ["Observer", "Outlook", "Session", "Step", "execute", "graph", "outlooks", "select"]
_MODULES = {
    "asked": ("graph", "select"),
    "run": ("Observer", "Session", "execute", "Step"),
    "why": ("Outlook", "outlooks"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"mlci.engine.{module}"), name)
    raise AttributeError(name)
