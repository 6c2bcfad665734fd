"""Runs a suite and judges what it found: any error fails the gate, and a suite that checked nothing is one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mlci.errors import WorldError
from mlci.gate import words
from mlci.gate.suites.ask import Asked, name_of
from mlci.gate.suites.protocol import Found, Job, Outcome

_ORDER = {"error": 0, "warn": 1, "note": 2}
_MOST, _LONGEST = 500, 2000
"""Findings of a suite that are kept, the worst first, and characters of each text."""


@dataclass(frozen=True)
class Judged:
    """A suite with its verdict; `html` is its page, still in the folder of the job."""

    name: str
    checks: int
    findings: tuple[Found, ...]
    rows: int
    html: Path | None = None

    @property
    def errors(self) -> tuple[Found, ...]:
        return tuple(found for found in self.findings if found.severity == "error")

    @property
    def verdict(self) -> Literal["pass", "fail"]:
        return "fail" if self.errors else "pass"

    def facts(self, html: str | None) -> dict[str, Any]:
        """The same as plain JSON, for the receipt; `html` is the digest of the page in the store."""
        kept = [{k: v for k, v in asdict(f).items() if k != "crashed"} for f in self.findings[:_MOST]]
        return {
            "name": self.name,
            "verdict": self.verdict,
            "checks": self.checks,
            "rows": self.rows,
            "findings": kept,
            "findings_left": len(self.findings) - len(kept),
            "html": html,
        }

    def lines(self) -> list[str]:
        """The same for a terminal."""
        head = f"{self.verdict}: {self.name}: {words.many(self.checks, 'check')} on {words.many(self.rows, 'row')}"
        shown = (f for f in self.findings if f.severity != "note")
        return [head, *(f"  {f.severity}: {f.title}" + (f": {f.detail}" if f.detail else "") for f in shown)]


def judge(asked: Asked, job: Job) -> Judged:
    """Run the suite. Raises WorldError, with the suite's name, when it cannot be run to its end: never a pass."""
    name = name_of(asked.options)
    try:
        outcome = asked.runs.run(job)
    except WorldError as error:
        raise WorldError(f"the suite {name} did not come to a verdict: {error.message}", help=error.help) from error
    found = [_cut(_lowered(one, job)) for one in (*outcome.findings, *_remarks(job, outcome))]
    return Judged(
        name, outcome.checks, tuple(sorted(found, key=lambda f: _ORDER[f.severity])), job.holdout.rows, outcome.html
    )


def _lowered(found: Found, job: Job) -> Found:
    lower = job.options.severity == "warn" and found.severity == "error" and not found.crashed
    return replace(found, severity="warn") if lower else found


def _remarks(job: Job, outcome: Outcome) -> list[Found]:
    out = []
    if outcome.checks == 0:
        out.append(Found("nothing was checked", "error", "the suite gave no verdict on anything", crashed=True))
    for what, rows in (("the holdout", job.holdout), ("the training data", job.train)):
        if rows is not None and rows.rows < rows.of:
            of = f"{rows.rows:,} of {words.many(rows.of, 'row')} of {what}, drawn by `sample`"
            out.append(Found("judged on a sample", "note", of))
    return out


def _cut(found: Found) -> Found:
    return replace(
        found,
        title=" ".join(found.title.split())[:_LONGEST],
        detail=found.detail[:_LONGEST],
        checked=found.checked[:_LONGEST],
    )
