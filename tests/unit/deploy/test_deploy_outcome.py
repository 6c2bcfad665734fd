"""The timeline of a deployment."""

from __future__ import annotations

import json

from mlci.deploy.analysis import Counts, Plan, Tally, begin, decide, observe
from mlci.deploy.outcome import POINTS, Diary, Event, Outcome
from mlci.deploy.replay import Sent

PLAN = Plan((0.05, 0.5), 0.99, 0.01, None, 60)


def test_a_long_timeline_is_thinned_and_keeps_what_happened() -> None:
    told: list[Event] = []
    diary = Diary(told.append)
    state = begin(PLAN)
    diary.tell("start", "first")
    for number in range(3000):
        state = observe(state, Counts(0.25, Tally(10, 1), Tally(1, 0)), PLAN)
        diary.watch(0.05, state, decide(state, PLAN), PLAN)
        if number % 500 == 0:
            diary.tell("canary", f"event {number}")
    timeline = diary.timeline()
    assert len(timeline) == POINTS
    events = [point["event"] for point in timeline if point["event"]]
    assert events == ["first", *(f"event {number}" for number in range(0, 3000, 500))]
    assert [event.text for event in told if event.text.startswith("event")] == events[1:]
    assert [point["t"] for point in timeline] == sorted(point["t"] for point in timeline)
    assert timeline[-1]["canary"]["requests"] > 2900


def test_facts_are_plain_json() -> None:
    diary = Diary(lambda event: None)
    diary.tell("start", "r1")
    state = observe(begin(PLAN), Counts(0.25, Tally(10, 0), Tally(1, 1)), PLAN)
    diary.watch(0.05, state, decide(state, PLAN), PLAN)
    outcome = Outcome(
        environment="production",
        strategy="canary",
        driver="process",
        digest="sha256:two",
        previous="sha256:one",
        endpoint="http://127.0.0.1:8080",
        outcome="rolled-back",
        reason="errors",
        traffic=Sent(10, 9, 1, 1),
        timeline=diary.timeline(),
    )
    facts = json.loads(json.dumps(outcome.facts(), allow_nan=False))
    assert facts["traffic"] == {"sent": 10, "answered": 9, "errors": 1, "lost": 1, "resent": 0}
    assert facts["timeline"][1]["canary"] == {"requests": 1, "errors": 1}
    assert set(facts["timeline"][1]["evidence"]) == {"errors"}
