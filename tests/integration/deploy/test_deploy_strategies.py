"""How a version takes over, or does not, with real Envoy and real servers."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from dataclasses import replace

import pytest

from mlci import deploy as delivery
from mlci.errors import Interrupted, UsageError, WorldError
from tests.integration.deploy.deploykit import Load, Site, answer, at_once, canary


def test_the_first_version_serves_and_a_second_time_nothing_is_done(site: Site) -> None:
    first = site.deploy("one")
    assert (first.outcome, first.previous) == ("deployed", None)
    assert answer(site) == "one"
    status = site.status()
    assert status.healthy
    assert status.digest == "sha256:one"
    site.events.clear()
    again = site.deploy("one")
    assert (again.outcome, again.endpoint) == ("unchanged", first.endpoint)
    assert site.events == []
    assert site.status().pids == status.pids


def test_a_good_canary_takes_over_without_losing_a_request(site: Site) -> None:
    site.deploy("one")
    with Load(site) as load:
        outcome = site.deploy("two", canary())
    assert outcome.outcome == "deployed"
    assert answer(site) == "two"
    for counts in (outcome.traffic, load.counts):
        assert counts.sent == counts.answered > 100
        assert (counts.errors, counts.lost, counts.resent) == (0, 0, 0)
    facts = outcome.facts()
    assert (facts["previous"], facts["digest"]) == ("sha256:one", "sha256:two")
    weights = [point["weight"] for point in facts["timeline"] if point["phase"] == "canary" and not point["event"]]
    assert weights == sorted(weights)
    assert set(weights) == {0.2, 0.5}
    assert len(site.processes()) == 2


def test_a_canary_that_fails_is_taken_back_and_callers_never_notice(site: Site) -> None:
    site.deploy("one")
    outcome = site.deploy("bad", canary(), BAD=0.3)
    assert (outcome.outcome, outcome.previous) == ("rolled-back", "sha256:one")
    assert outcome.reason.startswith("errors: ")
    assert answer(site) == "one"
    assert outcome.traffic.sent == outcome.traffic.answered
    assert (outcome.traffic.errors, outcome.traffic.lost) == (0, 0)
    last = outcome.facts()["timeline"][-1]
    assert last["canary"]["errors"] > 0
    assert last["evidence"]["errors"] >= last["threshold"]


def test_a_slow_canary_is_taken_back_for_its_latency(site: Site) -> None:
    site.deploy("one")
    outcome = site.deploy("slow", canary(latency=True), SLOW=0.1)
    assert outcome.outcome == "rolled-back"
    assert outcome.reason.startswith("latency: ")
    assert answer(site) == "one"
    assert (outcome.traffic.errors, outcome.traffic.lost) == (0, 0)


def test_a_canary_that_dies_is_taken_back_and_callers_never_notice(site: Site) -> None:
    site.deploy("one")
    outcome = site.deploy("mortal", canary(), DIE=60)
    assert outcome.outcome == "rolled-back"
    assert "died" in outcome.reason
    assert (outcome.traffic.errors, outcome.traffic.lost) == (0, 0)
    assert len(site.processes()) == 2


def test_a_canary_that_hangs_is_taken_back_and_callers_never_notice(site: Site) -> None:
    site.deploy("one")

    def hang() -> None:
        deadline = time.monotonic() + 10
        while not any("takes 20 %" in event for event in site.events) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(site.status().pids["canary"] or 0, signal.SIGSTOP)

    thread = threading.Thread(target=hang)
    thread.start()
    outcome = site.deploy("two", canary(rate=100))
    thread.join()
    assert outcome.outcome == "rolled-back"
    assert outcome.reason.startswith("errors: ")
    assert (outcome.traffic.errors, outcome.traffic.lost) == (0, 0)
    assert answer(site) == "one"


@pytest.mark.parametrize("config", [canary(), at_once()], ids=["canary", "blue-green"])
def test_a_version_that_is_never_ready_gets_no_traffic(site: Site, config) -> None:
    site.deploy("one")
    outcome = site.deploy("never", replace(config, ready_timeout=1.0), NEVER=1)
    assert outcome.outcome == "rolled-back"
    assert "not ready within 1 s" in outcome.reason
    assert "cannot find the model" in outcome.reason
    assert answer(site) == "one"
    assert len(site.processes()) == 2


def test_a_first_version_that_ends_at_once_leaves_nothing(site: Site) -> None:
    request = site.request("one")
    request.image_config["Cmd"] = ["python", "-c", "raise SystemExit('no model here')"]
    outcome = delivery.deploy(request, folder=site.folder, report=lambda event: None, stop=site.stopper)
    assert (outcome.outcome, outcome.previous, outcome.endpoint) == ("rolled-back", None, None)
    assert outcome.reason == "it ended before it was ready: no model here"
    assert delivery.status(site.folder) is None
    assert site.processes() == []


def test_blue_green_under_load_loses_nothing(site: Site) -> None:
    site.deploy("one")
    with Load(site) as load:
        for name in ("two", "three", "one"):
            assert site.deploy(name).outcome == "deployed"
            assert answer(site) == name
    assert load.counts.sent == load.counts.answered > 50
    assert (load.counts.errors, load.counts.lost, load.counts.resent) == (0, 0, 0)
    assert len(site.processes()) == 2


def test_recreate_comes_back_with_the_old_version_when_the_new_one_fails(site: Site) -> None:
    site.deploy("one")
    recreate = replace(at_once(), strategy="recreate", ready_timeout=1.0)
    assert site.deploy("never", recreate, NEVER=1).outcome == "rolled-back"
    assert answer(site) == "one"
    assert site.deploy("two", recreate).outcome == "deployed"
    assert answer(site) == "two"


def test_an_interrupt_in_mid_canary_gives_everything_back_to_stable(site: Site) -> None:
    site.deploy("one")
    threading.Timer(1.0, site.stopper.set).start()
    with pytest.raises(Interrupted):
        site.deploy("two", canary(rate=5))
    status = site.status()
    assert (status.digest, status.canary, status.healthy) == ("sha256:one", None, True)
    assert answer(site) == "one"
    assert len(site.processes()) == 2


def test_without_traffic_a_canary_is_taken_back_for_want_of_evidence(site: Site) -> None:
    site.deploy("one")
    outcome = site.deploy("two", replace(canary(timeout=1.0), replay=None))
    assert outcome.outcome == "rolled-back"
    assert outcome.reason == "not enough evidence in 1 s (0 requests to the canary)"


def test_the_proxy_keeps_its_port_and_moves_when_the_config_names_one(site: Site) -> None:
    first = site.deploy("one").endpoint
    assert site.deploy("two").endpoint == first
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(WorldError, match=f"cannot listen on port {port}"):
            site.deploy("two", at_once(port=port))
        assert answer(site) == "two"
    assert site.deploy("two", at_once(port=port)).endpoint == f"http://127.0.0.1:{port}"
    assert answer(site) == "two"


def test_a_plan_that_cannot_decide_is_refused_before_anything_starts(site: Site) -> None:
    for config in (replace(canary(), steps=(0.5, 0.2)), canary(margin=0.0)):
        with pytest.raises(UsageError):
            site.deploy("one", config)
    assert not site.folder.exists()


def test_a_version_that_is_kept_takes_the_traffic_back_without_a_start(site: Site) -> None:
    site.deploy("one")
    old = site.status().pids["stable"]
    with Load(site) as load:
        site.deploy("two", at_once(keep=600))
        new = site.status().pids["stable"]
        back = site.deploy("one", at_once(keep=600))
        assert (back.outcome, back.reason) == ("deployed", "it still ran")
        assert site.status().pids["stable"] == old
        assert answer(site) == "one"
        assert site.deploy("two", at_once()).reason == "it still ran"
        assert site.status().pids["stable"] == new
    assert (load.counts.errors, load.counts.lost, load.counts.resent) == (0, 0, 0)
    assert len(site.processes()) == 2


def test_a_version_is_kept_for_its_time_and_no_longer(site: Site) -> None:
    site.deploy("one")
    site.deploy("two", at_once(keep=1))
    assert sum("serve.py" in line for line in site.processes()) == 2
    deadline = time.monotonic() + 20
    while len(site.processes()) > 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(site.processes()) == 2
    assert answer(site) == "two"
    assert site.deploy("one").reason != "it still ran"


def test_when_both_versions_fail_an_alarm_is_told_and_the_stable_one_stays(site: Site) -> None:
    site.deploy("bad", BAD=0.5)
    config = replace(canary(margin=0.3, timeout=4.0), repeatable=False)
    outcome = site.deploy("as-bad", config, BAD=0.5)
    assert outcome.outcome == "rolled-back"
    assert any("ALARM: both versions fail" in event for event in site.events)
    assert {point["weight"] for point in outcome.timeline if point["phase"] == "canary"} == {0.0, 0.2}
    assert site.status().digest == "sha256:bad"
