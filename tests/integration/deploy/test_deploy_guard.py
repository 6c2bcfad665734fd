"""What becomes of a canary's traffic when mlci itself is killed, stopped, or cannot write."""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlci.cli.watch import watch
from mlci.deploy import progress
from mlci.deploy.lifeline import fired
from tests.integration.deploy.deploykit import Load, Site, answer, at_once, canary
from tests.integration.deploy.test_deploy_faults import controller


def eventually(condition: Callable[[], object]) -> None:
    """Within the ten seconds that are promised."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def guards(site: Site) -> list[int]:
    return [int(line.split()[0]) for line in site.processes() if "deadman.py" in line]


def seen_by_canary(site: Site) -> int:
    found = progress.load(site.folder)
    return int(found.point["canary"]["requests"]) if found else 0


@contextmanager
def under_way(site: Site, rate: float = 50.0) -> Iterator[subprocess.Popen[str]]:
    """A controller in the middle of a canary, ended at the end of the block."""
    child = controller(site, "two", rate)
    assert child.stdout is not None
    while "takes 20 %" not in child.stdout.readline():
        assert child.poll() is None
    eventually(lambda: seen_by_canary(site) > 0)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        eventually(lambda: not guards(site))


def test_when_mlci_is_killed_its_guard_gives_the_traffic_back_and_ends(site: Site) -> None:
    site.deploy("one")
    with Load(site, rate=100) as load:
        with under_way(site) as child:
            child.kill()
            eventually(lambda: fired(site.folder / "proxy") and not guards(site))
        assert {answer(site) for _ in range(30)} == {"one"}
        assert (site.status().canary, site.status().weight) == ("sha256:two", 0.0)
    assert (load.counts.errors, load.counts.lost, load.counts.resent) == (0, 0, 0)


def test_when_mlci_stands_still_the_traffic_goes_back_and_comes_again_when_it_goes_on(site: Site) -> None:
    site.deploy("one")
    with under_way(site, rate=100) as child:
        child.send_signal(signal.SIGSTOP)
        eventually(lambda: fired(site.folder / "proxy"))
        assert {answer(site) for _ in range(30)} == {"one"}
        child.send_signal(signal.SIGCONT)
        eventually(lambda: not fired(site.folder / "proxy"))
        before = seen_by_canary(site)
        eventually(lambda: seen_by_canary(site) > before)
        assert len(guards(site)) == 1


def test_a_guard_that_is_killed_is_replaced(site: Site) -> None:
    site.deploy("one")
    with under_way(site) as child:
        (first,) = guards(site)
        os.kill(first, signal.SIGKILL)
        eventually(lambda: guards(site) not in ([], [first]))
        assert not fired(site.folder / "proxy")
        child.kill()
        eventually(lambda: fired(site.folder / "proxy"))


def test_when_nothing_can_be_written_any_more_the_traffic_goes_back(site: Site) -> None:
    site.deploy("one")
    with under_way(site) as child:
        for pid in (child.pid, *guards(site)):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))
        (canary_pid,) = (pid for role, pid in site.status().pids.items() if role == "canary")
        os.kill(canary_pid or 0, signal.SIGKILL)  # mlci must now take it back, and cannot write that down
        assert child.wait(20) != 0
        eventually(lambda: fired(site.folder / "proxy"))
    assert answer(site) == "one"
    assert site.deploy("two").outcome == "deployed"


def test_a_canary_is_resumed_with_the_evidence_it_had(site: Site) -> None:
    site.deploy("one")
    with under_way(site, rate=100) as child:
        eventually(lambda: seen_by_canary(site) > 30)
        child.kill()
    before, pids = seen_by_canary(site), site.status().pids
    outcome = site.deploy("two", canary(rate=100), resume=True)
    assert outcome.outcome == "deployed"
    assert any("goes on" in event for event in site.events)
    points = [point for point in outcome.timeline if point["phase"] == "canary" and not point["event"]]
    assert points[0]["canary"]["requests"] >= before
    assert site.status().pids["stable"] == pids["canary"]


def test_a_canary_under_another_plan_or_that_died_starts_over(site: Site) -> None:
    site.deploy("one")
    for reason in ("plan", "does not run as it should"):
        with under_way(site) as child:
            child.kill()
        if reason == "does not run as it should":
            os.kill(site.status().pids["canary"] or 0, signal.SIGKILL)
            eventually(lambda: site.status().pids["canary"] is None)
        site.events.clear()
        margin = 0.04 if reason == "plan" else 0.03
        assert site.deploy("two", canary(margin=margin), resume=True).outcome == "deployed"
        assert any("starts over" in event and reason in event for event in site.events)
        site.deploy("one")


def test_the_guard_is_small(site: Site) -> None:
    site.deploy("one")
    with under_way(site):
        (guard,) = guards(site)
        status = Path(f"/proc/{guard}/status").read_text().splitlines()
        (peak,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        assert peak < 30 << 10


def test_a_stable_version_that_stays_down_in_mid_canary_is_started_again_and_keeps_the_traffic(site: Site) -> None:
    site.deploy("one", at_once(restart=False))
    with under_way(site) as child:
        os.kill(site.status().pids["stable"] or 0, signal.SIGKILL)
        child.wait(30)
    assert (site.status().digest, site.status().canary, site.status().healthy) == ("sha256:one", None, True)
    assert answer(site) == "one"
    assert len(site.processes()) == 2


def test_a_stable_version_that_crashes_in_mid_canary_comes_back_and_the_canary_goes_on(site: Site) -> None:
    site.deploy("one")
    with under_way(site) as child:
        stable = site.status().pids["stable"]
        os.kill(stable or 0, signal.SIGKILL)
        eventually(lambda: site.status().pids["stable"] not in (None, stable))
        assert site.status().canary == "sha256:two"
        child.wait(30)
    assert (site.status().digest, site.status().canary, site.status().healthy) == ("sha256:two", None, True)
    assert answer(site) == "two"
    assert len(site.processes()) == 2


def test_a_proxy_that_is_killed_in_mid_canary_comes_back_with_the_stable_version(site: Site) -> None:
    endpoint = site.deploy("one").endpoint
    with under_way(site) as child:
        os.kill(site.status().pids["proxy"] or 0, signal.SIGKILL)
        child.wait(30)
    assert (site.status().digest, site.status().canary, site.status().endpoint) == ("sha256:one", None, endpoint)
    assert answer(site) == "one"
    assert len(site.processes()) == 2


def test_a_clock_that_jumps_decides_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.deploy("one")
    days = itertools.cycle((0, 40, -40))
    monkeypatch.setattr(time, "time", lambda: 1.8e9 + 86400 * next(days))
    outcome = site.deploy("two", canary())
    assert outcome.outcome == "deployed"
    times = [point["t"] for point in outcome.timeline]
    assert times == sorted(times)
    assert times[-1] < 600


def test_the_live_view_follows_a_canary_until_nobody_deploys_any_more(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.deploy("one")
    with under_way(site) as child:
        seen = seen_by_canary(site)
        thread = threading.Thread(target=watch, args=(site.folder,), kwargs={"as_json": True})
        thread.start()
        eventually(lambda: seen_by_canary(site) > seen + 5)
        child.kill()
        thread.join(20)
    assert not thread.is_alive()
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (shown[0]["controller"], shown[0]["deployment"]["weight"]) == (child.pid, 0.2)
    assert shown[-1]["controller"] is None
    assert shown[-1]["deployment"]["weight"] == 0.0
    requests = [line["canary"]["canary"]["requests"] for line in shown]
    assert requests == sorted(requests)
    assert requests[-1] > requests[0]
    watch(site.folder, as_json=False)
    assert "--resume" in capsys.readouterr().out
