"""Shadows and A/B tests with real Envoy: who gets which requests, and what is decided by."""

from __future__ import annotations

import threading
import time
import urllib.request
from dataclasses import replace
from typing import Any

import pytest

from mlci.config.model import Deploy, Sticky
from mlci.config.watching import Analysis, PredictionWatch
from mlci.errors import Interrupted, UsageError
from tests.integration.deploy.deploykit import MANY, Load, Site, answer, canary, watching


def shadow(*, watch: PredictionWatch | None = None, **more: Any) -> Deploy:
    made = replace(canary(**more), strategy="shadow")
    return replace(made, analysis=replace(made.analysis, predictions=watch))


def ab(*, margin: float = 0.1, timeout: float = 20.0, **more: Any) -> Deploy:
    made = canary(margin=margin, timeout=timeout)
    return replace(made, strategy="ab", steps=(0.5,), sticky=Sticky(header="x-user"), repeatable=False, **more)


@pytest.mark.parametrize("good", [True, False], ids=["good", "bad"])
def test_a_shadow_gets_a_copy_of_each_request_and_no_caller_its_answers(site: Site, good: bool) -> None:
    site.deploy("one")
    with Load(site, rate=50) as load:
        outcome = site.deploy("two", shadow(), BAD=0 if good else 0.2)
        assert {answer(site)} == {"two" if good else "one"}
    assert outcome.outcome == ("deployed" if good else "rolled-back")
    for counts in (outcome.traffic, load.counts):
        assert counts.sent == counts.answered > 20
        assert (counts.errors, counts.lost) == (0, 0)
    last = outcome.timeline[-1]
    assert last["canary"]["requests"] == pytest.approx(last["stable"]["requests"], rel=0.2)
    assert {point["weight"] for point in outcome.timeline} == {0.0}
    if not good:
        assert outcome.reason.startswith("errors: ")


def test_a_shadow_that_is_slow_is_taken_back_and_slows_no_caller(site: Site) -> None:
    site.deploy("one")
    outcome = site.deploy("slow", shadow(latency=True), SLOW=0.1)
    assert (outcome.outcome, outcome.reason.partition(":")[0]) == ("rolled-back", "latency")


@pytest.mark.parametrize("shift", [0.0, 0.05])
def test_a_shadow_answers_the_same_rows_and_may_not_answer_them_differently(site: Site, shift: float) -> None:
    site.rows = MANY
    site.deploy("one", SHIFT=0)
    watch = PredictionWatch(max_disagreement=0.1, difference=0.001)
    outcome = site.deploy("two", shadow(watch=watch, rate=100), SHIFT=shift)
    if shift:
        assert outcome.outcome == "rolled-back"
        assert outcome.reason.startswith("predictions: ")
        assert "requests were answered differently" in outcome.reason
    else:
        assert outcome.outcome == "deployed"


def test_users_stay_with_a_version_and_a_good_one_takes_over(site: Site) -> None:
    site.rows = MANY
    site.deploy("one")
    outcome = site.deploy("two", ab())
    assert outcome.outcome == "deployed"
    assert "users" in outcome.reason
    assert answer(site) == "two"
    assert (site.folder / "proxy" / "users.log").stat().st_size == 0


@pytest.mark.parametrize("sticky", [Sticky(header="x-user"), Sticky(cookie="session")], ids=["header", "cookie"])
def test_the_same_user_always_meets_the_same_version(site: Site, sticky: Sticky) -> None:
    endpoint = site.deploy("one").endpoint
    met: list[list[str]] = []

    def meet() -> None:
        while not any("takes 50 % of the users" in event for event in site.events):
            time.sleep(0.01)
        try:
            met.extend([asked(f"{endpoint}/predict", user, sticky) for user in range(40)] for _ in range(3))
        finally:
            site.stopper.set()

    thread = threading.Thread(target=meet)
    thread.start()
    with pytest.raises(Interrupted):
        site.deploy("two", replace(ab(), sticky=sticky, replay=None))
    thread.join()
    assert met[0] == met[1] == met[2]
    assert set(met[0]) == {"one", "two"}


def asked(url: str, user: int, sticky: Sticky) -> str:
    name = f"user {user}" if sticky.header else f"other=1; {sticky.cookie}=u{user}"
    request = urllib.request.Request(url, b"{}", {sticky.header or "Cookie": name})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return str(reply.read().decode())


def test_a_version_at_which_more_users_meet_errors_is_taken_back(site: Site) -> None:
    site.rows = MANY
    site.deploy("one", BAD_USERS=0.01)
    outcome = site.deploy("two", ab(), BAD_USERS=0.12)
    assert outcome.outcome == "rolled-back"
    assert outcome.reason.startswith("users: ")


def test_an_ab_without_users_ends_at_its_time(site: Site) -> None:
    site.deploy("one")
    with Load(site, rate=50):
        outcome = site.deploy("two", replace(ab(timeout=2.0), replay=None))
    assert outcome.outcome == "rolled-back"
    assert outcome.reason.startswith("not enough evidence in 2 s")


def test_a_shadow_of_requests_that_may_not_be_repeated_and_users_nobody_knows_are_refused(site: Site) -> None:
    for config in (
        replace(shadow(), repeatable=False),
        replace(ab(), sticky=None),
        replace(shadow(watch=PredictionWatch()), replay=None),
        Deploy(analysis=Analysis(predictions=PredictionWatch())),
    ):
        with pytest.raises(UsageError):
            site.deploy("one", config)
    assert not site.folder.exists()


@pytest.mark.parametrize("strategy", ["canary", "shadow", "ab", "blue-green", "recreate"])
def test_a_version_that_fails_its_warm_up_gets_no_traffic_by_any_strategy(site: Site, strategy: Any) -> None:
    site.deploy("one")
    config = replace(ab(), strategy=strategy, repeatable=True)
    outcome = site.deploy("broken", config, BROKEN=1)
    assert outcome.outcome == "rolled-back"
    assert "20 of 20 warm-up requests failed (HTTP 500)" in outcome.reason
    assert {point["phase"] for point in outcome.timeline} == {"start", "rollback", "done", "warm-up"}
    assert answer(site) == "one"
    assert len(site.processes()) == 2


def test_without_enough_evidence_it_is_held_where_that_is_asked_for(site: Site) -> None:
    site.deploy("one")
    config = watching(replace(canary(timeout=0.5), replay=None), on_timeout="hold")
    threading.Timer(2.0, site.stopper.set).start()
    with pytest.raises(Interrupted):
        site.deploy("two", config)
    assert answer(site) == "one"
