"""Whatever was killed: the next deployment ends in the same place."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mlci
from mlci import deploy as delivery
from mlci.deploy.drivers import process
from mlci.errors import WorldError
from tests.integration.deploy.deploykit import Load, Site, answer, at_once, canary

CHILD = """
import sys, threading
from pathlib import Path
from tests.integration.deploy import deploykit
from mlci import deploy
site = deploykit.Site(Path(sys.argv[1]), Path(sys.argv[2]))
request = site.request(sys.argv[3], deploykit.canary(rate=float(sys.argv[4])))
print("go", flush=True)
deploy.deploy(request, folder=site.folder, report=lambda e: print(e, flush=True), stop=threading.Event())
"""


def controller(site: Site, name: str, rate: float = 20.0) -> subprocess.Popen[str]:
    """A deployment by canary in a process of its own."""
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(mlci.__path__[0]).parent)])
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(site.folder), str(site.images), name, str(rate)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def kill_at(child: subprocess.Popen[str], text: str) -> None:
    """Kill it when it has said this."""
    assert child.stdout is not None
    for line in child.stdout:
        if text in line:
            break
    child.kill()
    child.wait()
    child.stdout.close()


def test_a_controller_killed_in_mid_canary_loses_nothing_and_the_next_deployment_heals(site: Site) -> None:
    site.deploy("one")
    with Load(site) as load:
        kill_at(controller(site, "two"), "takes 20 %")
        status = site.status()
        assert (status.digest, status.canary) == ("sha256:one", "sha256:two")
        assert site.deploy("one").outcome == "deployed"
        assert site.status().canary is None
        assert len(site.processes()) == 2
        assert site.deploy("two", canary()).outcome == "deployed"
    assert load.counts.sent == load.counts.answered
    assert (load.counts.errors, load.counts.lost, load.counts.resent) == (0, 0, 0)
    assert answer(site) == "two"
    assert len(site.processes()) == 2


@pytest.mark.parametrize("text", ["go", "r2 is", "is ready", "warm-up requests", "takes everything"])
def test_a_controller_killed_at_any_step_is_healed(site: Site, text: str) -> None:
    site.deploy("one")
    kill_at(controller(site, "two", rate=800), text)
    assert site.deploy("two").outcome in ("deployed", "unchanged")
    assert answer(site) == "two"
    assert len(site.processes()) == 2


@pytest.mark.parametrize("role", ["stable", "proxy"])
def test_a_dead_server_and_a_dead_proxy_are_started_again(site: Site, role: str) -> None:
    first = site.deploy("one", at_once(restart=False))
    os.kill(pid_of(site, role), signal.SIGKILL)
    while site.status().pids[role] is not None:
        time.sleep(0.01)
    assert not site.status().healthy
    again = site.deploy("one", at_once(restart=False))
    assert (again.outcome, again.endpoint) == ("deployed", first.endpoint)
    assert answer(site) == "one"


def test_a_server_that_dies_comes_again_by_itself(site: Site) -> None:
    site.deploy("one")
    died = pid_of(site, "stable")
    os.kill(died, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while site.status().pids["stable"] in (None, died) or not site.status().healthy:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert answer(site) == "one"
    assert site.deploy("one").outcome == "unchanged"


def test_a_server_of_several_that_dies_takes_no_more_along_than_it_was_answering(site: Site) -> None:
    site.deploy("one", at_once(replicas=3, restart=False))
    assert site.status().servers == {"stable": "3 of 3"}
    with Load(site) as load:
        time.sleep(0.2)
        os.kill(pid_of(site, "stable"), signal.SIGKILL)
        time.sleep(0.8)
    assert site.status().servers == {"stable": "2 of 3"}
    assert load.counts.answered == load.counts.sent > 100
    assert load.counts.errors <= 3


def test_only_the_servers_that_are_down_are_started_again(site: Site) -> None:
    site.deploy("one", at_once(replicas=2, restart=False))
    kept = {one.number: one.pid for one in process.observe(site.folder / "revisions/1")}
    os.kill(kept[1] or pytest.fail("it does not run"), signal.SIGKILL)
    while site.status().servers != {"stable": "1 of 2"}:
        time.sleep(0.01)
    assert site.deploy("one", at_once(replicas=2, restart=False)).outcome == "deployed"
    assert any("1 of 2 servers" in event for event in site.events)
    now = {one.number: one.pid for one in process.observe(site.folder / "revisions/1")}
    assert now[2] == kept[2] and now[1] != kept[1]


def pid_of(site: Site, role: str) -> int:
    """Never 0, which would mean the tests themselves."""
    found = site.status().pids[role]
    assert found
    return found


def test_a_stable_version_that_is_gone_for_good_gives_way_to_the_new_one(site: Site) -> None:
    site.deploy("one", at_once(restart=False))
    os.kill(pid_of(site, "stable"), signal.SIGKILL)
    shutil.rmtree(site.images / "one")
    outcome = site.deploy("two", canary())
    assert (outcome.outcome, outcome.previous) == ("deployed", None)
    assert answer(site) == "two"


def test_a_second_deployment_at_the_same_time_is_refused(site: Site) -> None:
    site.deploy("one")
    child = controller(site, "two", rate=5)
    assert child.stdout is not None
    while "takes 20 %" not in child.stdout.readline():
        pass
    with pytest.raises(WorldError, match=rf"another deployment of production is running \(pid {child.pid}\)"):
        site.deploy("three")
    child.kill()
    child.wait()
    child.stdout.close()


def test_stop_leaves_no_process_and_no_journal(site: Site) -> None:
    site.deploy("one")
    assert len(site.processes()) == 2
    assert delivery.stop(site.folder)
    assert site.processes() == []
    assert delivery.status(site.folder) is None
    assert not delivery.stop(site.folder)
    assert site.deploy("two").outcome == "deployed"
