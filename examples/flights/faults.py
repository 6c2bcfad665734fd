"""How the scenarios break the server. A real project has no such file, nor the two lines of serve.py that use it.

FLIGHTS_FAULT=errors answers 500 to one prediction in five, FLIGHTS_FAULT=slow takes 150 ms longer over one in five.
"""

from __future__ import annotations

import itertools
import os
import time

KIND = os.environ.get("FLIGHTS_FAULT", "")
_number = itertools.count(1)


class Injected(Exception):
    """The failure that was asked for."""


def strike() -> None:
    """Hurt every fifth call, in the way that the environment names."""
    if not KIND or next(_number) % 5:
        return
    if KIND == "slow":
        time.sleep(0.150)
    else:
        raise Injected(f"FLIGHTS_FAULT={KIND}")
