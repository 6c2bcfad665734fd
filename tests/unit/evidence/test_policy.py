"""The policy: what a digest's records allow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlci.evidence.policy import Rule, decide
from mlci.evidence.receipt import Receipt

NOW = "2026-03-01T12:00:00.000000Z"


def record(step: str, verdict: str = "pass", hour: int = 0) -> Receipt:
    return Receipt(
        step, "k", verdict, "as said", {"image": "sha256:" + "0" * 64}, finished=f"2026-03-01T{hour:02}:00:00.000000Z"
    )


def allowed(rule: Rule, *records: Receipt) -> bool:
    return all(reason.ok for reason in decide(rule, records, NOW))


STEPS = Rule(("validate", "gate"), (), frozenset())
STAGED = Rule(("staging",), ("staging",), frozenset({"staging"}))


def test_nothing_required_allows_everything() -> None:
    assert allowed(Rule((), (), frozenset()))


def test_every_missing_record_is_named_with_the_command_that_makes_it() -> None:
    reasons = decide(STEPS, [], NOW)
    assert [r.ok for r in reasons] == [False, False]
    assert all("mlci run" in r.detail for r in reasons)


def test_each_dataset_must_have_passed() -> None:
    assert allowed(STEPS, record("validate:train"), record("validate:holdout"), record("gate"))
    assert not allowed(STEPS, record("validate:train"), record("validate:holdout", "fail"), record("gate"))


def test_the_newest_receipt_counts_whatever_the_order() -> None:
    old, new = record("gate", hour=1), record("gate", "fail", hour=2)
    validated = record("validate:train")
    assert not allowed(STEPS, validated, old, new)
    assert not allowed(STEPS, new, old, validated)
    assert allowed(STEPS, validated, record("gate", "fail", hour=1), record("gate", hour=2))


def test_an_environment_that_deploys_must_have_deployed_well() -> None:
    assert not allowed(STAGED, record("promote:staging"))
    assert not allowed(STAGED, record("promote:staging"), record("deploy:staging", "rolled-back"))
    assert allowed(STAGED, record("promote:staging"), record("deploy:staging"))


def test_soak_counts_from_the_last_environment_before() -> None:
    rule = Rule(("staging",), ("staging",), frozenset(), soak=3600)
    assert allowed(rule, record("promote:staging", hour=11))
    assert not allowed(Rule(("staging",), ("staging",), frozenset(), soak=3601), record("promote:staging", hour=11))
    assert not allowed(Rule((), (), frozenset(), soak=1))


@given(
    st.lists(
        st.tuples(st.sampled_from(["gate", "validate:a"]), st.sampled_from(["pass", "fail"]), st.integers(0, 23)),
        max_size=8,
    )
)
def test_a_failing_record_that_is_the_newest_is_never_allowed(rows: list[tuple[str, str, int]]) -> None:
    records = [record(*row) for row in rows] + [record("gate", "fail", 23)]
    newest = max((r for r in records if r.step == "gate"), key=lambda r: r.finished)
    if newest.verdict == "fail" and sum(r.step == "gate" and r.finished == newest.finished for r in records) == 1:
        assert not allowed(STEPS, *records)
