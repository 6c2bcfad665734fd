"""Since when data breaks its contract, and whose change it was: beside the last validation that passed.

Its receipt knows the files with their digests, and every rule of the contract as it was. So each broken rule can say
whether the rule is new or the rows are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Literal

from mlci.contract import Report
from mlci.evidence import provenance, results
from mlci.evidence.receipt import Material, Receipt
from mlci.steps.protocol import Context

Cause = Literal["data", "contract", "both", "unclear"]
_NAMED = 20
"""So many new files are named in a receipt."""


@dataclass(frozen=True)
class Passed:
    """The last validation that passed: its run (None: the record is not there), when, by whom, at which commit."""

    run: str | None
    at: str
    who: str
    commit: str
    dirty: bool


@dataclass(frozen=True)
class RuleSince:
    """A broken rule beside then: what it was (None: as it is; empty: it was not there), and what changed since."""

    column: str
    rule: str
    was: str | None
    cause: Cause
    says: str


@dataclass(frozen=True)
class Since:
    """What has changed since data last kept its contract. `passed` is None when it never did.

    `new` and `changed` are files by their name in the project, `of` counts all. `rules` are the violations, in order.
    `change` is the commit of the contract's last change, where the contract has changed and git knows.
    """

    passed: Passed | None
    contract: Literal["same", "changed"]
    change: Mapping[str, str]
    of: int
    new: tuple[str, ...]
    changed: tuple[str, ...]
    rules: tuple[RuleSince, ...]
    says: str

    def facts(self) -> dict[str, Any]:
        """As a receipt keeps it: plain JSON."""
        files = {
            "of": self.of,
            "new": len(self.new),
            "changed": len(self.changed),
            "names": [*self.new, *self.changed][:_NAMED],
        }
        return {
            "passed": asdict(self.passed) if self.passed else None,
            "contract": self.contract,
            "change": dict(self.change),
            "files": files,
            "rules": [asdict(rule) for rule in self.rules],
            "says": self.says,
        }


def explain(ctx: Context, step: str, materials: Sequence[Material], report: Report) -> Since | None:
    """What to say of a report; None when no rule is broken."""
    if not report.violations:
        return None
    others = {f"data {name}" for name in ctx.project.config.data} - {f"data {step.partition(':')[2]}"}
    materials = [m for m in materials if m.via not in others]
    last = results.last_passed(ctx.store, step)
    run = results.run_of(ctx.store, last) if last else None
    last = last and replace(last, materials=tuple(m for m in last.materials if m.via not in others))
    change: dict[str, str] = {}
    if last and _contract(last.materials) != _contract(materials):
        names = [m.name for m in materials if m.via == "contract"]
        change = provenance.last_change(ctx.project.root, names[0]) if names else {}
    return since(last, run, materials, report.facts(), change)


def since(
    last: Receipt | None,
    run: str | None,
    materials: Sequence[Material],
    facts: Mapping[str, Any],
    change: Mapping[str, str],
) -> Since:
    """Compare the facts of a report and its materials with the receipt, of `run`, of the last one that passed."""
    data = [m for m in materials if m.via.startswith("data ")]
    if last is None:
        rules = tuple(RuleSince(v["column"], v["rule"], None, "unclear", "") for v in facts["violations"])
        return Since(None, "same", {}, len(data), (), (), rules, "no earlier validation of this data has passed")
    states = _states(data, last)
    new = tuple(name for name, state in states.items() if state == "new")
    changed = tuple(name for name, state in states.items() if state == "changed")
    same = _contract(last.materials) == _contract(materials)
    shown = dict(zip(_short([m.name for m in data]), states.values(), strict=True))
    rules = tuple(_rule(v, facts, last, shown, same=same) for v in facts["violations"])
    source = last.source
    passed = Passed(run, last.finished, _who(last), str(source.get("commit", "")), bool(source.get("dirty")))
    words = (_place(passed), _files(len(data), len(new), len(changed)), _changed_contract(change, same=same))
    return Since(
        passed,
        "same" if same else "changed",
        change,
        len(data),
        new,
        changed,
        rules,
        f"since {words[0]}: {words[1]}; {words[2]}",
    )


def _contract(materials: Sequence[Material]) -> set[str]:
    return {m.digest for m in materials if m.via == "contract"}


def _states(data: Sequence[Material], last: Receipt) -> dict[str, str]:
    """Each file is `same` (also under another name), `changed` or `new`."""
    before = {m.name: m.digest for m in last.materials if m.via != "contract"}
    known = set(before.values())
    return {m.name: "same" if m.digest in known else "changed" if m.name in before else "new" for m in data}


def _short(names: Sequence[str]) -> list[str]:
    """Files as a report names them: below the folder that they share."""
    if not names:
        return []
    try:
        folder = os.path.commonpath([PurePosixPath(name).parent for name in names])
    except ValueError:  # some are absolute, some are not
        return list(names)
    return [PurePosixPath(name).relative_to(folder).as_posix() if folder else name for name in names]


def _rule(
    violation: Mapping[str, Any], facts: Mapping[str, Any], last: Receipt, states: Mapping[str, str], *, same: bool
) -> RuleSince:
    column, rule = violation["column"], violation["rule"]
    known = same or "rules" in last.facts
    was = _was(column, rule, facts.get("rules", {}), last.facts["rules"]) if known and not same else None
    rows = _where(violation, states)
    fresh = {file: n for file, n in rows.items() if states.get(file) != "same"}
    parts = list(_said(violation, last, was))
    if rows:
        parts.append(_rows(rule, rows, fresh, states))
    moved = bool(fresh) if rows else any(state != "same" for state in states.values())
    return RuleSince(column, rule, was, _cause(moved, was, known=known), "; ".join(parts))


def _was(column: str, rule: str, now: Mapping[str, Any], then: Mapping[str, Any]) -> str | None:
    """What the rule was: None where it is the same (or asks for what every contract does), empty where it is new."""
    asks = now.get(column, {}).get(rule)
    if asks is None:
        return None
    before = str(then.get(column, {}).get(rule, ""))
    return None if before == asks else before


def _where(violation: Mapping[str, Any], states: Mapping[str, str]) -> dict[str, int]:
    """How many of a rule's rows are in which file; empty where nobody knows, or it is not about rows."""
    known = {one["file"]: one["count"] for one in violation["files"]}
    if known:
        return known
    if violation["rule"] == "readable":
        return {row["(file)"]: 1 for row in violation["samples"] if "(file)" in row}
    if not violation["found"] and len(states) == 1:
        return {next(iter(states)): violation["count"]}
    return {}


def _cause(moved: bool, was: str | None, *, known: bool) -> Cause:
    """Whose change it was: `moved` says whether rows that break the rule may be in a file that is not as it was."""
    if was is None and known:
        return "data" if moved else "unclear"
    if not moved:
        return "contract"
    return "both" if known else "unclear"


def _said(violation: Mapping[str, Any], last: Receipt, was: str | None) -> Iterator[str]:
    if was is not None:
        yield f"the rule was: {was}" if was else "the rule is new"
    for one in last.facts.get("violations", ()):
        if (one["column"], one["rule"]) == (violation["column"], violation["rule"]) and not one.get("found"):
            yield f"{_many(one['count'], 'row')} broke it then"


def _rows(rule: str, rows: Mapping[str, int], fresh: Mapping[str, int], states: Mapping[str, str]) -> str:
    """Where the rows are: `all 31 rows are in 2013-07.parquet, which is new`."""
    old = {file: n for file, n in rows.items() if file not in fresh}
    if rule == "readable":
        file = next(iter(rows))
        return f"{file} {_BECAME.get(states.get(file, ''), 'is not known')}"
    if not fresh:
        return f"{_all(old)} in {_many(len(old), 'file')} unchanged since"
    if old:
        fresh_rows, old_rows = _many(sum(fresh.values()), "row"), f"{sum(old.values()):,}"
        return f"{fresh_rows} in {_many(len(fresh), 'new or changed file')}, {old_rows} in {len(old):,} unchanged"
    if len(fresh) == 1:
        file = next(iter(fresh))
        return f"{_all(fresh)} in {file}, which {_BECAME.get(states.get(file, ''), 'is not known')}"
    return f"{_all(fresh)} in {len(fresh):,} new or changed files"


_BECAME = {"new": "is new", "changed": "has changed", "same": "has not changed"}


def _all(rows: Mapping[str, int]) -> str:
    count = sum(rows.values())
    return {1: "the row is", 2: "both rows are"}.get(count, f"all {count:,} rows are")


def _place(passed: Passed) -> str:
    when = f"{passed.at[:10]} {passed.at[11:16]} UTC"
    by = f", by {passed.who}" if passed.who else ""
    commit = f" at commit {passed.commit[:7]}{', changed' if passed.dirty else ''}" if passed.commit else ""
    return f"{passed.run or 'the last pass'} of {when}{by}{commit}"


def _files(of: int, new: int, changed: int) -> str:
    if not new and not changed:
        return "no file is new or has changed"
    parts = [f"{new:,} new"] * bool(new) + [f"{changed:,} changed"] * bool(changed)
    return f"{' and '.join(parts)} of {_many(of, 'file')}"


def _changed_contract(change: Mapping[str, str], *, same: bool) -> str:
    if same:
        return "the contract is as it was"
    if not change:
        return "the contract has changed"
    if not change.get("commit"):
        return "the contract has changed, not committed yet"
    return f"the contract has changed, last at commit {change['commit'][:7]} of {change['at'][:10]} by {change['who']}"


def _who(receipt: Receipt) -> str:
    builder = receipt.builder
    return "@".join(str(builder[key]) for key in ("user", "host") if builder.get(key))


def _many(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
