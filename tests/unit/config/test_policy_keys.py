"""The keys of an environment's policy: how they may be written, and what is wrong with them, at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci.config import load
from mlci.config.model import Approvals, Environment, Freeze
from mlci.config.times import moment, weekly
from mlci.errors import ConfigError

HEAD = "version: 1\nproject: x\n"
SIGNERS = "signing: {signers: {ci: {public_key: a}, ann: {public_key: b}, bob: {public_key: c}}}\n"


def environment(tmp_path: Path, keys: str) -> Environment:
    file = tmp_path / "mlci.yaml"
    file.write_text(f"{HEAD}{SIGNERS}environments: {{a: {{{keys}}}}}\n")
    return load(file).config.environments["a"]


def test_short_and_long_forms(tmp_path: Path) -> None:
    short = environment(
        tmp_path, "signed_by: ci, approvals: 2, freeze: [fri 16:00 - mon 08:00], not_before: 2026-03-01"
    )
    assert short.signed_by == ("ci",) and short.approvals == Approvals(count=2)
    assert short.freeze == (Freeze(weekly="fri 16:00 - mon 08:00"),)
    assert short.not_before == "2026-03-01T00:00:00Z"
    keys = "signed_by: [ci, ann], approvals: {by: ann}, freeze: [{start: 2026-12-20T01:00+02:00, end: 2027-01-04}]"
    long = environment(tmp_path, keys)
    assert long.signed_by == ("ci", "ann") and long.approvals == Approvals(count=1, by=("ann",))
    assert long.freeze == (Freeze(start="2026-12-19T23:00:00Z", end="2027-01-04T00:00:00Z"),)
    bare = environment(tmp_path, "")
    assert (bare.approvals, bare.signed_by, bare.freeze, bare.max_age, bare.served) == (None, (), (), None, None)


@pytest.mark.parametrize(
    ("keys", "column", "message"),
    [
        ("not_before: 2026-13-01", 32, "not a usable moment: month must be in 1..12"),
        ("not_before: 2026-03-01T08:00", 32, "not a usable moment"),
        ("not_before: soon", 32, "not a usable moment"),
        ("freeze: [fri - thu 24:30]", 29, "not a usable weekly: 24:30 is no time of a day"),
        ("freeze: [weekends]", 29, "is no window such as"),
        ("freeze: [sat 08:00 - sat 08:00]", 29, "begins when it ends"),
        ("freeze: [{weekly: sat - sun, zone: Mars/Base}]", 55, "no time zone that this machine knows"),
        ("freeze: [{start: 2026-01-01}]", 29, "a window is weekly, or has a start and an end"),
        ("freeze: [{weekly: sat - sun, end: 2026-01-01}]", 29, "a window is weekly, or has a start and an end"),
        ("freeze: [{start: 2026-02-01, end: 2026-01-01}]", 29, "it ends at 2026-01-01, before it starts"),
        ("signed_by: [ci, bot]", 36, "there is no signer 'bot'"),
        ("approvals: {by: [eve]}", 37, "there is no signer 'eve'"),
        ("approvals: {count: 2, by: ann}", 20, "2 must approve, and 1 are named in `by`"),
        ("approvals: 3, signed_by: ci", 31, "3 must approve, and 2 are in signing.signers, without those of"),
        ("approvals: -1", 31, "a number of at least 0"),
        ("served: 10", 28, "served counts requests in an environment before"),
        ("soak: 1h", 26, "soak counts the time in an environment before"),
    ],
)
def test_a_rule_that_cannot_be_met_is_a_mistake_at_its_place(
    tmp_path: Path, keys: str, column: int, message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        environment(tmp_path, keys)
    found = [(problem.line, problem.column, problem.message) for problem in error.value.problems]
    assert any(line == 4 and message in said for line, _, said in found), found
    assert found[0][1] == column, found


def test_moments_and_windows() -> None:
    assert moment("2026-03-01t08:00:30z") == "2026-03-01T08:00:30Z"
    day = 24 * 60
    assert weekly("sat - sun") == (5 * day, 7 * day)
    assert weekly("Fri 16:00 – Mon 08:00") == (4 * day + 16 * 60, 7 * day + 8 * 60)
    assert weekly("sun 22:00 - sun 24:00") == (6 * day + 22 * 60, 7 * day)
