"""The policy: what a digest's records allow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlci.evidence.policy import Rule, decide
from mlci.evidence.receipt import Receipt

NOW = "2026-03-01T12:00:00.000000Z"


def record(step: str, verdict: str = "pass", hour: int = 0, **config: object) -> Receipt:
    finished = f"2026-03-01T{hour:02}:00:00.000000Z"
    return Receipt(step, "k", verdict, "as said", {"image": "sha256:" + "0" * 64}, config=config, finished=finished)


def allowed(rule: Rule, *records: Receipt, **stands: str | None) -> bool:
    return all(reason.ok for reason in decide(rule, records, now=NOW, stands=stands))


STEPS = Rule(("validate", "gate"), {"validate": ("validate:train", "validate:holdout")})
STAGED = Rule(("staging",), {"staging": ("promote:staging", "deploy:staging")})
VALIDATED = (record("validate:train"), record("validate:holdout"))


def test_nothing_required_allows_everything() -> None:
    assert allowed(Rule((), {}))


def test_every_missing_record_is_named_with_the_command_that_makes_it() -> None:
    reasons = decide(STEPS, [], now=NOW, stands={})
    assert [r.ok for r in reasons] == [False, False]
    assert all("mlci run" in r.detail for r in reasons)


def test_each_dataset_must_have_passed() -> None:
    assert allowed(STEPS, *VALIDATED, record("gate"))
    assert not allowed(STEPS, record("validate:train"), record("gate"))
    assert not allowed(STEPS, record("validate:train"), record("validate:holdout", "fail"), record("gate"))


def test_a_word_that_stands_for_nothing_is_not_met() -> None:
    assert not allowed(Rule(("validate",), {"validate": ()}))


def test_the_newest_receipt_counts_whatever_the_order() -> None:
    old, new = record("gate", hour=1), record("gate", "fail", hour=2)
    assert not allowed(STEPS, *VALIDATED, old, new)
    assert not allowed(STEPS, new, old, *VALIDATED)
    assert allowed(STEPS, *VALIDATED, record("gate", "fail", hour=1), record("gate", hour=2))


def test_a_pass_under_other_rules_does_not_count() -> None:
    rule = Rule(("gate",), {}, configs={"gate": {"metrics": {"roc_auc": {"min": 0.9}}}})
    assert allowed(rule, record("gate", metrics={"roc_auc": {"min": 0.9}}, python="3.12"))
    assert not allowed(rule, record("gate", metrics={"roc_auc": {"min": 0.1}}))


def test_an_environment_that_deploys_must_have_deployed_well() -> None:
    assert not allowed(STAGED, record("promote:staging"))
    assert not allowed(STAGED, record("promote:staging"), record("deploy:staging", "rolled-back"))
    assert allowed(STAGED, record("promote:staging"), record("deploy:staging"))


def test_soak_is_the_time_that_it_has_stood_there_and_still_does() -> None:
    hour = Rule((), {}, soak=3600)
    assert allowed(hour, staging="2026-03-01T11:00:00.000000Z")
    assert not allowed(hour, staging="2026-03-01T11:00:01.000000Z")
    assert not allowed(hour, staging=None)
    assert not allowed(hour, staging="2026-03-01T01:00:00.000000Z", qa="2026-03-01T11:30:00.000000Z")
    assert not allowed(hour)


@given(st.lists(st.tuples(st.sampled_from(["pass", "fail"]), st.integers(0, 22)), max_size=8))
def test_a_failing_record_that_is_the_newest_is_never_allowed(rows: list[tuple[str, int]]) -> None:
    records = [record("gate", *row) for row in rows]
    assert not allowed(STEPS, *VALIDATED, *records, record("gate", "fail", 23))
    assert allowed(STEPS, *VALIDATED, *records, record("gate", "pass", 23))
