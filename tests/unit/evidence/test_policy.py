"""The policy: what is said of a digest, and where it was, decide; what nobody trusted says does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.config.model import Freeze
from mlci.evidence.policy import Evidence, Reason, Rule, Stay, decide, stays
from mlci.evidence.receipt import Receipt

IMAGE, OTHER = "sha256:" + "0" * 64, "sha256:" + "1" * 64
NOW = "2026-03-06T12:00:00.000000Z"  # a Friday


def at(hours: float) -> str:
    """So many hours before now."""
    time = datetime(2026, 3, 6, 12, tzinfo=timezone.utc) - timedelta(hours=hours)
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def said(
    step: str, verdict: str = "pass", hours: float = 1, signer: str | None = "ci", config: dict | None = None, **facts
) -> Evidence:
    receipt = Receipt(step, "k", verdict, "as said", {"image": IMAGE}, config=config or {}, facts=facts)
    name = f"{step} {verdict} {hours} {signer} {config} {facts}"
    return Evidence(replace(receipt, finished=at(hours)), signer, name)


def stay(environment: str, since: float, until: float | None = None, ended: str = "", digest: str = IMAGE) -> Stay:
    return Stay(environment, digest, at(since), None if until is None else at(until), ended)


def reasons(rule: Rule, *found: Evidence | Stay, now: str = NOW, again: bool = False) -> dict[str, Reason]:
    evidence = [one for one in found if isinstance(one, Evidence)]
    moves = [one for one in found if isinstance(one, Stay)]
    return {r.rule: r for r in decide(rule, evidence, moves, now, digest=IMAGE, again=again)}


def allowed(rule: Rule, *found: Evidence | Stay, now: str = NOW, again: bool = False) -> bool:
    return all(reason.ok for reason in reasons(rule, *found, now=now, again=again).values())


STEPS = Rule("prod", ("validate", "gate"), {"validate": ("validate:train", "validate:holdout")})
VALIDATED = (said("validate:train"), said("validate:holdout"))
STAGED = Rule("prod", ("staging",), environments={"staging": True})
DEPLOYED = (stay("staging", 48), said("deploy:staging"))


def test_nothing_required_allows_everything() -> None:
    assert allowed(Rule("prod"))


def test_every_missing_record_is_named_at_once_with_the_command_that_makes_it() -> None:
    rule = replace(STEPS, requires=(*STEPS.requires, "staging"), environments={"staging": True}, signed_by=("ci",))
    rule = replace(rule, approvals=2, approvers=("ann", "bob"), soak=60.0, served=10, not_before="2026-04-01T00:00:00Z")
    found = reasons(rule)
    assert list(found) == ["validate", "gate", "staging", "soak", "served", "approvals", "not_before"]
    assert not any(reason.ok for reason in found.values())
    assert "no receipt of gate signed by ci" in found["gate"].detail and "`mlci run`" in found["gate"].detail
    assert "`mlci run --to staging`" in found["staging"].detail
    assert f"`mlci approve prod {IMAGE[:19]}`, signed by ann or bob" in found["approvals"].detail


def test_each_dataset_must_have_passed() -> None:
    assert allowed(STEPS, *VALIDATED, said("gate"))
    assert not allowed(STEPS, said("validate:train"), said("gate"))
    assert not allowed(STEPS, said("validate:train"), said("validate:holdout", "fail"), said("gate"))
    assert not allowed(Rule("prod", ("validate",), {"validate": ()}))


def test_the_newest_receipt_counts_and_of_two_at_one_moment_the_failure() -> None:
    assert not allowed(STEPS, *VALIDATED, said("gate", hours=2), said("gate", "fail", 1))
    assert allowed(STEPS, *VALIDATED, said("gate", "fail", 2), said("gate", hours=1))
    assert not allowed(STEPS, *VALIDATED, said("gate"), said("gate", "fail"))


def test_what_was_judged_under_other_rules_counts_neither_way() -> None:
    rule = Rule("prod", ("gate",), configs={"gate": {"min": 0.9}})
    good = said("gate", config={"min": 0.9, "python": "3.12"})
    assert allowed(rule, good)
    assert "under other rules" in reasons(rule, said("gate", config={"min": 0.1}))["gate"].detail
    assert allowed(rule, good, said("gate", hours=0, config={"min": 0.1}), said("gate", "fail", 0, config={"min": 1}))


def test_only_who_is_trusted_counts_and_nobody_else_blocks() -> None:
    rule = replace(STEPS, signed_by=("ci", "ship"))
    assert allowed(rule, *VALIDATED, said("gate", signer="ship"))
    for stranger in (None, "someone"):
        assert not allowed(rule, *VALIDATED, said("gate", signer=stranger))
        assert allowed(rule, *VALIDATED, said("gate"), said("gate", "fail", 0, signer=stranger))


def test_an_environment_that_deploys_must_have_deployed_well() -> None:
    assert not allowed(STAGED, stay("staging", 2))
    assert not allowed(STAGED, said("deploy:staging"))
    assert not allowed(STAGED, *DEPLOYED, said("deploy:staging", "rolled-back", 0))
    assert allowed(STAGED, *DEPLOYED)
    assert allowed(replace(STAGED, environments={"staging": False}), stay("staging", 2))


def test_soak_is_the_longest_stay_without_a_break_in_each_environment_before() -> None:
    rule = Rule("prod", environments={"staging": False}, soak=3 * 3600.0)
    assert allowed(rule, stay("staging", 3))
    assert "1 h are missing" in reasons(rule, stay("staging", 2))["soak"].detail
    assert allowed(rule, stay("staging", 9, 6))  # another has taken its place since
    assert not allowed(rule, stay("staging", 9, 7), stay("staging", 2))  # two and two are not four
    assert not allowed(rule, stay("staging", 9, digest=OTHER), stay("qa", 9))
    both = replace(rule, environments={"staging": False, "qa": False})
    assert not allowed(both, stay("staging", 9))
    assert allowed(both, stay("staging", 9), stay("qa", 3))
    assert not allowed(Rule("prod", soak=1.0))


def test_served_sums_what_the_digest_itself_answered_well_in_deployments_that_passed() -> None:
    def canary(requests: int, errors: int = 0, verdict: str = "pass", hours: float = 1) -> Evidence:
        points = [{"canary": {"requests": 1, "errors": 0}}, {"canary": {"requests": requests, "errors": errors}}]
        return said("deploy:staging", verdict, hours, timeline=points, traffic={"answered": 10**6})

    rule = Rule("prod", environments={"staging": True}, served=10_000)
    assert allowed(rule, canary(10_000))
    assert "9,999 of 10,000 in staging" in reasons(rule, canary(10_000, 1))["served"].detail
    assert allowed(rule, canary(6_000), canary(5_000, hours=2))
    assert not allowed(rule, canary(6_000), replace(canary(6_000), signer="ship"))  # one record, signed twice
    assert not allowed(rule, canary(10_000, verdict="rolled-back"))
    for odd in ([], "x", [1], [{}], [{"canary": {"requests": "many", "errors": 0}}]):
        assert not allowed(rule, said("deploy:staging", timeline=odd))


def test_an_approval_counts_once_a_person_for_its_environment_by_whom_the_policy_names() -> None:
    rule = Rule("prod", approvals=2, approvers=("ann", "bob"))
    ann, bob = said("approve:prod", signer="ann"), said("approve:prod", signer="bob")
    assert allowed(rule, ann, bob)
    assert not allowed(rule, ann, said("approve:prod", hours=0, signer="ann"))
    for other in (None, "ci"):
        assert not allowed(rule, ann, said("approve:prod", signer=other))
    assert not allowed(rule, ann, said("approve:staging", signer="bob"))
    assert "1 of 2 (ann)" in reasons(rule, ann)["approvals"].detail


def test_evidence_grows_old() -> None:
    rule = replace(STEPS, max_age=3600.0 * 5, approvals=1, approvers=("ann",))
    assert allowed(rule, *VALIDATED, said("gate", hours=5), said("approve:prod", hours=4, signer="ann"))
    old = reasons(rule, *VALIDATED, said("gate", hours=6), said("approve:prod", hours=6, signer="ann"))
    assert [rule for rule, reason in old.items() if not reason.ok] == ["gate", "approvals"]
    assert "more than 5 h ago; `mlci run --force`" in old["gate"].detail
    assert not allowed(rule, *VALIDATED, said("gate", hours=6), said("gate", "fail", 7))


def test_a_moment_before_which_nothing_comes() -> None:
    assert allowed(Rule("prod", not_before="2026-03-06T12:00:00Z"))
    assert not allowed(Rule("prod", not_before="2026-03-06T12:00:01Z"))


@pytest.mark.parametrize(
    ("window", "frozen"),
    [
        (Freeze(weekly="fri 12:00 - mon 08:00"), True),
        (Freeze(weekly="fri 12:01 - mon 08:00"), False),
        (Freeze(weekly="thu 12:00 - fri 12:00"), False),
        (Freeze(weekly="sun - fri"), True),
        (Freeze(weekly="sat - sun"), False),
        (Freeze(weekly="fri 13:00 - fri 14:00", zone="Europe/Berlin"), True),
        (Freeze(weekly="fri 12:00 - fri 13:00", zone="Europe/Berlin"), False),
        (Freeze(start="2026-03-06T12:00:00Z", end="2026-03-07T00:00:00Z", why="the fair"), True),
        (Freeze(start="2026-03-01T00:00:00Z", end="2026-03-06T12:00:00Z"), False),
    ],
)
def test_a_freeze_lets_nothing_new_in(window: Freeze, frozen: bool) -> None:
    rule = Rule("prod", freeze=(Freeze(weekly="sat - sat"), window))
    assert allowed(rule) is not frozen
    assert (window.why or "") in reasons(rule)["freeze"].detail


def test_a_revocation_is_final_by_whom_the_policy_knows() -> None:
    rule = Rule("prod", revokers=("ci", "ann"))
    assert "by ann: as said" in reasons(rule, said("revoke", signer="ann"))["revoked"].detail
    assert not allowed(rule, said("revoke", hours=9, signer="ann"), said("gate", hours=0), again=True)
    assert allowed(rule, said("revoke", signer=None), said("revoke", signer="someone"))
    assert not allowed(Rule("prod"), said("revoke", signer=None))


def test_what_a_person_rolled_back_needs_a_person_to_come_again() -> None:
    back = stay("prod", 9, 5, "rollback")
    assert "`mlci promote prod --from" in reasons(Rule("prod"), back)["rolled back"].detail
    assert allowed(Rule("prod"), back, again=True)
    assert allowed(Rule("prod"), back, stay("prod", 4, 2, "promotion"))
    assert allowed(Rule("prod"), stay("prod", 9, 5, "taken back"))
    before = replace(STAGED, environments={"staging": False})
    assert not allowed(before, stay("staging", 9, 5, "rollback"), again=True)
    assert allowed(before, stay("staging", 9, 5, "rollback"), stay("staging", 4))


def test_what_is_there_stays_allowed_in_a_freeze_and_when_its_evidence_grows_old() -> None:
    rule = replace(STEPS, max_age=3600.0, freeze=(Freeze(weekly="fri 10:00 - mon 08:00"),))
    there = stay("prod", 24)
    evidence = [*VALIDATED, said("gate", hours=24.5)]
    evidence = [replace(one, receipt=replace(one.receipt, finished=at(24.5))) for one in evidence]
    assert not allowed(rule, *evidence)
    assert allowed(rule, *evidence, there)
    assert not allowed(rule, *evidence, there, said("gate", "fail", 1))
    assert not allowed(rule, *evidence[:2], there)
    for elsewhere in (stay("prod", 24, 2), stay("prod", 24, digest=OTHER), stay("staging", 24)):
        assert not allowed(rule, *evidence, elsewhere)


def test_stays_are_from_one_record_to_the_next_of_another_digest() -> None:
    moves = [(IMAGE, 9, "promotion"), (IMAGE, 8, "promotion"), (OTHER, 7, "promotion"), (IMAGE, 6, "rollback")]
    moves += [(None, 5, "withdrawn"), (OTHER, 4, "promotion")]
    records = [(digest, said("promote:prod", hours=hours, kind=kind).receipt) for digest, hours, kind in moves]
    assert stays("prod", records) == [
        stay("prod", 9, 7, "promotion"),
        stay("prod", 7, 6, "rollback", OTHER),
        stay("prod", 6, 5, "withdrawn"),
        stay("prod", 4, digest=OTHER),
    ]


SIGNERS = ("ci", "ann", "bob", "someone", None)
WORDS = ("validate", "gate", "staging", "qa")
EVIDENCE = st.builds(
    said,
    st.sampled_from(["validate:a", "validate:b", "gate", "deploy:staging", "approve:prod", "approve:qa"]),
    st.sampled_from(["pass", "pass", "pass", "fail", "rolled-back"]),
    st.integers(0, 99).map(float),
    st.sampled_from(SIGNERS),
    st.sampled_from([None, {"min": 1}]),
    timeline=st.integers(0, 9).map(lambda n: [{"canary": {"requests": n, "errors": 0}}]),
)
STAYS = st.builds(
    lambda name, since, long, ended: stay(name, since, since - long if since > long else None, ended),
    st.sampled_from(["prod", "staging", "qa"]),
    st.integers(1, 99).map(float),
    st.integers(1, 99).map(float),
    st.sampled_from(["promotion", "taken back"]),
)


def rule_for(words: list[str], soak: float | None, served: int | None, **more) -> Rule:
    environments = {name: name == "staging" for name in ("staging", "qa") if name in words}
    return Rule(
        "prod",
        tuple(words),
        {"validate": ("validate:a", "validate:b")},
        environments=environments,
        soak=soak if environments else None,
        served=served if environments.get("staging") else None,
        approvers=("ann", "bob"),
        **more,
    )


RULES = st.builds(
    rule_for,
    st.lists(st.sampled_from(WORDS), unique=True, max_size=3),
    configs=st.sampled_from([{}, {"gate": {"min": 1}}]),
    soak=st.sampled_from([None, None, 3600.0]),
    served=st.sampled_from([None, None, 3]),
    signed_by=st.sampled_from([(), ("ci",), ("ci", "ann")]),
    revokers=st.sampled_from([None, ("ci", "ann", "bob")]),
    approvals=st.integers(0, 1),
    max_age=st.sampled_from([None, 3600.0 * 50]),
)
FOUND = st.lists(st.one_of(EVIDENCE, STAYS), max_size=25)


def good(rule: Rule) -> list[Evidence | Stay]:
    """What fulfils every rule, for the most part of it long ago."""
    steps = ("validate:a", "validate:b", "gate", "deploy:staging")
    points = [{"canary": {"requests": 3, "errors": 0}}]
    return [
        *(said(step, hours=49, config={"min": 1}, timeline=points) for step in steps),
        said("approve:prod", hours=49, signer="ann"),
        stay("staging", 60, 49),
        stay("qa", 60, 49),
    ]


def counts_against(rule: Rule, one: Evidence | Stay) -> bool:
    """A failure by somebody whose word counts."""
    return isinstance(one, Evidence) and one.receipt.verdict != "pass" and one.signer in (rule.signed_by or SIGNERS)


@given(RULES, FOUND, FOUND)
def test_more_evidence_never_turns_yes_into_no_but_for_a_failure_by_who_is_trusted(rule, before, more) -> None:
    assert allowed(rule, *good(rule))
    before = [*good(rule), *before]
    if allowed(rule, *before):
        assert allowed(rule, *before, *(one for one in more if not counts_against(rule, one)))


@given(RULES, st.data())
def test_the_order_does_not_matter(rule, data) -> None:
    found = data.draw(st.lists(st.one_of(EVIDENCE, STAYS), max_size=12))
    some = [*(good(rule) if data.draw(st.booleans()) else []), *found]
    other = data.draw(st.permutations(some))
    told = [{name: (reason.ok, reason.detail) for name, reason in reasons(rule, *one).items()} for one in (some, other)]
    assert told[0] == told[1]


@given(RULES, FOUND, st.lists(EVIDENCE, max_size=9))
def test_what_nobody_trusted_says_changes_nothing(rule, found, more) -> None:
    rule = replace(rule, signed_by=rule.signed_by or ("ci",), revokers=("ci", "ann", "bob"))
    noise = [replace(one, signer=signer) for one in more for signer in (None, "someone")]
    noise += [said("revoke", signer="someone"), said("revoke", signer=None)]
    assert reasons(rule, *found) == reasons(rule, *found, *noise)
