"""What is counted between two looks."""

from __future__ import annotations

from dataclasses import replace

from mlci.deploy.canary import BOUNDS, compare
from mlci.deploy.envoy import Reading, Seen
from mlci.deploy.envoy_config import Endpoint, Wiring

WIRING = Wiring(Endpoint(1, (("127.0.0.1", 8001),)), Endpoint(2, (("127.0.0.1", 8002),)), 0.2)
STABLE, CANARY, FALLBACK = ("r1-8001", 8001), ("r2-8002-over-r1-8001", 8002), ("r2-8002-over-r1-8001", 8001)
LATENCY = (10,) + (0,) * (len(BOUNDS) - 1)
BEFORE = Reading({STABLE: Seen(100, 1), CANARY: Seen(20, 2)}, {STABLE[0]: LATENCY, CANARY[0]: LATENCY})


def test_counts_are_the_differences_of_each_versions_own_host() -> None:
    after = replace(BEFORE, hosts={STABLE: Seen(150, 2), CANARY: Seen(30, 5), FALLBACK: Seen(9, 9)})
    counts = compare(BEFORE, after, WIRING, 0.25)
    assert counts.stable is not None
    assert counts.canary is not None
    assert (counts.stable.requests, counts.stable.errors) == (50, 1)
    assert (counts.canary.requests, counts.canary.errors) == (10, 3)


def test_counters_that_began_anew_are_no_counts() -> None:
    for hosts in ({STABLE: Seen(5, 0), CANARY: Seen(30, 2)}, {STABLE: Seen(150, 1), CANARY: Seen(1, 0)}):
        assert compare(BEFORE, replace(BEFORE, hosts=hosts), WIRING, 0.25).canary is None
    less = {STABLE[0]: (9, *LATENCY[1:]), CANARY[0]: LATENCY}
    assert compare(BEFORE, replace(BEFORE, latency=less), WIRING, 0.25).canary is None


def test_a_host_that_is_gone_or_a_proxy_that_does_not_answer_is_no_count() -> None:
    assert compare(BEFORE, replace(BEFORE, hosts={STABLE: Seen(150, 1)}), WIRING, 0.25).canary is None
    assert compare(BEFORE, None, WIRING, 0.25).stable is None
    assert compare(None, BEFORE, WIRING, 0.25).stable is None
