"""Where runs are logged: a tracker by the name of its key in `tracking`, each in a process of its own."""

from mlci.tracking.client import Tracker, tracked, without_password

__all__ = ["Tracker", "tracked", "without_password"]
