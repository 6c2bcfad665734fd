"""An incident that hits both versions: no canary's fault, and no time to give it more traffic.

The sequential tests compare, so they are silent when everything fails alike. This looks at the last requests of each
version by themselves. It takes nothing back: the stable version is no better, and it keeps what it has.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlci.deploy.analysis import Counts

POLLS = 40
"""How many looks are the last requests: ten seconds of them."""
FEWEST = 20
"""Requests of each version below which nothing is said."""


def both_failing(polls: Sequence[Counts], limit: float) -> str | None:
    """What to say when each version failed at least this share of its last requests, or None."""
    tallies = [(p.stable, p.canary) for p in polls[-POLLS:] if p.stable is not None and p.canary is not None]
    said = []
    for name, version in (("stable", [s for s, _ in tallies]), ("the canary", [c for _, c in tallies])):
        requests, errors = sum(t.requests for t in version), sum(t.errors for t in version)
        if requests < FEWEST or errors < limit * requests or not errors:
            return None
        said.append(f"{name} {errors} of {requests}")
    return f"both versions fail: {', '.join(said)} in the last seconds; nothing goes on until that is over"
