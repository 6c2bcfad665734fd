"""The graph of steps, the plan and the run."""

from mlci.engine.graph import graph, select
from mlci.engine.run import Observer, Session, execute
from mlci.engine.why import Outlook, outlooks
from mlci.steps import Step

__all__ = ["Observer", "Outlook", "Session", "Step", "execute", "graph", "outlooks", "select"]
